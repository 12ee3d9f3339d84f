"""Requests as they go out, and answers off a stream; whole visits are in test_http."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.http_message import read_body, read_head, render
from collectors.probe.proxy import Proxy
from collectors.wire.http1 import Head


def request(url: str, proxy: Proxy | None = None, cookies: dict[str, str] | None = None) -> list[str]:
    parts = urllib.parse.urlsplit(url)
    return render("GET", parts, parts.hostname or "", proxy, cookies).decode("ascii").split("\r\n")


def test_request_lines() -> None:
    assert request("http://a.vn")[:2] == ["GET / HTTP/1.1", "Host: a.vn"]
    assert request("https://a.vn:8443/tra cứu?q=hồ sơ#x")[:2] == [
        "GET /tra%20c%E1%BB%A9u?q=h%E1%BB%93%20s%C6%A1 HTTP/1.1",
        "Host: a.vn:8443",
    ]
    assert request("http://[2001:db8::1]/")[1] == "Host: [2001:db8::1]"
    assert request("http://a.vn/x", Proxy("proxy", 1))[0] == "GET http://a.vn/x HTTP/1.1"
    assert request("https://a.vn/x", Proxy("proxy", 1, "Basic x"))[0] == "GET /x HTTP/1.1"
    assert "Cookie: a=1; b=2" in request("http://a.vn", cookies={"a": "1", "b": "2"})


def test_a_proxys_credentials_go_to_the_proxy_alone() -> None:
    proxy = Proxy("proxy", 1, "Basic x")
    assert "Proxy-Authorization: Basic x" in request("http://a.vn", proxy)
    assert not any("Basic" in line for line in request("https://a.vn", proxy))


def stream(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


async def test_interim_answers_have_an_end() -> None:
    with pytest.raises(ValueError, match="interim"):
        await read_head(stream(b"HTTP/1.1 100 Continue\r\n\r\n" * 100))


@given(st.binary(max_size=200), st.sampled_from(["content-length", "transfer-encoding", "x"]), st.sampled_from(["7", "chunked"]))
def test_any_body_is_read_or_refused(data: bytes, field: str, value: str) -> None:
    async def read() -> None:
        with contextlib.suppress(EOFError, ValueError):
            await read_body(stream(data), Head(200, ((field, value),)))

    asyncio.run(asyncio.wait_for(read(), 5))
