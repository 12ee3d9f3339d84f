"""The agent's own HTTP client: connections that are kept and lost, bodies of every framing, proxies, and servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import io
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.forward.remote.ways import CONNECT_WITHIN
from agent.http_client import HttpClient, by_unix_socket, connect, reach
from agent.tasks import spawn
from collectors.probe.proxy import ProxyError
from collectors.probe.sockets import Endpoint
from tests.receivers.servers import free_port

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers each request with the next of `answers`, the last one for ever; b"" at the end of one closes the connection."""

    def __init__(self, *answers: bytes | tuple[bytes, None]) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, bytes]] = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, EOFError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = next((int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("Content-Length")), 0)
                self.requests.append((head, await reader.readexactly(length)))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                writer.write(answer[0] if isinstance(answer, tuple) else answer)
                await writer.drain()
                if isinstance(answer, tuple):
                    break

    @contextlib.asynccontextmanager
    async def running(self, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        async with listening(self.serve, context) as self.port:
            yield f"{'https' if context else 'http'}://127.0.0.1:{self.port}/"


@contextlib.asynccontextmanager
async def listening(script: Script, context: ssl.SSLContext | None = None, path: Path | None = None) -> AsyncIterator[int]:
    """Let a script talk to everyone who connects, to the port or to a Unix socket."""
    talks = []

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def talk() -> None:
            with contextlib.closing(writer):
                await script(reader, writer)

        talks.append(spawn(talk(), "talk"))

    if path is None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    else:
        server = await asyncio.start_unix_server(connected, path)
    try:
        yield server.sockets[0].getsockname()[1] if path is None else 0
    finally:
        server.close()
        for talk in talks:
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0.01)  # transports close in a turn of their own


async def test_one_connection_carries_many_requests() -> None:
    server = Server(OK)
    async with server.running() as url, HttpClient() as client:
        replies = [await client.request("POST", url, {"X-One": "1"}, b"body") for _ in range(3)]
    assert [(reply.status, reply.body, reply.cut) for reply in replies] == [(200, b"ok", False)] * 3
    assert server.connections == 1
    head, body = server.requests[0]
    assert head.split("\r\n") == ["POST / HTTP/1.1", f"Host: 127.0.0.1:{server.port}", "X-One: 1", "Content-Length: 4", "", ""]
    assert body == b"body"


@pytest.mark.parametrize(
    ("answer", "body", "kept"),
    [
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: 1\r\n\r\n",
            b"abcdefg",
            True,
        ),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", b"ok", False),
        ((b"HTTP/1.0 200 OK\r\n\r\nto the end", None), b"to the end", False),
    ],
)
async def test_bodies_of_every_framing(answer: bytes | tuple[bytes, None], body: bytes, *, kept: bool) -> None:
    server = Server(answer)
    async with server.running() as url, HttpClient() as client:
        assert [(await client.request("GET", url)).body for _ in range(2)] == [body, body]
    assert server.connections == (1 if kept else 2)


async def test_a_head_has_no_body() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", OK)
    async with server.running() as url, HttpClient() as client:
        assert (await client.request("HEAD", url)).body == b""
        assert (await client.request("GET", url)).body == b"ok"
    assert server.connections == 1


async def test_a_connection_that_was_closed_while_idle_is_opened_anew() -> None:
    server = Server((OK, None), (OK, None))
    async with server.running() as url, HttpClient() as client:
        for _ in range(2):
            assert (await client.request("POST", url, body=b"x")).body == b"ok"
    assert len(server.requests) == 2


async def test_an_answer_that_breaks_off_is_an_error_and_the_next_is_read_from_its_beginning() -> None:
    server = Server((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None), OK)
    async with server.running() as url, HttpClient() as client:
        with pytest.raises(ConnectionResetError, match="before the answer was complete"):
            await client.request("GET", url)
        assert (await client.request("GET", url)).body == b"ok"


async def test_what_is_given_up_leaves_nothing_behind() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", OK)
    async with server.running() as url, HttpClient() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.request("GET", url)
        assert (await client.request("GET", url)).body == b"ok"
    assert server.connections == 2


async def test_a_long_body_is_cut_or_goes_to_the_sink() -> None:
    server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(100000))
    sink = io.BytesIO()
    async with server.running() as url, HttpClient() as client:
        cut = await client.request("GET", url, limit=4096)
        assert (len(cut.body), cut.cut) == (4096, True)
        whole = await client.request("GET", url, limit=4096, sink=sink)
    assert (whole.body, whole.cut, len(sink.getvalue())) == (b"", False, 100000)


async def test_what_is_no_http_is_told() -> None:
    server = Server((b"SSH-2.0-OpenSSH_9.2\r\n\r\n", None), (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000, None))
    async with server.running() as url, HttpClient() as client:
        with pytest.raises(ValueError, match="status line"):
            await client.request("GET", url)
        with pytest.raises(ValueError, match="too long"):
            await client.request("GET", url)


