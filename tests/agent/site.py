"""A site for tests of what carries readings away: its own clock, a few dozen series, the real state and `Forward`."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path

from agent import selfmon
from agent.clock import TrueClock
from agent.forward.assembly import Forward
from agent.settings import AgentSettings, ClockSettings, Core, RemoteWriteSettings, ScrapeSettings, SpoolSettings, defaults
from agent.state import State
from collectors.machine import Machine
from collectors.model import Histogram, Metric, MetricType, Observation, Reading, counter, gauge
from collectors.site import Site
from collectors.wire.units import Duration, Size

UP = gauge("commune_test_up", "Whether it is up.", "target", urgent=True)
VALUE = gauge("commune_test_celsius", "A value.", "target")
COUNT = counter("commune_test_events_total", "A counter.", "target")
RTT = Metric("commune_test_rtt_seconds", MetricType.HISTOGRAM, "A histogram.", ("target",), (0.01, 0.1))


class Hands:
    """A clock that is set by hand: true time, an offset of the wall clock, and a monotonic clock that starts anywhere."""

    def __init__(self, true: float | None = None, *, offset: float = 0.0, monotonic: float = 1000.0, runs: bool = False) -> None:
        self._zero = time.monotonic()
        self.start = time.time() if true is None else true
        self.offset = offset
        self.passed = 0.0
        self._first = monotonic
        self.runs = runs

    def advance(self, seconds: float) -> None:
        self.passed += seconds

    def _passed(self) -> float:
        return self.passed + (time.monotonic() - self._zero if self.runs else 0.0)

    def monotonic(self) -> float:
        return self._first + self._passed()

    def wall(self) -> float:
        return self.start + self._passed() + self.offset

    def true(self) -> float:
        return self.start + self._passed()

    def true_at(self, monotonic: float) -> float:
        return self.start + monotonic - self._first


def settings(url: str, directory: Path, *, servers: tuple[str, ...] = (), **section: object) -> AgentSettings:
    section = {"interval": Duration(120.0), "timeout": Duration(5.0), **section}
    core = Core(
        site=Site(province="lam-dong", commune="24781", instance="counter-1"),
        labels={"ring": "3"},
        clock=ClockSettings(servers=servers, interval=Duration(3600.0)),
        remote_write=RemoteWriteSettings(url=url, **section),  # type: ignore[arg-type]
        scrape=ScrapeSettings(),
        spool=SpoolSettings(max_bytes=Size(64 * 2**20)),
    )
    return dataclasses.replace(defaults(), core=core, directory=directory)


class SiteUnderTest:
    """State and `Forward` joined as the application joins them, without collectors and without a server."""

    def __init__(
        self, directory: Path, url: str, hands: Hands, *, known: bool = True, configured: AgentSettings | None = None
    ) -> None:
        self.hands = hands
        self.directory = directory
        self.machine = Machine(clock=TrueClock(hands))
        self.settings = configured or settings(url, directory)
        self.state = State()
        self.forward = Forward(self.settings, self.machine)
        self.expected: dict[tuple[str, str], list[tuple[float, float]]] = {}
        if known:
            self.forward.clock.set_base(hands.true() - hands.monotonic(), "ntp")

    async def start(self) -> None:
        await self.forward.start(self.directory, tuple)

    async def stop(self) -> None:
        await self.forward.stop()

    def read(self, targets: int = 3, *, up: float = 1.0) -> None:
        """One reading of every target at the present moment."""
        now = self.hands.monotonic()
        for number in range(targets):
            target = f"t{number}"
            step = self.hands.passed
            found = [
                Observation(UP, (target,), up),
                Observation(VALUE, (target,), 20 + math.sin(step / 997 + number)),
                Observation(COUNT, (target,), float(round(step) * (number + 1))),
                Observation(RTT, (target,), Histogram((round(step), 2, 1), step / 100)),
            ]
            self.forward.take(self.state.apply(Reading("test", target, now, found), 150.0))

    def heartbeat(self) -> None:
        now = self.hands.monotonic()
        reading = Reading("agent", "", now, [Observation(selfmon.HEARTBEAT, (), self.machine.clock.true())])
        self.forward.take(self.state.apply(reading, 50.0))
