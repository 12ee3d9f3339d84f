"""How busy an uplink is, and what a full one does to its round trips."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass
from typing import Self

from collectors.machine import Machine
from collectors.probe.counters import read
from collectors.probe.icmp import Pinger

GRADES = ((0.005, "A+"), (0.030, "A"), (0.060, "B"), (0.200, "C"), (0.400, "D"))
"""Upper bounds in seconds of the round trip that a full line adds, as line tests for home users grade it; F beyond."""
PING_INTERVAL = 0.1
PING_TIMEOUT = 3.0


@dataclass(frozen=True, slots=True)
class Use:
    """Octets per second that an interface carried in each direction, other than our own tests."""

    receive: float
    transmit: float


async def use_of(machine: Machine, interface: str, seconds: float) -> Use | None:
    """The traffic of an interface over the next `seconds`; None when it cannot be read or the counters were reset."""
    before, begin = read(machine, interface), machine.clock.monotonic()
    await asyncio.sleep(seconds)
    after, end = read(machine, interface), machine.clock.monotonic()
    if before is None or after is None or end <= begin:
        return None
    received, sent = after.receive_bytes - before.receive_bytes, after.transmit_bytes - before.transmit_bytes
    return None if received < 0 or sent < 0 else Use(received / (end - begin), sent / (end - begin))


def grade(idle: float | None, loaded: float | None) -> str | None:
    """The bufferbloat grade for median round trips in seconds, None where one is unknown."""
    if idle is None or loaded is None:
        return None
    added = loaded - idle
    return next((letter for bound, letter in GRADES if added < bound), "F")


async def idle_rtt(pinger: Pinger, host: str, interface: str | None, count: int = 10) -> float | None:
    """Median round trip in seconds to a host at rest; None when it does not answer echo requests."""
    burst = await pinger.ping(host, count, interval=PING_INTERVAL, timeout=1.0, interface=interface)
    return statistics.median(burst.window.rtts) if burst.window.rtts else None


class LoadedRtt:
    """Round trips to a host while something else fills the line: `async with LoadedRtt(…) as loaded: …; loaded.median`.

    Attributes:
        median: in seconds, once the block has ended; None when too few were answered.
    """

    def __init__(self, pinger: Pinger, host: str, interface: str | None, ramp: float = 1.0) -> None:
        self._pinger = pinger
        self._host = host
        self._interface = interface
        self._ramp = ramp
        self.median: float | None = None

    async def __aenter__(self) -> Self:
        self._begin = self._pinger.now
        self._stream = self._pinger.watch(self._host, interface=self._interface, interval=PING_INTERVAL, timeout=PING_TIMEOUT)
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            seconds = (self._pinger.now - self._begin) / 1e9
            ramp = min(self._ramp, seconds / 4)
            rtts = self._stream.recent(seconds - ramp, self._pinger.now).rtts
            self.median = statistics.median(rtts) if len(rtts) >= 3 else None
        finally:
            self._pinger.unwatch(self._stream)
