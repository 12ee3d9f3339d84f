"""The HTTP server as clients on the wire meet it: kind ones, odd ones and hostile ones."""

import asyncio
import gzip
import io
import logging
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent import httpd
from agent.httpd import HttpServer, Request, Response, _takes_gzip, as_json
from tests.agent.running import free_port

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSING = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


async def echo(request: Request) -> Response:
    return as_json({"path": request.path, "query": request.query, "remote": request.remote, "colour": request.header("colour")})


async def fail(_: Request) -> Response:
    raise RuntimeError("a mistake in a handler")


async def sleep(_: Request) -> Response:
    await asyncio.sleep(60)
    return Response("late")


async def large(_: Request) -> Response:
    return Response(type="application/octet-stream", file=io.BytesIO(b"0123456789" * 1_000_000))


async def page(_: Request) -> Response:
    return Response("line\n" * 1000, compress=True)


async def nothing(_: Request) -> Response:
    return Response(status=204)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    server, port = HttpServer(), free_port()
    for path, handler in {"/": echo, "/é b": echo, "/fail": fail, "/sleep": sleep, "/large": large, "/page": page}.items():
        server.add("GET", path, handler)
    server.add("POST", "/", nothing)
    await server.listen("127.0.0.1", port, tls)
    try:
        yield port
    finally:
        begin = time.monotonic()
        await server.stop(0.2)
        assert time.monotonic() - begin < 1.5
        await asyncio.sleep(0.01)
        assert not server._connections


