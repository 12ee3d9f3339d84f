"""Traceroute with plain sockets: ICMP errors come from the socket's error queue, so that UDP and TCP need no privilege.

Every probe has a socket of its own kind: UDP to a high port, a TCP connection attempt, or an ICMP echo request (a
datagram ICMP socket where the kernel allows it, else a raw one). All hops of a round are probed at once, so that a
trace takes about one time-out, not one per silent hop.
"""

from __future__ import annotations

import asyncio
import enum
import errno
import os
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from collectors.model import Reason
from collectors.probe.sockets import leave_by
from collectors.wire.sockerr import IP_RECVERR, IPV6_RECVERR, QueuedError, parse_queued_error

Method = Literal["icmp", "udp", "tcp"]
UDP_PORT = 33434
"""First port of traceroute(8); a port that nobody listens at."""
TCP_PORT = 443
GROUP = 10
"""Hops probed at once: routers answer a limited rate of errors, and most paths end within two groups."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One hop.

    Attributes:
        ttl: 1 for the first router.
        addresses: who answered, most frequent first; none when silent.
        sent: probes sent.
        rtts: round-trip times in seconds of those that were answered.
    """

    ttl: int
    addresses: tuple[str, ...]
    sent: int
    rtts: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Share of unanswered probes; for a router in between often just its rate limit."""
        return 1.0 - len(self.rtts) / self.sent if self.sent else 0.0


@dataclass(frozen=True, slots=True)
class Trace:
    """A path.

    Attributes:
        hops: up to and with the target, else up to the last hop that answered.
        reached: the target answered.
        reason: why there is no path, if so.
    """

    hops: tuple[Hop, ...]
    reached: bool
    reason: Reason | None = None
    detail: str = ""

    @property
    def identity(self) -> tuple[str, ...]:
        """The path as a value: the first address of each hop, `*` for silent ones."""
        return tuple(hop.addresses[0] if hop.addresses else "*" for hop in self.hops)


class _End(enum.Enum):
    """What an answer says about the path: it goes on, the target is there, or there is no way on from here."""

    HOP = enum.auto()
    TARGET = enum.auto()
    NO_WAY = enum.auto()


@dataclass(frozen=True, slots=True)
class _Answer:
    address: str
    rtt: float
    end: _End
    said: str = ""


async def trace(
    address: str,
    *,
    method: Method = "icmp",
    port: int | None = None,
    max_hops: int = 30,
    probes: int = 3,
    timeout: float = 1.0,  # noqa: ASYNC109  seconds to wait for each probe, not for the whole
    interface: str | None = None,
    source: str | None = None,
) -> Trace:
    """Find the hops to an IP address.

    Args:
        address: numeric IPv4 or IPv6 address.
        method: what is sent.
        port: TCP port (443), or first UDP port (33434).
        max_hops: where to give up.
        probes: per hop.
        timeout: seconds to wait for an answer to each probe.
        interface: leave by this interface.
        source: leave from this address.
    """
    if sys.platform == "win32":
        return Trace((), reached=False, reason=Reason.NOT_SUPPORTED, detail="hops are told by the error queue of Linux sockets")
    prober = _Prober(address, method, port=port, wait=timeout, interface=interface, source=source)
    hops: list[Hop] = []
    end: _Answer | None = None
    try:
        for first in range(1, max_hops + 1, GROUP):
            ttls = range(first, min(first + GROUP, max_hops + 1))
            rounds = await _probe_group(prober, ttls, probes)
            for ttl, row in rounds.items():
                hops.append(_hop(ttl, row))
                end = next((answer for answer in row if answer is not None and answer.end is not _End.HOP), None)
                if end is not None:
                    break
            if end is not None or not any(answer for row in rounds.values() for answer in row):
                break
    except OSError as error:
        return Trace((), reached=False, reason=_reason(error), detail=f"{address}: {os.strerror(error.errno or 0).lower()}")
    while hops and not hops[-1].addresses:
        hops.pop()
    if end is None:
        return Trace(tuple(hops), reached=False, reason=Reason.TIMEOUT, detail=f"{address} did not answer")
    if end.end is _End.NO_WAY:
        return Trace(tuple(hops), reached=False, reason=Reason.UNREACHABLE, detail=f"{end.address} says: {end.said}")
    return Trace(tuple(hops), reached=True)


async def _probe_group(prober: _Prober, ttls: range, probes: int) -> dict[int, list[_Answer | None]]:
    """Some rounds over a group of hops; once the end is known, nothing is sent beyond it (hosts limit their errors)."""
    rounds: dict[int, list[_Answer | None]] = {ttl: [] for ttl in ttls}
    last = ttls[-1]
    for _ in range(probes):
        active = [ttl for ttl in ttls if ttl <= last]
        answers = await asyncio.gather(*(prober.probe(ttl) for ttl in active))
        for ttl, answer in zip(active, answers, strict=True):
            rounds[ttl].append(answer)
            if answer is not None and answer.end is not _End.HOP:
                last = min(last, ttl)
    return rounds


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _hop(ttl: int, row: list[_Answer | None]) -> Hop:
    answers = [answer for answer in row if answer is not None]
    seen = [answer.address for answer in answers]
    addresses = sorted(dict.fromkeys(seen), key=lambda one: (-seen.count(one), seen.index(one)))
    return Hop(ttl, tuple(addresses), len(row), tuple(answer.rtt for answer in answers))


def _reason(error: OSError) -> Reason:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Reason.NO_PERMISSION
    if error.errno in {errno.EADDRNOTAVAIL, errno.ENODEV}:
        return Reason.NO_ADDRESS
    return Reason.UNREACHABLE


class _Prober:
    """Sends single probes to one address and tells who answered."""

    def __init__(
        self,
        address: str,
        method: Method,
        *,
        port: int | None,
        wait: float,
        interface: str | None,
        source: str | None,
    ) -> None:
        self._address = address
        self._family = _family(address)
        self._method = method
        self._port = port or (TCP_PORT if method == "tcp" else UDP_PORT)
        self._wait = wait
        self._interface = interface
        self._source = source
        self._sequence = 0

    def _socket(self, ttl: int) -> socket.socket:
        made = _open(self._family, self._method)
        try:
            made.settimeout(0)
            if self._family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
            else:
                made.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
                made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
            if self._interface:
                leave_by(made, self._interface)
            if self._source:
                made.bind((self._source, 0))
        except OSError:
            made.close()
            raise
        return made

    async def probe(self, ttl: int) -> _Answer | None:
        """One probe with a hop limit; None when nobody answered in time."""
        self._sequence += 1
        made = self._socket(ttl)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Answer] = loop.create_future()
        begin = loop.time()

        def settle(address: str, end: _End, said: str = "") -> None:
            if not answer.done():
                answer.set_result(_Answer(address, loop.time() - begin, end, said))

        try:
            # A failed connection attempt is told by readability as well, together with the error queue.
            loop.add_reader(made, self._receive, made, settle)
            if self._method == "tcp":
                loop.add_writer(made, self._connected, made, settle)
            begin = self._send(made, loop.time)
            return await asyncio.wait_for(answer, self._wait)
        except TimeoutError:
            return None
        finally:
            loop.remove_reader(made)
            loop.remove_writer(made)
            made.close()

    def _send(self, made: socket.socket, now: Callable[[], float]) -> float:
        port = self._port + self._sequence % 64 if self._method == "udp" else self._port
        target = (self._address, 0 if self._method == "icmp" else port)
        begin = now()
        if self._method == "tcp":
            status = made.connect_ex(target)
            if status not in {0, errno.EINPROGRESS, errno.ECONNREFUSED}:
                raise OSError(status, os.strerror(status))
        elif self._method == "udp":
            made.connect(target)
            made.send(b"commune-agent traceroute".ljust(32, b"\0"))
        else:
            made.connect(target)
            made.send(echo_request(self._family, id(made) & 0xFFFF, self._sequence & 0xFFFF))
        return begin

    def _connected(self, made: socket.socket, settle: Callable[..., None]) -> None:
        asyncio.get_running_loop().remove_writer(made)
        status = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        found = _drain(made)
        if found is not None and found.reporter:
            self._reported(found, found.reporter, settle)
        elif status in {0, errno.ECONNREFUSED}:
            settle(self._address, _End.TARGET)

    def _reported(self, found: QueuedError, reporter: str, settle: Callable[..., None]) -> None:
        """An ICMP error: a hop's, the target's own (no such port), or that there is no way on."""
        if found.is_time_exceeded:
            settle(reporter, _End.HOP)
        elif found.is_port_unreachable or reporter == self._address:
            settle(reporter, _End.TARGET)
        elif not found.is_too_big:
            settle(reporter, _End.NO_WAY, os.strerror(found.errno).lower())

    def _receive(self, made: socket.socket, settle: Callable[..., None]) -> None:
        found = _drain(made)
        if found is not None and found.reporter:
            self._reported(found, found.reporter, settle)
            return
        if self._method == "tcp":
            self._connected(made, settle)
            return
        try:
            data = made.recv(2048)
        except OSError:
            return
        if self._method == "udp" or self._is_reply(made, data):
            settle(self._address, _End.TARGET)

    def _is_reply(self, made: socket.socket, data: bytes) -> bool:
        if self._family == socket.AF_INET and made.type == socket.SOCK_RAW:
            data = data[(data[0] & 0x0F) * 4 :] if data else data
        wanted = 129 if self._family == socket.AF_INET6 else 0
        if len(data) < 8 or data[0] != wanted:
            return False
        (identifier,) = struct.unpack_from("!H", data, 4)
        return made.type != socket.SOCK_RAW or identifier == id(made) & 0xFFFF


def _open(family: int, method: Method) -> socket.socket:
    if method == "udp":
        return socket.socket(family, socket.SOCK_DGRAM)
    if method == "tcp":
        return socket.socket(family, socket.SOCK_STREAM)
    return open_icmp(family)


def open_icmp(family: int) -> socket.socket:
    """An ICMP socket: of the datagram kind where the kernel allows it (icmp(7), ping_group_range), else a raw one.

    Raises:
        PermissionError: neither is allowed; CAP_NET_RAW helps.
    """
    protocol = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:
        return socket.socket(family, socket.SOCK_RAW, protocol)


def _drain(made: socket.socket) -> QueuedError | None:
    """The first entry of the error queue, None when it is empty."""
    if sys.platform == "win32":
        return None
    try:
        _, control, _, _ = made.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
    except OSError:
        return None
    for level, kind, data in control:
        if (level, kind) in {(socket.IPPROTO_IP, IP_RECVERR), (socket.IPPROTO_IPV6, IPV6_RECVERR)}:
            return parse_queued_error(data)
    return None


def echo_request(family: int, identifier: int, sequence: int, payload: int = 24) -> bytes:
    """An ICMP echo request with `payload` bytes after its header (RFC 792, RFC 4443 section 4.1)."""
    kind = 128 if family == socket.AF_INET6 else 8
    packet = struct.pack("!BBHHH", kind, 0, 0, identifier, sequence) + b"commune-agent path ".ljust(payload, b"\0")[:payload]
    if family == socket.AF_INET6:
        return packet  # the kernel computes ICMPv6 checksums
    padded = packet + b"\0" * (len(packet) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:]
