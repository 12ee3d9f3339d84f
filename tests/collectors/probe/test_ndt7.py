"""ndt7's client against servers that keep to the specification in their own way, and servers that do not."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType, web

from collectors.machine import SystemClock
from collectors.model import Reason
from collectors.probe import ndt7
from collectors.probe.transfer import Limits, Transfer
from collectors.wire.ndt7 import LARGEST_MESSAGE, LEAST_MESSAGE, SUBPROTOCOL

LIMITS = Limits(1.0, 40_000_000)
Behave = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def server(behave: Behave, protocols: tuple[str, ...] = (SUBPROTOCOL,)) -> AsyncIterator[str]:
    """A server on loopback that does the same in both tests."""

    async def answer(request: web.Request) -> web.WebSocketResponse:
        opened = web.WebSocketResponse(protocols=protocols, max_msg_size=1 << 25, autoping=False)
        await opened.prepare(request)
        await behave(opened)
        return opened

    app = web.Application()
    app.router.add_get("/ndt/v7/{test}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"ws://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def run(test: str, behave: Behave, limits: Limits = LIMITS, protocols: tuple[str, ...] = (SUBPROTOCOL,)) -> Transfer:
    async with server(behave, protocols) as url:
        work = ndt7.download if test == "download" else ndt7.upload
        return await asyncio.wait_for(work(url, limits, clock=SystemClock()), 20)


async def pour(opened: web.WebSocketResponse) -> None:
    while not opened.closed:
        await opened.send_bytes(bytes(1 << 16))


async def drink(opened: web.WebSocketResponse) -> None:
    async for _ in opened:
        pass


async def test_every_message_of_an_upload_is_as_long_as_allowed() -> None:
    sizes: list[int] = []

    async def note(opened: web.WebSocketResponse) -> None:
        sizes.extend([len(message.data) async for message in opened])

    found = await run("upload", note, Limits(5.0, 3_000_001))
    assert found.fault is None
    assert 3_000_001 - LEAST_MESSAGE < sum(sizes) == found.moved <= 3_000_001
    assert sizes[0] == 1 << 13
    assert all(LEAST_MESSAGE <= size <= LARGEST_MESSAGE for size in sizes)


async def test_the_longest_message_allowed_is_taken() -> None:
    async def one(opened: web.WebSocketResponse) -> None:
        await opened.send_bytes(bytes(LARGEST_MESSAGE))
        await opened.send_bytes(bytes(LEAST_MESSAGE))
        await opened.close()

    found = await run("download", one)
    assert found.fault is None
    assert found.moved >= LARGEST_MESSAGE + LEAST_MESSAGE


async def test_pings_are_answered_with_what_they_carry() -> None:
    answers: list[bytes] = []

    async def ping(opened: web.WebSocketResponse) -> None:
        await opened.ping(b"still there?")
        await opened.send_bytes(bytes(1 << 20))
        await opened.send_bytes(bytes(1 << 20))
        async for message in opened:
            if message.type is WSMsgType.PONG:
                answers.append(message.data)
                await opened.close()

    assert (await run("download", ping)).rate is not None
    assert answers == [b"still there?"]


@pytest.mark.parametrize("test", ["download", "upload"])
@pytest.mark.parametrize("text", ["", "[]", "{", '{"TCPInfo": 5, "AppInfo": []}', '{"TCPInfo": {"RTT": "x"}}', "\u0000" * 5000])
async def test_text_that_is_no_measurement_is_passed_over(test: str, text: str) -> None:
    async def talk(opened: web.WebSocketResponse) -> None:
        await opened.send_str(text)
        await (pour(opened) if test == "download" else drink(opened))

    found = await run(test, talk, Limits(0.5, 20_000_000))
    assert found.fault is None
    assert found.rate is not None
    assert found.server == {}


@pytest.mark.parametrize("test", ["download", "upload"])
async def test_an_end_without_a_word_leaves_the_rate_so_far(test: str) -> None:
    async def fall(opened: web.WebSocketResponse) -> None:
        work = asyncio.get_running_loop().create_task(pour(opened) if test == "download" else drink(opened))
        await asyncio.sleep(0.4)
        channel = opened.get_extra_info("socket")
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport = opened._req.transport if opened._req is not None else None
        assert transport is not None
        transport.abort()
        await asyncio.gather(work, return_exceptions=True)

    found = await run(test, fall, Limits(5.0, 1 << 40))
    assert found.fault is None
    assert found.rate is not None
    assert found.rate > 1_000_000


async def test_load_from_the_server_during_an_upload_ends_it() -> None:
    found = await run("upload", pour, Limits(2.0, 1 << 30))
    assert found.rate is None
    assert found.fault is not None
    assert found.fault.reason is Reason.MALFORMED
    assert found.fault.detail.endswith(" sends load during an upload")
    assert found.tcp is not None
    assert (found.tcp.bytes_received or 0) < 8 << 20, "it is not read on"


async def test_a_server_that_never_reads_does_not_hold_us() -> None:
    async def sleep(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(60)

    begin = asyncio.get_running_loop().time()
    await run("upload", sleep, Limits(0.5, 1 << 30))
    assert asyncio.get_running_loop().time() - begin < 6


async def test_another_protocol_is_no_ndt7() -> None:
    found = await run("download", pour, protocols=("chat",))
    assert found.fault is not None
    assert (found.fault.reason, found.fault.detail.endswith("does not speak ndt7")) == (Reason.MALFORMED, True)


async def test_a_handshake_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndt7, "CONNECT_SECONDS", 0.5)

    left = asyncio.Event()

    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nX-Wait: ")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.transport.abort()
            left.set()

    listening = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with listening:
        url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        found = await asyncio.wait_for(ndt7.download(url, LIMITS, clock=SystemClock()), 10)
        await asyncio.wait_for(left.wait(), 10)
    assert found.fault is not None
    assert found.fault.reason is Reason.TIMEOUT


async def test_where_our_kernel_does_not_tell_the_servers_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows: what the server's kernel has received counts, not what our buffers took."""
    monkeypatch.setattr(ndt7, "tcp_info", lambda _: None)
    monkeypatch.setattr(ndt7, "acknowledged", lambda _, otherwise: otherwise())

    async def tell(opened: web.WebSocketResponse) -> None:
        for moment in range(40):
            await opened.send_str(f'{{"TCPInfo": {{"BytesReceived": {moment * 50_000}}}}}')
            await asyncio.sleep(0.05)

    found = await run("upload", tell, Limits(1.5, 1 << 30))
    assert found.rate == pytest.approx(1_000_000, rel=0.3)
