"""Path MTU by probing, and the black hole told from the plain small MTU.

Echo requests with DF set (and the kernel's cached path MTU ignored) are sent in many sizes at once. A router that
reports "too big" makes a small MTU that works; large packets that vanish without a word make a black hole, on which
connections open and then hang (RFC 2923, section 2.1; probing as in RFC 4821 and RFC 8899).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

from collectors.model import Reason
from collectors.probe.sockets import leave_by
from collectors.probe.trace import echo_request, open_icmp
from collectors.wire.sockerr import (
    IP_MTU_DISCOVER,
    IP_RECVERR,
    IPV6_MTU_DISCOVER,
    IPV6_RECVERR,
    PMTUDISC_PROBE,
    parse_queued_error,
)

CEILING = 1500
"""Lines of commune sites carry no jumbo frames beyond the router."""
FLOOR: dict[int, int] = {socket.AF_INET: 576, socket.AF_INET6: 1280}
"""What every host accepts (RFC 791, section 3.1) and every IPv6 link carries (RFC 8200, section 5)."""
HEADERS: dict[int, int] = {socket.AF_INET: 28, socket.AF_INET6: 48}
AT_ONCE = 16
TRIES = 3
PATIENCE = 2.0
"""Seconds for a second look before large packets are said to vanish: on a full mobile line a round trip takes most of one."""
SLOWER = 3.0
"""Round trips that every later round waits at least."""


@dataclass(frozen=True, slots=True)
class PathMtu:
    """What passes.

    Attributes:
        mtu: largest IP packet that was answered, in bytes; None when not even the floor was.
        black_hole: larger ones vanish and nobody says so.
        reporter: the router that reported a smaller MTU, if one did.
    """

    mtu: int | None
    black_hole: bool = False
    reporter: str | None = None
    reason: Reason | None = None
    detail: str = ""


@dataclass(slots=True)
class _Round:
    begin: float = 0.0
    first: float = 0.0
    answered: set[int] = field(default_factory=set)
    reported: dict[int, str | None] = field(default_factory=dict)


async def path_mtu(
    address: str,
    *,
    timeout: float = 0.6,  # noqa: ASYNC109  seconds for each round of probes
    interface: str | None = None,
    source: str | None = None,
    ceiling: int = CEILING,
) -> PathMtu:
    """Measure the path MTU to an IP address that answers echo requests.

    Args:
        address: numeric IPv4 or IPv6 address.
        timeout: seconds to wait for the answers of a round, more on slow lines; a healthy path takes one round, a black hole five.
        interface: leave by this interface.
        source: leave from this address.
        ceiling: largest size to try, in bytes.
    """
    if sys.platform == "win32":
        return PathMtu(None, reason=Reason.NOT_SUPPORTED, detail="the path MTU is probed on Linux only")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        prober = _Prober(address, family, interface, source)
    except OSError as error:
        reason = Reason.NO_PERMISSION if error.errno in {errno.EPERM, errno.EACCES} else Reason.UNREACHABLE
        return PathMtu(None, reason=reason, detail=f"{address}: {os.strerror(error.errno or 0)}")
    with contextlib.closing(prober):
        return await _search(prober, address, FLOOR[family], ceiling, timeout)


async def _search(prober: _Prober, address: str, floor: int, ceiling: int, wait: float) -> PathMtu:
    reporter: str | None = None
    while True:
        found = await prober.round({ceiling, floor}, wait)
        if not found.reported and not {ceiling, floor} <= found.answered:
            found = await prober.round({ceiling, floor}, PATIENCE)
            wait = max(wait, SLOWER * found.first)
        if ceiling in found.answered:
            return PathMtu(ceiling, reporter=reporter)
        if floor not in found.answered:
            return PathMtu(None, reason=Reason.TIMEOUT, detail=f"{address} did not answer")
        told = [mtu for mtu in found.reported if floor <= mtu < ceiling]
        if not told:
            break
        reporter = found.reported[min(told)] or reporter
        ceiling = min(told)
    low, high = floor, ceiling  # low passes, high does not
    while high - low > 1:
        step = max(1, (high - low) // (AT_ONCE + 1))
        sizes = set(range(low + step, high, step))
        found = await prober.round(sizes, wait)
        low = max({low, *found.answered})
        high = min({size for size in sizes | {high} if size > low})
    return PathMtu(low, black_hole=True)


class _Prober:
    """Sends echo requests of given sizes and tells which were answered, and what routers reported."""

    def __init__(self, address: str, family: int, interface: str | None, source: str | None) -> None:
        self._family = family
        self._identifier = secrets.randbits(16)
        self._socket = open_icmp(family)
        try:
            self._socket.settimeout(0)
            if family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
                self._socket.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
            else:
                self._socket.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
                self._socket.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
            if interface:
                leave_by(self._socket, interface)
            if source:
                self._socket.bind((source, 0))
            self._socket.connect((address, 0))
        except OSError:
            self._socket.close()
            raise
        self._sequence = secrets.randbits(15)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    async def round(self, sizes: Iterable[int], wait: float) -> _Round:
        """Send every size up to three times within `wait` seconds, until all that can be known is known."""
        sizes = sorted(sizes)
        loop = asyncio.get_running_loop()
        found = _Round(loop.time())
        waiting: dict[int, int] = {}
        news = asyncio.Event()

        def receive() -> None:
            if self._read_errors(found) or self._read_answers(waiting, found):
                news.set()

        loop.add_reader(self._socket, receive)
        end = loop.time() + wait
        try:
            for attempt in range(TRIES):
                for size in sizes:
                    if size not in found.answered:
                        self._send(size, waiting, found)
                last = attempt == TRIES - 1
                until = end if last else min(end, loop.time() + wait / TRIES)
                while set(sizes) - found.answered and not (found.reported and min(sizes) in found.answered):
                    left = until - loop.time()
                    if left <= 0:
                        break
                    news.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(news.wait(), left)
                if not set(sizes) - found.answered or (found.reported and min(sizes) in found.answered):
                    break
        finally:
            loop.remove_reader(self._socket)
        return found

    def _send(self, size: int, waiting: dict[int, int], found: _Round) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        waiting[self._sequence] = size
        try:
            self._socket.send(echo_request(self._family, self._identifier, self._sequence, size - HEADERS[self._family]))
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                self._read_errors(found)
            # Anything else is a queued report about an earlier packet; the error queue tells it.

    def _read_errors(self, found: _Round) -> bool:
        if sys.platform == "win32":
            return False
        any_news = False
        while True:
            try:
                _, control, _, _ = self._socket.recvmsg(4096, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return any_news
            for level, kind, data in control:
                if (level, kind) not in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
                    continue
                error = parse_queued_error(data)
                if error is not None and (error.is_too_big or error.errno == errno.EMSGSIZE) and error.info:
                    found.reported[error.info] = error.reporter
                    any_news = True

    def _read_answers(self, waiting: dict[int, int], found: _Round) -> bool:
        any_news = False
        while True:
            try:
                data = self._socket.recv(65535)
            except OSError:
                return any_news
            raw = self._socket.type == socket.SOCK_RAW
            if raw and self._family == socket.AF_INET and data:
                data = data[(data[0] & 0x0F) * 4 :]
            if len(data) < 8 or data[0] != (129 if self._family == socket.AF_INET6 else 0):
                continue
            identifier, sequence = struct.unpack_from("!HH", data, 4)
            size = waiting.get(sequence)
            if size is not None and (not raw or identifier == self._identifier) and len(data) == size - HEADERS[self._family] + 8:
                found.first = found.first or asyncio.get_running_loop().time() - found.begin
                found.answered.add(size)
                any_news = True