async def talk(port: int, *sent: bytes) -> bytes:
    """All that the server says to a client that sends no more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        for part in sent:
            writer.write(part)
            await asyncio.sleep(0)
        writer.write_eof()
        heard = b""
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(65536), 10):
                heard += part
        return heard


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_a_connection_carries_many_requests_also_at_once() -> None:
    async with serving() as port:
        answer = await talk(port, GET * 3 + CLOSING)
        assert answer.count(b"HTTP/1.1 200 OK\r\n") == 4
        assert answer.count(b"Connection: close") == 1
        assert (await talk(port, b"GET / HTTP/1.0\r\n\r\n" + GET)).count(b"HTTP/1.1 200 OK") == 1
        split = [bytes([octet]) for octet in CLOSING]
        assert status(await talk(port, *split)) == 200


@pytest.mark.parametrize(
    ("sent", "expected", "said"),
    [
        (b"GET /%C3%A9%20b?x=1&x=2&y=&z=%26 HTTP/1.1\r\nHost: a\r\nColour: red\r\ncolour: blue\r\n\r\n", 200,
         b'{"path": "/\\u00e9 b", "query": {"x": "2", "y": "", "z": "&"}, "remote": "127.0.0.1", "colour": "red, blue"}'),
        (b"GET http://other.example/?x=1 HTTP/1.1\r\nHost: other.example\r\n\r\n", 200, b'"query": {"x": "1"}'),
        (b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b'"path": "/"'),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 204, b""),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello", 100, b"HTTP/1.1 204 No Content"),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, b"\r\n\r\n"),
        (b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", 404, b"there is no such page\n"),
        (b"GET //[ HTTP/1.1\r\nHost: a\r\n\r\n", 400, b"this is no target\n"),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, b"Allow: GET, POST, HEAD\r\n"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, b"one Host is needed\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, b"one Host is needed\n"),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, b"this is no HTTP/1.1 request\n"),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400, b"this is no HTTP/1.1 request\n"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400, b"this is no HTTP/1.1 request\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411, b"Length Required\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 411, b"Length Required\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 411, b"Length Required\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413, b"\r\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431, b"the head of the request is too long\n"),
        (b"GET /" + b"x" * 20_000, 431, b"the head of the request is too long\n"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_requests(sent: bytes, expected: int, said: bytes) -> None:
    async with serving() as port:
        answer = await talk(port, sent)
        assert status(answer) == expected
        assert said in answer
        if sent.startswith(b"HEAD"):
            assert answer.endswith(b"\r\n\r\n")
        assert status(await talk(port, CLOSING)) == 200, "the server goes on"


async def test_a_failing_handler_is_an_answer_and_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    async with serving() as port:
        answer = await talk(port, b"GET /fail HTTP/1.1\r\nHost: a\r\n\r\n" + CLOSING)
        assert status(answer) == 500
        assert b"a mistake" not in answer
        assert answer.count(b"HTTP/1.1 200 OK") == 1
    assert [record.message for record in caplog.records] == ["request failed"]


async def test_pages_are_compressed_for_who_takes_it() -> None:
    async with serving() as port:
        ask = b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        head, _, body = (await talk(port, ask + b"Accept-Encoding: br, gzip;q=0.5\r\n\r\n")).partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        assert b"Vary: Accept-Encoding" in head
        assert gzip.decompress(body) == b"line\n" * 1000
        assert (await talk(port, ask + b"\r\n")).endswith(b"line\n" * 1000)


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [("gzip", True), ("deflate, GZIP", True), ("*", True), ("gzip ; q=0.1", True), ("", False), ("deflate", False), ("gzip;q=0", False),
     ("gzip;q=0.000", False), ("identity, xgzip", False)],
)  # fmt: skip
def test_who_takes_gzip(accepted: str, taken: bool) -> None:  # noqa: FBT001
    assert _takes_gzip(accepted) is taken


async def test_a_large_file_goes_out_in_parts() -> None:
    async with serving() as port:
        head, _, body = (await talk(port, b"GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).partition(b"\r\n\r\n")
        assert b"Content-Length: 10000000" in head
        assert body == b"0123456789" * 1_000_000


async def test_who_is_slow_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpd, "REQUEST_WITHIN", 0.3)
    monkeypatch.setattr(httpd, "IDLE_FOR", 0.3)
    async with serving() as port:
        for sent in (
            [],
            [GET],
            [b"GET", b" /", b" H", b"TT", b"P/", b"1."],
            [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"],
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            begin = time.monotonic()
            for part in sent:
                writer.write(part)
                await asyncio.sleep(0.1)
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 5)
            assert time.monotonic() - begin < 2, sent
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(1)  # nothing is read
        heard = 0
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(2**20), 5):
                heard += len(part)
        assert heard < 10_000_000
        writer.close()


async def test_too_many_connections_close_the_one_that_is_idle_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpd, "MOST_CONNECTIONS", 3)
    async with serving() as port:
        first = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        reader, writer = first[0]
        writer.write(GET)
        await reader.readuntil(b'"colour": ""}')  # in use later than the second
        last = await asyncio.open_connection("127.0.0.1", port)
        assert await asyncio.wait_for(first[1][0].read(), 2) == b""
        for reader, writer in (first[0], first[2], last):
            writer.write(CLOSING)
            assert status(await asyncio.wait_for(reader.read(), 2)) == 200
            writer.close()
        first[1][1].close()


async def test_a_stop_does_not_wait_for_long() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /sleep HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.1)
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 2) == b""
    writer.close()


async def test_over_tls_and_to_clients_that_speak_none() -> None:
    authority = trustme.CA()
    theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(theirs)
    authority.configure_trust(ours)
    async with serving(theirs) as port:
        assert not (await talk(port, GET)).startswith(b"HTTP")
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=ours)
        writer.write(GET + CLOSING)
        assert (await reader.read()).count(b"HTTP/1.1 200 OK") == 2
        writer.close()


async def test_a_local_client_has_no_address(tmp_path: Path) -> None:
    server = HttpServer()
    server.add("GET", "/", echo)
    await server.listen_locally(tmp_path / "socket")
    reader, writer = await asyncio.open_unix_connection(tmp_path / "socket")
    writer.write(CLOSING)
    assert b'"remote": null' in await reader.read()
    writer.close()
    await server.stop(0.1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([GET, b"\r\n\r\n", b"GET / HTTP/1.1\r\n"])), max_size=4))
def test_any_octets_do_not_hurt(parts: list[bytes]) -> None:
    async def attack() -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(parts))
            writer.write_eof()
            with suppress(ConnectionError):
                heard = await asyncio.wait_for(reader.read(), 5)
                assert not heard or status(heard) in {200, 400, 404, 405, 411, 413, 431}
            writer.close()
            assert status(await talk(port, CLOSING)) == 200

    asyncio.run(attack())


async def test_windows_is_told_why_there_is_no_local_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(OSError, match="asyncio serves no Unix sockets on Windows"):
        await HttpServer().listen_locally(tmp_path / "agent.sock")
