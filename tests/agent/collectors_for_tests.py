"""Collectors that behave as the worst of them do: they hang, raise, burn, or do not stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from collectors.model import Collector, Emit, Observations, Reading, counter, gauge

VALUE = gauge("commune_testing_value", "A value of a test.", "target")
SECONDS = counter("commune_testing_seconds_total", "A persisted counter of a test.", "target", persisted=True)
METRICS = (VALUE, SECONDS)


class Testing(Collector):
    """Runs what a test gives it."""

    kind = "testing"
    __test__ = False

    def __init__(
        self,
        target: str = "a",
        act: Callable[[], Awaitable[object]] | None = None,
        *,
        interval: float = 0.05,
        deadline: float | None = None,
        identity: str = "",
    ) -> None:
        super().__init__(target, interval=interval, deadline=deadline, identity=identity)
        self.act = act
        self.emit: Emit | None = None
        self.begun: list[float] = []
        self.active = self.most_active = self.stopped = 0

    def reading(self, value: float = 1.0) -> Reading:
        found = Observations()
        found.set(VALUE, value, self.target)
        found.add(SECONDS, 1.0, self.target)
        return Reading(self.kind, self.target, time.clock_gettime(time.CLOCK_BOOTTIME), found.items)

    async def start(self, emit: Emit) -> None:
        self.emit = emit

    async def collect(self) -> Reading:
        self.begun.append(asyncio.get_running_loop().time())
        self.active += 1
        self.most_active = max(self.active, self.most_active)
        try:
            answer = await self.act() if self.act is not None else None
        finally:
            self.active -= 1
        return answer if isinstance(answer, Reading) else self.reading()

    async def stop(self) -> None:
        self.stopped += 1


async def hang() -> None:
    """Until cancelled."""
    await asyncio.Event().wait()


async def hang_on() -> None:
    """Whatever happens: cancellations are swallowed, as a bare `except` does it. Ends by itself after a while."""
    end = time.monotonic() + 6
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0.05)


async def burn() -> None:
    """Hold the loop for a moment."""
    end = time.perf_counter() + 0.05
    while time.perf_counter() < end:
        pass
