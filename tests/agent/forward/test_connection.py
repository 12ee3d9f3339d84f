"""One kept connection: idle ends, answers that come in pieces or too early, proxies, lines; by servers that do as they are told."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from agent.forward.connection import Connection, Reply, UnreachableError
from agent.forward.ways import Ways
from collectors.machine import SystemClock
from tests.receivers.servers import free_port

LIMIT = 65536
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Server:
    """Answers each request with the next of `answers`, the last one again and again; `after` is then awaited."""

    answers: list[bytes] = field(default_factory=lambda: [PLAIN])
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    hang_up: bool = False
    port: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                for piece in answer.split(b"|"):
                    writer.write(piece)
                    await asyncio.sleep(0.01)
                if self.hang_up:
                    break
        except (EOFError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def served(server: Server, context: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    made = await asyncio.start_server(server.handle, "127.0.0.1", 0, ssl=context)
    server.port = made.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        made.close()


def to(server: Server, path: str = "/api/v1/write", **how: Ways) -> Connection:
    clock = SystemClock()
    return Connection(f"http://127.0.0.1:{server.port}{path}", clock, how.get("ways") or Ways(tuple, clock.monotonic))


def no_tls() -> tuple[ssl.SSLContext, str]:
    raise AssertionError


async def ask(connection: Connection, method: str = "POST", body: bytes = b"body", **headers: str) -> Reply:
    return await connection.request(method, headers, body, trust=no_tls, within=2.0, limit=LIMIT)


async def test_requests_share_a_connection_and_say_what_they_must() -> None:
    async with served(Server()) as server:
        connection = to(server, "/write?tenant=a b")
        for _ in range(3):
            assert (await ask(connection, Name="value")).body == b"ok"
        assert server.connections == 1
        await connection.close()
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /write?tenant=a%20b HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}".encode(),
        b"Name: value",
        b"Content-Length: 4",
    ]
    assert body == b"body"


@pytest.mark.parametrize(
    ("answer", "text", "kept"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", "", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n|HTTP/1.1 204 No Content\r\n\r\n", "", True),
        (
            b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nout| of\r\n|5\r\n orde\r\n0\r\nA: b\r\n\r\n",
            "out orde",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok", "ok", False),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99999, "x" * LIMIT, False),
    ],
)
async def test_answers_in_all_their_forms(answer: bytes, text: str, *, kept: bool) -> None:
    answer = answer.replace(b"out| of", b"out") if b"chunked" in answer else answer
    async with served(Server([answer])) as server:
        connection = to(server)
        for _ in range(2):
            assert (await ask(connection)).body == text.encode()
        assert server.connections == (1 if kept else 2)
        await connection.close()


async def test_the_head_of_an_answer_to_head_has_no_body() -> None:
    async with served(Server([b"HTTP/1.1 405 No\r\nContent-Length: 22\r\n\r\n"])) as server:
        connection = to(server)
        for _ in range(2):
            assert (await ask(connection, "HEAD", b"")).head.status == 405
        assert server.connections == 1
        assert b"Content-Length" not in server.requests[0]
        await connection.close()


async def test_a_connection_that_ended_while_idle_costs_nothing_and_a_new_one_that_ends_is_told() -> None:
    async with served(Server(hang_up=True)) as server:
        connection = to(server)
        for _ in range(3):
            assert (await ask(connection)).body == b"ok"
        assert server.connections == 3
        server.answers = [b""]
        with pytest.raises(EOFError):
            await ask(connection)
        assert server.connections in {4, 5}
        await connection.close()


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\n\r"]
)
async def test_what_is_no_answer_is_told_and_nothing_of_it_meets_the_next_request(answer: bytes) -> None:
    async with served(Server([answer, PLAIN])) as server:
        server.hang_up = True
        connection = to(server)
        with pytest.raises((ValueError, EOFError)):
            await ask(connection)
        assert (await ask(connection)).body == b"ok"
        await connection.close()


async def test_who_never_answers_is_not_waited_for() -> None:
    async with served(Server([b"HTTP/1.1 200"])) as server:
        connection = to(server)
        with pytest.raises(TimeoutError):
            await connection.request("POST", {}, b"", trust=no_tls, within=0.3, limit=LIMIT)
        await connection.close()


async def test_an_answer_before_the_whole_request_was_sent_is_heard() -> None:
    """A receiver that has a limit says 413 and reads no further."""
    done = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await done.wait()
        writer.transport.abort()

    made = await asyncio.start_server(refuse, "127.0.0.1", 0)
    connection = to(Server(port=made.sockets[0].getsockname()[1]))
    assert (await ask(connection, body=b"x" * 2**24)).head.status == 413
    assert connection._kept is None
    done.set()
    await connection.close()
    made.close()
    await asyncio.sleep(0.02)


async def test_a_header_cannot_hold_a_second_one() -> None:
    connection = to(Server(port=free_port()))
    with pytest.raises(ValueError, match="end of a line"):
        await ask(connection, Name="a\r\nOther: b")


async def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(UnreachableError, match="refused"):
        await ask(to(Server(port=free_port())))


async def test_it_leaves_by_the_chosen_line_and_changes_with_it() -> None:
    clock = SystemClock()
    ways = Ways(lambda: ["nothing0", "lo"], clock.monotonic)
    async with served(Server()) as server:
        connection = to(server, ways=ways)
        await ask(connection)
        ways.failed()
        await ask(connection)
        assert server.connections == 2
        assert connection._kept is not None
        channel = connection._kept.writer.get_extra_info("socket")
        assert channel.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
        await connection.close()


async def test_tls_through_a_proxy_that_asks_for_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("metrics.example").configure_cert(inside)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        if b"Basic dTpw" not in asked[-1]:
            writer.write(b"HTTP/1.1 407 Who are you\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    async with served(Server(), inside) as server:
        proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
        port = proxy.sockets[0].getsockname()[1]
        for user, works in (("u:p@", True), ("", False)):
            monkeypatch.setenv("https_proxy", f"http://{user}127.0.0.1:{port}")
            connection = Connection("https://metrics.example/write", SystemClock(), Ways(tuple, lambda: 0.0))
            exchange = connection.request("POST", {}, b"", trust=lambda: (trusting, "metrics.example"), within=3.0, limit=LIMIT)
            if works:
                assert (await exchange).body == b"ok"
            else:
                with pytest.raises(UnreachableError, match="407"):
                    await exchange
            await connection.close()
        await asyncio.sleep(0.05)
        proxy.close()
    assert asked[0].startswith(b"CONNECT metrics.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in server.requests[0]


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()
