"""Throughput by ndt7 against a server of M-Lab's kind, such as one that a province runs itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

import aiohttp

from collectors.machine import Clock
from collectors.model import Reason
from collectors.probe.sockets import Fault
from collectors.probe.transfer import SAMPLE_SECONDS, Limits, Meter, Transfer, acknowledged, arrived, tcp_info
from collectors.probe.web import CONNECT_SECONDS, fault_of, leaving_by
from collectors.wire.ndt7 import (
    FIRST_MESSAGE,
    LARGEST_MESSAGE,
    LEAST_MESSAGE,
    SUBPROTOCOL,
    Test,
    format_measurement,
    next_size,
    parse_measurement,
    test_url,
)

REPORT_SECONDS = 0.5
CLOSE_SECONDS = 1.0
UNDER_WAY = 1 << 21
"""Octets that a server has sent already when we close: a message of a mebibyte, and what the line holds."""


class _Run:
    """One test over one WebSocket."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self.limits = limits
        self.meter = Meter(clock)
        self.moved = 0
        self.server: dict[str, float] = {}
        self.fault: Fault | None = None

    @property
    def is_over(self) -> bool:
        return self.moved >= self.limits.octets or self.meter.seconds >= self.limits.seconds

    def take_text(self, text: str) -> None:
        found = parse_measurement(text)
        if found is not None and found.tcp:
            self.server = found.tcp


async def download(url: str, limits: Limits, *, clock: Clock, interface: str | None = None) -> Transfer:
    """The server sends for ten seconds at most; we stop at our limits, early enough for what is on its way by then."""
    octets = limits.octets - UNDER_WAY if limits.octets > 4 * UNDER_WAY else limits.octets
    run = _Run(Limits(limits.seconds, octets), clock)

    async def receive(socket: aiohttp.ClientWebSocketResponse) -> None:
        run.meter.sample(0)
        reported = 0.0
        async for message in socket:
            if message.type is aiohttp.WSMsgType.BINARY:
                run.moved += len(message.data)
                run.meter.sample(run.moved)
            elif message.type is aiohttp.WSMsgType.TEXT:
                run.moved += len(message.data)
                run.take_text(message.data)
            if run.is_over:
                return
            if run.meter.seconds - reported >= REPORT_SECONDS:
                reported = run.meter.seconds
                await socket.send_str(format_measurement(run.moved, reported, "download"))

    return await _test(run, test_url(url, "download"), "download", receive, interface)


async def upload(url: str, limits: Limits, *, clock: Clock, interface: str | None = None) -> Transfer:
    """We send random binary messages until our limits, and count what the server's side confirms."""
    run = _Run(Limits(limits.seconds, limits.octets // LEAST_MESSAGE * LEAST_MESSAGE), clock)

    async def send(socket: aiohttp.ClientWebSocketResponse) -> None:
        channel = socket.get_extra_info("socket")
        noise = os.urandom(1 << 20)
        size = FIRST_MESSAGE
        run.meter.sample(acknowledged(channel, lambda: 0))

        async def listen() -> None:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    run.take_text(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:  # load that nobody asked for and no budget knows
                    run.fault = Fault(Reason.MALFORMED, f"{url.partition('?')[0]} sends load during an upload")
                    return

        def confirmed() -> int:
            """Where our kernel does not tell, the server's may."""
            return int(run.server.get("BytesReceived", run.moved))

        async def watch() -> None:
            while run.meter.moved < run.limits.octets:  # framing counts too, so that this ends with the last octet
                await asyncio.sleep(SAMPLE_SECONDS)
                run.meter.sample(acknowledged(channel, confirmed))

        loop = asyncio.get_running_loop()
        helpers = [loop.create_task(listen(), name="ndt7/listen"), loop.create_task(watch(), name="ndt7/watch")]
        try:
            while not run.is_over and run.fault is None and not socket.closed:
                size = next_size(size, run.moved)
                piece = min(size, run.limits.octets - run.moved)
                run.moved += piece
                await socket.send_bytes(memoryview(noise)[:piece].tobytes() if piece < len(noise) else noise)
            # What is handed over is still on its way: wait for the confirmations, which `watch` counts.
            await asyncio.wait(
                helpers, timeout=max(0.0, run.limits.seconds - run.meter.seconds), return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    return await _test(run, test_url(url, "upload"), "upload", send, interface)


async def _test(
    run: _Run, url: str, test: Test, work: Callable[[aiohttp.ClientWebSocketResponse], Awaitable[None]], interface: str | None
) -> Transfer:
    tcp = None
    async with leaving_by(interface) as web:
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                socket = await web.session.ws_connect(
                    url,
                    protocols=(SUBPROTOCOL,),
                    max_msg_size=LARGEST_MESSAGE + 1,  # aiohttp refuses what is not below its limit
                    autoping=True,
                    timeout=aiohttp.ClientWSTimeout(ws_receive=None, ws_close=CLOSE_SECONDS),
                )
            if socket.protocol != SUBPROTOCOL:
                return Transfer(None, 0, Fault(Reason.MALFORMED, f"{url.partition('?')[0]} does not speak ndt7"))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(run.limits.seconds):
                    await work(socket)
            tcp = tcp_info(web.channel)
            # A downloader that waited for the closing handshake would have to take all that is sent until then.
            if test == "upload":
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_SECONDS):  # our farewell too waits behind what nobody reads
                        await socket.close()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if run.meter.rate() is None:
                run.fault = fault_of(error, url)
    rate = run.meter.rate() if run.fault is None else None
    if rate is None and run.fault is None:
        run.fault = Fault(Reason.MALFORMED, f"{url.partition('?')[0]}: the {test} moved nothing")
    moved = arrived(run.moved, tcp, rate) if test == "download" else run.moved
    return Transfer(rate, moved, run.fault, tcp, run.server)
