"""True time on computers whose clocks are wrong: a monotonic base, corrected by whoever knows better.

Readings are taken on the monotonic clock, which nobody sets. What true time was at any of its moments follows from one
number, the base, learned from time servers, from the gateway, or from the `Date` of the receiver. Until one of them
answers, the wall clock stands in, and readings keep their monotonic time, so that they can be corrected later
(docs/adr/040-true-time.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from agent import selfmon
from collectors.machine import Clock, Machine
from collectors.model import Observations
from collectors.probe import sntp
from collectors.wire import http1, ntp

log = logging.getLogger(__name__)
FIRST_WAIT, LONGEST_WAIT = 4.0, 300.0
FIRST_INTERVAL = 64.0
RESTLESS = 0.1
"""Seconds by which a server moves the base that call for asking again sooner: a clock under correction runs 1.8 s an hour wrong."""
SERVER_TRUSTED_FOR = 4 * 3600.0
"""Seconds for which the word of a time server counts more than a `Date`."""
WORTH_SAYING = 5.0
RIGHT = 60.0
TOLERANCE = 0.02
AGREE = 0.25
"""Seconds within which two time servers say the same."""
DATE_WITHIN, DRIFT = 2.0, 2e-4
"""By how much a `Date` may be off the time of a gateway that is right: seconds, and seconds a second since it was heard."""


class TrueClock:
    """The agent's `Clock`: monotonic and wall as the computer has them, true as estimated.

    Attributes:
        source: who told the true time: `ntp`, `gateway`, `http`, or `none`.
    """

    def __init__(self, below: Clock) -> None:
        self._below = below
        self._base: float | None = None
        self._gateways_word: float | None = None
        self._nobody_else = False
        self._learned = 0.0
        self._heard = 0.0
        self._doubted = False
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
        return monotonic + self._best

    @property
    def _best(self) -> float:
        """The base, or what stands in for it."""
        known = (self._base, self._gateways_word)
        return next((base for base in known if base is not None), self.wall_base)

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

    def hear_gateway(self, base: float) -> bool:
        """Learn from a gateway, whose clock may never have been set; tell whether its word counts.

        It does where the receiver's `Date` agrees. As long as the receiver was not heard it only stands in for the wall
        clock: what is kept meanwhile gets its time later, since a wrong one could not be taken back.
        """
        allowed = self._allowed(base)
        if allowed or (allowed is None and self._nobody_else):
            self._take(base, TOLERANCE, "gateway")
            return True
        self._gateways_word = base
        return False

    def trust_gateways(self) -> None:
        """Nobody else will tell the time: there is no receiver, or it answers without a usable `Date`."""
        self._nobody_else = True
        if self._base is None and self._gateways_word is not None:
            self.set_base(self._gateways_word, "gateway")

    def hear_servers(self, found: Sequence[sntp.Reference]) -> float:
        """Learn from the servers that most others agree with, the receiver's `Date` among them; tell by how much that moved the base.

        Where no two agree, the one that says what is known already counts, else the nearest.
        """

        def standing(one: sntp.Reference) -> tuple[int, bool, float]:
            votes = sum(abs(one.base - other.base) <= one.error + other.error + AGREE for other in found)
            known = self._base is not None and abs(one.base - self._base) <= one.error + AGREE
            return votes + bool(self._allowed(one.base)), known, -one.error

        best = max(found, key=standing)
        return self._take(best.base, best.error + TOLERANCE, "ntp")

    def _take(self, base: float, error: float, source: str) -> float:
        before = self._base
        if before is None or self.source == "http" or abs(base - before) > error:
            self.set_base(base, source)
        else:
            self.confirm(source)
        return 0.0 if before is None else abs(base - before)

    def _allowed(self, base: float) -> bool | None:
        """Does the receiver's `Date` agree? None where none was heard."""
        low, high = self._bounds
        if low == float("-inf"):
            return None
        within = DATE_WITHIN + DRIFT * (self.monotonic() - self._heard)
        return low - within <= base <= high + within

    def hear_date(self, date: str | None, sent: float, received: float) -> None:
        """Learn from a `Date` header (RFC 9110, whole seconds) of a request between two moments of `monotonic`.

        Each answer bounds the base; a second's worth of uncertainty shrinks with every one. Used only where no time
        server answered lately, and to judge gateways. One that contradicts those before it counts when it is repeated.
        """
        second = http1.moment(date)
        if second is None or second < ntp.OLDEST:
            return
        low, high = second - received, second + 1.0 - sent
        within = DATE_WITHIN + DRIFT * (received - self._heard)
        self._doubted = not self._doubted and (low > self._bounds[1] + within or high < self._bounds[0] - within)
        if self._doubted:
            return
        narrowed = max(self._bounds[0], low), min(self._bounds[1], high)
        self._bounds = narrowed if narrowed[0] <= narrowed[1] else (low, high)
        self._heard = received
        lately = received - self._learned < SERVER_TRUSTED_FOR
        if lately and (
            self.source == "ntp" or (self.source == "gateway" and self._base is not None and self._allowed(self._base))
        ):
            return
        low, high = self._bounds
        if self._base is None and self._gateways_word is not None and self._allowed(self._gateways_word):
            self.set_base(self._gateways_word, "gateway")
        elif self._base is None or self.source != "http" or not low - TOLERANCE <= self._base <= high + TOLERANCE:
            self.set_base((low + high) / 2, "http")

    def report(self, found: Observations) -> None:
        """The offset of the computer's clock, once somebody told the time."""
        if self._base is not None or self._gateways_word is not None:
            source = "gateway" if self._base is None else self.source
            found.set(selfmon.CLOCK_OFFSET, self.wall_base - self._best, source)


async def follow(clock: TrueClock, servers: Iterable[str], gateways: Callable[[], Iterable[str]], interval: float) -> None:
    """Ask time servers for ever: the configured ones, else the gateways; soon again while nobody answers or the base moves."""
    wait = FIRST_WAIT
    while True:
        if found := await _ask(clock, servers):
            moved = clock.hear_servers(found)
            wait = max(FIRST_INTERVAL, wait / 2 if moved > RESTLESS else wait * 2)
        elif (found := await _ask(clock, gateways())) and clock.hear_gateway(min(found, key=lambda one: one.error).base):
            wait = max(FIRST_INTERVAL, wait * 2)
        else:
            wait = min(LONGEST_WAIT, 2 * wait)
        wait = min(wait, interval)
        await asyncio.sleep(wait)


async def _ask(clock: TrueClock, servers: Iterable[str]) -> list[sntp.Reference]:
    """What the servers say that answer."""

    async def one(server: str) -> list[sntp.Reference]:
        try:
            return await sntp.ask(server, clock)
        except (OSError, ntp.MalformedError, ValueError) as error:
            log.debug("no answer from time server", extra={"server": server, "error": str(error)})
            return []

    answers = await asyncio.gather(*(one(server) for server in servers))
    return [reference for found in answers for reference in found]


def boot_id(machine: Machine) -> str:
    """What tells this boot from others: the kernel's identifier, else the boot's time by the wall clock to the minute."""
    text = machine.read_or_none("/proc/sys/kernel/random/boot_id")
    return text or f"boot-{round((machine.clock.wall() - machine.clock.monotonic()) / 60)}"