@settings(max_examples=60, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
)
def test_any_answer_is_taken_or_refused(noise: bytes, begin: bytes) -> None:
    async def ask() -> None:
        server = Server((begin + noise, None))
        async with server.running() as url, HttpClient() as client:
            with contextlib.suppress(OSError, ValueError):
                await client.request("GET", url)

    asyncio.run(asyncio.wait_for(ask(), 10))


async def test_another_place_or_another_trust_needs_another_connection(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("metrics.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = Server(OK)
    async with server.running(context) as url, HttpClient() as client:
        for _ in range(2):
            assert (await client.request("GET", url, context=trusting, server_name="metrics.example")).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            await client.request("GET", url, context=trusting, server_name="other.example")
        with pytest.raises(ssl.SSLCertVerificationError):  # the system's store does not know the authority
            await client.request("GET", url, server_name="metrics.example")
    assert len(server.requests) == 2


async def test_an_address_that_refuses_leaves_the_others() -> None:
    server = Server(OK)
    async with server.running():
        closed, open_ = (
            Endpoint(socket.AF_INET, (host, port)) for host, port in (("127.0.0.1", free_port()), ("127.0.0.1", server.port))
        )
        (await reach((closed, open_), "metrics.example")).close()
        with pytest.raises(OSError, match=r"metrics\.example.*refused"):
            await reach((closed,), "metrics.example")


async def test_an_address_that_is_silent_leaves_time_for_the_others() -> None:
    """Where there are several lines, one gets few seconds; a dead first address must not use them up on each."""
    server, idle = Server(OK), [socket.socket() for _ in range(4)]
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # nobody accepts: when its queue is full, the kernel answers no more
        for one in idle:
            one.setblocking(False)  # noqa: FBT003
            one.connect_ex(full.getsockname())
        async with server.running():
            silent, open_ = (Endpoint(socket.AF_INET, ("127.0.0.1", port)) for port in (full.getsockname()[1], server.port))
            async with asyncio.timeout(CONNECT_WITHIN):
                channel = await reach((silent, open_), "metrics.example")
            assert channel.getpeername()[1] == server.port
            channel.close()
    for one in idle:
        one.close()


async def test_a_name_without_an_address_is_told() -> None:
    with pytest.raises(OSError, match="has no address"):
        await connect("does-not-exist.invalid", 80)


async def test_proxies_of_the_environment(tmp_path: Path) -> None:
    """Plain HTTP is asked of the proxy, for HTTPS it makes a tunnel; credentials go to the proxy alone."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("metrics.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server, asked = Server(OK), []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(head := (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"))
        if not head[0].startswith("CONNECT"):
            writer.write(OK)
            return
        there = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while part := await source.read(65536):
                    sink.write(part)
            sink.close()

        with contextlib.closing(there[1]):
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

    async with server.running(context), listening(proxy) as port:
        environ = dict.fromkeys(("http_proxy", "https_proxy"), f"http://u:p@127.0.0.1:{port}")
        async with HttpClient(environ=environ) as client:
            assert (await client.request("GET", "http://metrics.example/a")).body == b"ok"
            assert (await client.request("GET", "https://metrics.example/b", context=trusting)).body == b"ok"
        async with HttpClient(environ={"https_proxy": f"http://u:p@127.0.0.1:{server.port}"}) as client:
            with pytest.raises(ProxyError, match="closed the connection"):  # it speaks TLS, and is no proxy
                await client.request("GET", "https://metrics.example/", context=trusting)
    assert [request[0] for request in asked] == ["GET http://metrics.example/a HTTP/1.1", "CONNECT metrics.example:443 HTTP/1.1"]
    assert all("Proxy-Authorization: Basic dTpw" in request for request in asked)
    assert "Proxy-Authorization" not in server.requests[0][0]


async def test_a_unix_socket(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await by_unix_socket(tmp_path / "s").request("GET", "http://agent/x")
    server = Server(OK)
    async with listening(server.serve, path=tmp_path / "s"), by_unix_socket(tmp_path / "s") as client:
        assert (await client.request("GET", "http://agent/x")).text == "ok"


async def test_an_answer_before_the_whole_request_was_sent_is_heard() -> None:
    """A receiver that has a limit says 413 and reads no further."""
    done = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()

    async with listening(refuse) as port, HttpClient() as client:
        assert (await client.request("POST", f"http://127.0.0.1:{port}/", body=bytes(2**24))).status == 413
        assert client._streams is None
        done.set()


async def test_a_field_cannot_hold_a_second_one() -> None:
    with pytest.raises(ValueError, match="end of a line"):
        await HttpClient().request("GET", f"http://127.0.0.1:{free_port()}/", {"Name": "a\r\nOther: b"})
