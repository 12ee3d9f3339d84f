"""Asks a time server how true time relates to the computer's monotonic clock (SNTP, RFC 5905 section 14)."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import NamedTuple, cast

from collectors.machine import Clock
from collectors.probe.sockets import Endpoint, Fault, resolve, split_host_port
from collectors.wire import ntp

PORT = 123
MOST_ADDRESSES = 4
"""Of a name that stands for many servers (pool.ntp.org), so many are asked that one which is wrong is outvoted."""
LATE = 2.0
"""Seconds after which an answer says too little: true time may be wrong by half of the way's delay."""


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
        if delay > LATE and not self.found.done():  # the computer slept meanwhile
            self.found.set_exception(ntp.MalformedError("the answer came too late"))
        base = (answer.received + answer.sent) / 2 - (self._sent + received) / 2
        if not self.found.done():
            self.found.set_result(Reference(base, delay / 2))

    def error_received(self, exc: Exception) -> None:
        if not self.found.done():
            self.found.set_exception(exc)


async def ask(server: str, clock: Clock, timeout: float = 10.0) -> list[Reference]:  # noqa: ASYNC109  part of the measurement
    """Ask `server` (name or address, with `:port` where it is not 123) once at each of its addresses; at least one answered.

    Raises:
        TimeoutError: no address within `timeout` seconds, or no answer within as many (`LATE` at most).
        OSError: the name does not resolve or the network refuses.
        ntp.MalformedError: an answer that is of no use.
        ValueError: the port is none.
    """
    async with asyncio.timeout(timeout):
        found = await resolve(*split_host_port(server, PORT), datagram=True)
    if isinstance(found, Fault):
        raise OSError(found.detail)
    answers = await asyncio.gather(
        *(_ask(endpoint, clock, min(timeout, LATE)) for endpoint in found[:MOST_ADDRESSES]), return_exceptions=True
    )
    references = [answer for answer in answers if isinstance(answer, Reference)]
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    if errors and not references:
        raise errors[0]
    return references


async def _ask(endpoint: Endpoint, clock: Clock, within: float) -> Reference:
    channel = socket.socket(endpoint.family, socket.SOCK_DGRAM)
    try:
        channel.setblocking(False)  # noqa: FBT003  the library's signature
        channel.connect(endpoint.address)  # so that nobody else's packet arrives
        async with asyncio.timeout(within):
            loop = asyncio.get_running_loop()
            transport, exchange = await loop.create_datagram_endpoint(lambda: _Exchange(clock), sock=channel)
            try:
                return await exchange.found
            finally:
                transport.close()
    finally:
        channel.close()
