"""Asks a time server how true time relates to the computer's monotonic clock (SNTP, RFC 5905 section 14)."""

from __future__ import annotations

import asyncio
import secrets
from typing import NamedTuple, cast

from collectors.machine import Clock
from collectors.wire import ntp

PORT = 123


class Reference(NamedTuple):
    """True time (UTC) minus `Clock.monotonic`, and by how much that may be wrong, both in seconds."""

    base: float
    error: float


class _Exchange(asyncio.DatagramProtocol):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cookie = secrets.randbits(64)
        self._sent = 0.0
        self.found: asyncio.Future[Reference] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._sent = self._clock.monotonic()
        cast("asyncio.DatagramTransport", transport).sendto(ntp.request(self._cookie))

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  the library's signature
        received = self._clock.monotonic()
        try:
            answer = ntp.parse(data, self._cookie)
        except ntp.MalformedError as error:
            if not self.found.done() and "another request" not in str(error):
                self.found.set_exception(error)
            return
        delay = max(0.0, received - self._sent - (answer.sent - answer.received))
        base = (answer.received + answer.sent) / 2 - (self._sent + received) / 2
        if not self.found.done():
            self.found.set_result(Reference(base, delay / 2))

    def error_received(self, exc: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(exc)


async def ask(server: str, clock: Clock, timeout: float = 3.0) -> Reference:  # noqa: ASYNC109  part of the measurement
    """Ask `server` (name or address, with `:port` where it is not 123) once.

    Raises:
        TimeoutError: no answer within `timeout` seconds.
        OSError: the name does not resolve or the network refuses.
        ntp.MalformedError: an answer that is of no use.
    """
    host, port = server, PORT
    if server.count(":") == 1:
        host, _, text = server.partition(":")
        port = int(text)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(timeout):
        transport, exchange = await loop.create_datagram_endpoint(lambda: _Exchange(clock), remote_addr=(host, port))
        try:
            return await exchange.found
        finally:
            transport.close()
