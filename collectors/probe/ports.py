"""What the ports of polled devices carried, for uplinks whose traffic no interface of this computer sees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

FRESH = 300.0
"""Seconds after which a port's last poll says nothing about now."""


class Count(NamedTuple):
    """The octet counters of a port at one moment of the monotonic clock; None where the device has no such counter."""

    taken: float
    received: float | None
    sent: float | None
    speed: float | None = None
    """Octets per second that the port can carry each way."""


@dataclass
class Ports:
    """The last two polls by device and interface name: a session, since who polls does not know who judges."""

    polls: dict[tuple[str, str], tuple[Count | None, Count]] = field(default_factory=dict)

    def take(self, device: str, port: str, count: Count) -> None:
        """One more poll of a port."""
        before = self.polls.get((device, port))
        self.polls[device, port] = (before[1] if before is not None else None, count)

    def rates(self, device: str, port: str, now: float) -> tuple[dict[str, float], float | None]:
        """Octets per second by direction as seen from the site (what a port receives is its download), and the port's speed.

        Nothing where a port was polled once only, too long ago, or its counters began anew.
        """
        before, last = self.polls.get((device, port), (None, None))
        if before is None or last is None or last.taken <= before.taken or now - last.taken > FRESH:
            return {}, None
        found = {}
        for direction, old, new in (("download", before.received, last.received), ("upload", before.sent, last.sent)):
            if old is not None and new is not None and new >= old:
                found[direction] = (new - old) / (last.taken - before.taken)
        return found, last.speed

    async def close(self) -> None:
        """Nothing is held open."""
