"""True time on computers whose clocks are wrong: a monotonic base, corrected by whoever knows better.

Readings are taken on the monotonic clock, which nobody sets. What true time was at any of its moments follows from one
number, the base, learned from time servers, from the gateway, or from the `Date` of the receiver. Until one of them
answers, the wall clock stands in, and readings keep their monotonic time, so that they can be corrected later
(docs/adr/040-true-time.md).
"""

from __future__ import annotations

import asyncio
import email.utils
import logging
from collections.abc import Callable, Iterable

from agent import selfmon
from collectors.machine import Clock, Machine
from collectors.model import Observations
from collectors.probe import sntp
from collectors.wire.ntp import MalformedError

log = logging.getLogger(__name__)
FIRST_WAIT, LONGEST_WAIT = 4.0, 300.0
SERVER_TRUSTED_FOR = 4 * 3600.0
"""Seconds for which the word of a time server counts more than a `Date`."""
WORTH_SAYING = 5.0
RIGHT = 60.0
TOLERANCE = 0.02


class TrueClock:
    """The agent's `Clock`: monotonic and wall as the computer has them, true as estimated.

    Attributes:
        source: who told the true time: `ntp`, `gateway`, `http`, or `none`.
    """

    def __init__(self, below: Clock) -> None:
        self._below = below
        self._base: float | None = None
        self._learned = 0.0
        self._bounds = (float("-inf"), float("inf"))
        self._listeners: list[Callable[[], None]] = []
        self.source = "none"

    def monotonic(self) -> float:
        """As the computer's."""
        return self._below.monotonic()

    def wall(self) -> float:
        """As the computer's."""
        return self._below.wall()

    def true(self) -> float:
        """Seconds since 1970 (UTC), as well as they are known."""
        return self.true_at(self.monotonic())

    def true_at(self, monotonic: float) -> float:
        """Seconds since 1970 (UTC) at a moment of `monotonic`, as well as they are known now."""
        return monotonic + (self.wall_base if self._base is None else self._base)

    @property
    def base(self) -> float | None:
        """True minus monotonic time in seconds; None until somebody told the time."""
        return self._base

    @property
    def wall_base(self) -> float:
        """Wall minus monotonic time in seconds: right when the computer's clock is."""
        return self._below.wall() - self._below.monotonic()

    @property
    def wall_is_right(self) -> bool:
        """Is the computer's clock known to be right, to the minute?"""
        return self._base is not None and abs(self.wall_base - self._base) < RIGHT

    def listen(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever the base changes."""
        self._listeners.append(tell)

    def set_base(self, base: float, source: str) -> None:
        """Take over a reference: true minus monotonic time in seconds."""
        before = self._base
        self._base, self._learned = base, self.monotonic()
        if source != self.source or (before is not None and abs(base - before) > 1.0):
            offset = self.wall_base - base
            level = logging.WARNING if abs(offset) > WORTH_SAYING else logging.INFO
            log.log(level, "true time known", extra={"source": source, "clock_is_ahead_by_seconds": round(offset, 3)})
        self.source = source
        for tell in self._listeners:
            tell()

    def confirm(self, source: str) -> None:
        """A reference agrees with the base within its own error."""
        self._learned, self.source = self.monotonic(), source

    def hear_date(self, date: str | None, sent: float, received: float) -> None:
        """Learn from a `Date` header (RFC 9110, whole seconds) of a request between two moments of `monotonic`.

        Each answer bounds the base; a second's worth of uncertainty shrinks with every one. Used only where no time
        server answered lately.
        """
        try:
            second = email.utils.parsedate_to_datetime(date or "").timestamp()
        except (TypeError, ValueError):
            return
        if self.source in {"ntp", "gateway"} and received - self._learned < SERVER_TRUSTED_FOR:
            return
        low, high = second - received, second + 1.0 - sent
        narrowed = max(self._bounds[0], low), min(self._bounds[1], high)
        self._bounds = narrowed if narrowed[0] <= narrowed[1] else (low, high)
        low, high = self._bounds
        if self._base is None or self.source != "http" or not low - TOLERANCE <= self._base <= high + TOLERANCE:
            self.set_base((low + high) / 2, "http")

    def report(self, found: Observations) -> None:
        """The offset of the computer's clock, once it is known."""
        if self._base is not None:
            found.set(selfmon.CLOCK_OFFSET, self.wall_base - self._base, self.source)


async def follow(clock: TrueClock, servers: Iterable[str], gateways: Callable[[], Iterable[str]], interval: float) -> None:
    """Ask time servers for ever: the configured ones, else the gateways; soon again while nobody answers."""
    wait = FIRST_WAIT
    while True:
        if await _ask_all(clock, servers, "ntp") or await _ask_all(clock, gateways(), "gateway"):
            wait = interval
        else:
            wait = min(LONGEST_WAIT, interval, 2 * wait)
        await asyncio.sleep(wait)


async def _ask_all(clock: TrueClock, servers: Iterable[str], source: str) -> bool:
    """Take the reference with the smallest error; tell whether there was one."""
    answers = await asyncio.gather(*(_ask(clock, server) for server in servers))
    found = [answer for answer in answers if answer is not None]
    if not found:
        return False
    best = min(found, key=lambda reference: reference.error)
    if clock.base is None or clock.source == "http" or abs(best.base - clock.base) > best.error + TOLERANCE:
        clock.set_base(best.base, source)
    else:
        clock.confirm(source)
    return True


async def _ask(clock: TrueClock, server: str) -> sntp.Reference | None:
    try:
        return await sntp.ask(server, clock)
    except (OSError, MalformedError, ValueError) as error:
        log.debug("no answer from time server", extra={"server": server, "error": str(error)})
        return None


def boot_id(machine: Machine) -> str:
    """What tells this boot from others: the kernel's identifier, else the boot's time by the wall clock to the minute."""
    text = machine.read_or_none("/proc/sys/kernel/random/boot_id")
    return text or f"boot-{round((machine.clock.wall() - machine.clock.monotonic()) / 60)}"
