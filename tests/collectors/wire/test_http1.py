"""HTTP/1.1 heads: real ones, odd ones and any octets at all."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.http1 import Head, RequestHead, moment, parse_chunk_size, parse_head, parse_request


def test_a_usual_head() -> None:
    head = parse_head(
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 12\r\n\r\n"
    )
    assert head.status == 302
    assert head.get("location") == "/login"
    assert head.all("set-cookie") == ["a=1", "b=2"]
    assert head.length == 12
    assert not head.is_chunked


def test_odd_heads_that_are_met() -> None:
    assert parse_head(b"HTTP/1.0 200\nServer: x\n\n") == Head(200, (("server", "x"),))
    assert parse_head(b"HTTP/1.1 200 OK\r\nA: one\r\n  two\r\n\r\n").get("a") == "one two"
    assert parse_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n").is_chunked
    assert parse_head(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n").length == 0
    assert parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n").length is None


@pytest.mark.parametrize(
    "data", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"]
)
def test_what_is_no_head(data: bytes) -> None:
    with pytest.raises(ValueError, match="the answer"):
        parse_head(data)


def test_requests() -> None:
    head = parse_request(b"\r\nPOST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length:  7 \r\nAccept: a\r\naccept: b\r\n\r\n")
    assert head == RequestHead("POST", "/a?b", 1, (("host", "x"), ("content-length", "7"), ("accept", "a"), ("accept", "b")))
    assert head.length == 7
    assert parse_request(b"GET / HTTP/1.0\r\n\r\n").length == 0


@pytest.mark.parametrize(
    "framing",
    ["Content-Length: x", "Content-Length: +1", "Content-Length: 1\r\nContent-Length: 1", "Transfer-Encoding: chunked", "Transfer-Encoding: x\r\nContent-Length: 1"],
)  # fmt: skip
def test_a_body_whose_end_is_not_told_plainly(framing: str) -> None:
    assert parse_request(f"POST / HTTP/1.1\r\n{framing}\r\n\r\n".encode()).length is None


@pytest.mark.parametrize(
    "data",
    [b"", b"GET /\r\n\r\n", b"GET / HTTP/1.2\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\n a: b\r\n\r\n",
     b"GET / HTTP/1.1\r\na : b\r\n\r\n", b"GET / HTTP/1.1\r\na: b\x00\r\n\r\n", b"G\xc3T / HTTP/1.1\r\n\r\n"],
)  # fmt: skip
def test_what_is_no_request(data: bytes) -> None:
    with pytest.raises(ValueError, match="no HTTP/1 request"):
        parse_request(data)


def test_chunk_sizes() -> None:
    assert parse_chunk_size(b"1a;name=value\r\n") == 26
    for line in (b"\r\n", b"x\r\n", b"-1\r\n", b"1"):
        with pytest.raises(ValueError, match="no size"):
            parse_chunk_size(line)


REQUESTS = st.binary(max_size=200).map(lambda rest: b"GET / HTTP/1.1\r\n" + rest)


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest), REQUESTS))
def test_any_octets_are_a_head_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        head = parse_head(data)
        assert 100 <= head.status <= 599
        assert head.length is None or head.length >= 0
    with contextlib.suppress(ValueError):
        assert parse_chunk_size(data) >= 0
    with contextlib.suppress(ValueError):
        request = parse_request(data)
        assert request.length is None or request.length >= 0


@pytest.mark.parametrize(
    "date",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 15:49:37 +0700",
        "Sun, 06 Nov 1994 08:49:37 -0000",
    ],
)
def test_dates_mean_the_same_moment_wherever_the_computer_stands(date: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    try:
        assert moment(date) == 784_111_777
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "date", [None, "", "soon", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999999999 08:49:37 GMT", "1764227316"]
)
def test_what_is_no_date(date: str | None) -> None:
    assert moment(date) is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert isinstance(moment(text), float | None)
