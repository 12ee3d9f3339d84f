"""Ends a throughput test when others begin to use the line.

What an interface carries less what the test's own connections carry is other people's traffic. The kernel tells the
latter of every connection (sock_diag), also of iperf3's; connections to the test's server count as the test's.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections import deque
from dataclasses import dataclass

from collectors.machine import Machine
from collectors.probe.counters import read
from collectors.wire.sockdiag import Connection, parse, request

log = logging.getLogger(__name__)
LOOK_SECONDS = 0.5
WINDOW_LOOKS = 5
"""Looks that a judgement spans, 2 s: what a queue lets through in bursts is not taken for other people's traffic."""
STRIKES = 2
"""Judgements in a row that must agree."""
_NETLINK_SOCK_DIAG = 4
_BUFFER = 1 << 16


@dataclass(frozen=True, slots=True)
class Carried:
    """Octets at a moment: of the interface, and of our own connections since the beginning."""

    moment: float
    received: int
    sent: int
    own_received: int
    own_sent: int


def connections(address: str) -> list[Connection] | None:
    """The TCP connections of this machine to an address; None where the kernel does not tell."""
    if sys.platform != "linux":
        return None
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as channel:
            channel.settimeout(0.2)
            channel.send(request(address))
            found: list[Connection] = []
            done = False
            while not done:
                some, done = parse(channel.recv(_BUFFER))
                found += some
    except OSError:
        return None
    return [one for one in found if one.peer == address]


class Own:
    """Running totals of wire octets of the connections to some addresses."""

    def __init__(self, addresses: list[str]) -> None:
        self._addresses = addresses
        self._seen: dict[bytes, tuple[int, int]] = {}

    def totals(self) -> tuple[int, int] | None:
        """Received and sent so far; None where the kernel does not tell."""
        for address in self._addresses:
            found = connections(address)
            if found is None:
                return None
            for one in found:
                carried = one.info.carried
                if carried is None:
                    return None
                into, out = carried
                before = self._seen.get(one.cookie, (0, 0))
                self._seen[one.cookie] = max(before[0], into), max(before[1], out)
        return sum(into for into, _ in self._seen.values()), sum(out for _, out in self._seen.values())


class Guard:
    """Watches one interface during a test.

    Attributes:
        own: wire octets in both directions of the test's connections so far; None where the kernel does not tell.
    """

    def __init__(self, machine: Machine, interface: str, addresses: list[str], limits: tuple[float | None, float | None]) -> None:
        """Limits are octets per second of others, received and sent."""
        self._machine = machine
        self._interface = interface
        self._own = Own(addresses)
        self._limits = limits
        self._base = self._own.totals()
        self.own: int | None = None if self._base is None else 0

    def _look(self) -> Carried | None:
        totals, counters = self._own.totals(), read(self._machine, self._interface)
        if totals is None or counters is None or self._base is None:
            return None
        into, out = totals[0] - self._base[0], totals[1] - self._base[1]
        self.own = into + out
        return Carried(self._machine.clock.monotonic(), counters.receive_bytes, counters.transmit_bytes, into, out)

    async def until_others(self) -> tuple[str, float]:
        """Wait until others use more than the limits; the direction, and their octets per second. For ever where nothing is known."""
        looks: deque[Carried] = deque(maxlen=WINDOW_LOOKS)
        strikes = 0
        while True:
            look = self._look()
            if look is None:
                looks.clear()
            else:
                looks.append(look)
            over = others(looks[0], looks[-1], self._limits) if len(looks) == WINDOW_LOOKS else None
            strikes = strikes + 1 if over is not None else 0
            if over is not None and strikes >= STRIKES:
                return over
            await asyncio.sleep(LOOK_SECONDS)


def others(before: Carried, after: Carried, limits: tuple[float | None, float | None]) -> tuple[str, float] | None:
    """The first direction in which others carried more than the limit between two looks, and how much; None when in none."""
    seconds = after.moment - before.moment
    received = (after.received - before.received) - (after.own_received - before.own_received)
    sent = (after.sent - before.sent) - (after.own_sent - before.own_sent)
    for direction, octets, limit in (("download", received, limits[0]), ("upload", sent, limits[1])):
        if limit is not None and seconds > 0 and octets / seconds > limit:
            return direction, octets / seconds
    return None
