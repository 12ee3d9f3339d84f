"""Runs every collector on its own schedule and isolates it: deadlines, no overlap, errors as values.

This is the one place that catches everything. Starts are spread over the interval by a hash of site and target, the
same at every start, so that neither the collectors of an agent nor the agents of a province move in step.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import math
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from agent import selfmon
from agent.tasks import spawn
from collectors.machine import Clock
from collectors.model import VALIDITY, Collector, Observations, Reading, Reason

log = logging.getLogger(__name__)
FIRST_RUNS_WITHIN = 3.0
STOP_WITHIN = 1.0
RELEASE_WITHIN = 0.8
ONCE_WITHIN = 15.0
HALF = 0.5
Key = tuple[str, str]


@dataclass(slots=True)
class Run:
    """How an instance did: outcome and seconds of the last run, and when (UTC) it last ran to an answer."""

    reason: Reason | None = None
    detail: str = ""
    seconds: float = 0.0
    last_success: float | None = None
    runs: int = 0


@dataclass(slots=True, eq=False)
class _Driver:
    """One instance that runs: its task, and what wakes it before its time."""

    collector: Collector
    phase: float
    begun: float
    task: asyncio.Task[None] | None = None
    waiter: asyncio.Future[None] | None = None


class Scheduler:
    """Owns the running instances; `deliver(reading, valid_for)` is where readings go, `forget` where removals go."""

    def __init__(
        self,
        clock: Clock,
        deliver: Callable[[Reading, float], None],
        forget: Callable[[Key], None],
        seed: str = "",
    ) -> None:
        self._clock = clock
        self._deliver = deliver
        self._forget = forget
        self._seed = seed
        self._drivers: dict[Key, _Driver] = {}
        self._current: dict[Key, Collector] = {}
        self.runs: dict[Key, Run] = {}

    async def replace(self, collectors: Iterable[Collector]) -> None:
        """Run exactly these: unchanged instances go on undisturbed, others are stopped or started."""
        wanted: dict[Key, Collector] = {}
        for collector in collectors:
            if wanted.setdefault((collector.kind, collector.target), collector) is not collector:
                log.error("two instances of one name, the second left out", extra=_facts(collector))
        gone = [
            key for key, driver in self._drivers.items() if key not in wanted or wanted[key].identity != driver.collector.identity
        ]
        await self._end(gone)
        for key in gone:
            self.runs.pop(key, None)
            if key not in wanted:
                self._forget(key)
        for key, collector in wanted.items():
            if key not in self._drivers:
                self.runs[key] = Run()
                self._current[key] = collector
                driver = self._drivers[key] = _Driver(collector, self.phase(collector), self._clock.monotonic())
                driver.task = spawn(self._drive(driver), "/".join(("collect", *key)))

    async def stop(self) -> None:
        """End every instance, within `STOP_WITHIN` seconds even when one hangs."""
        await self._end(list(self._drivers))

    def resume(self) -> None:
        """After a suspend, in which the loop's clock stood still: run now what is due."""
        loop, now = asyncio.get_running_loop(), self._clock.monotonic()
        for driver in self._drivers.values():
            if driver.waiter is not None:
                due = driver.begun + driver.collector.interval - now
                loop.call_later(max(due, driver.phase * FIRST_RUNS_WITHIN), _wake, driver.waiter)

    def phase(self, collector: Collector) -> float:
        """Where in its interval an instance runs, 0 to 1, the same at every start."""
        text = f"{self._seed}/{collector.kind}/{collector.target}"
        return int.from_bytes(hashlib.blake2s(text.encode(), digest_size=8).digest(), "big") / 2**64

    async def _end(self, keys: list[Key]) -> None:
        ending = [driver.task for key in keys if (driver := self._drivers.pop(key)).task is not None]
        for key in keys:
            self._current.pop(key, None)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending, timeout=STOP_WITHIN)

    async def _drive(self, driver: _Driver) -> None:
        collector, interval = driver.collector, driver.collector.interval
        loop = asyncio.get_running_loop()
        planned = loop.time() + driver.phase * min(interval, FIRST_RUNS_WITHIN)
        running: asyncio.Task[Reading] | None = None
        try:
            await self._start(collector)
            while True:
                await _sleep_until(driver, planned)
                driver.begun = self._clock.monotonic()
                planned = self._next(planned, interval, driver.phase, loop.time())
                running = await self._run(collector, running)
        finally:
            if running is not None:
                running.cancel()
            await self._stop(collector)

    def _next(self, planned: float, interval: float, phase: float, now: float) -> float:
        """When the run after this one begins, in seconds of the loop's clock.

        Long intervals keep to a grid of true time, half an interval to one and a half after this run; short ones count
        on from the last, and leave out what was missed.
        """
        if interval <= FIRST_RUNS_WITHIN:
            missed = max(0, math.floor((now - planned) / interval))
            return planned + (missed + 1) * interval
        offset = (self._clock.true() / interval - phase) % 1.0
        return now + interval * (1.0 - offset if offset <= HALF else 2.0 - offset)

    async def _start(self, collector: Collector) -> None:
        work = collector.start(lambda reading: self._take(collector, reading))
        error = await _bounded(work, collector.deadline, f"start/{collector.kind}/{collector.target}")
        if error is not None:
            self._take(collector, self._failure(collector, error))

    async def _stop(self, collector: Collector) -> None:
        error = await _bounded(collector.stop(), RELEASE_WITHIN, f"stop/{collector.kind}/{collector.target}")
        if error is not None:
            log.warning("not stopped in order", extra={**_facts(collector), "error": str(error) or type(error).__name__})

    async def _run(self, collector: Collector, running: asyncio.Task[Reading] | None) -> asyncio.Task[Reading] | None:
        """One run, at most `deadline` long; returns the task if it has not ended even then."""
        if running is not None and not running.done():
            self._take(collector, self._failure(collector, TimeoutError("the last run has not ended yet")))
            return running
        begin = time.perf_counter()
        task = spawn(self._guarded(collector, collector.collect()), f"run/{collector.kind}/{collector.target}")
        try:
            done, _ = await asyncio.wait({task}, timeout=collector.deadline)
        except asyncio.CancelledError:
            task.cancel()
            raise
        seconds = time.perf_counter() - begin
        if done:
            self._take(collector, task.result(), seconds)
            return None
        task.cancel()
        self._take(collector, self._failure(collector, TimeoutError(f"no answer within {collector.deadline:g} s")), seconds)
        return task

    async def _guarded(self, collector: Collector, work: Coroutine[Any, Any, Reading]) -> Reading:
        """A run whose every end is a reading, were it an exception, a cancellation of its own or no reading at all."""
        try:
            reading: object = await work
        except asyncio.CancelledError:
            return self._failure(collector, RuntimeError("cancelled"))
        except (Exception, SystemExit) as error:
            return self._failure(collector, error)
        if not isinstance(reading, Reading) or (reading.kind, reading.target) != (collector.kind, collector.target):
            return self._failure(collector, TypeError(f"answered with {type(reading).__name__} of another instance"))
        return reading

    def _failure(self, collector: Collector, error: BaseException) -> Reading:
        if isinstance(error, TimeoutError):
            reason = Reason.DEADLINE
        elif isinstance(error, PermissionError):
            reason = Reason.NO_PERMISSION
        else:
            reason = Reason.INTERNAL
            log.debug("collector raised", extra=_facts(collector), exc_info=error)
        detail = str(error) or type(error).__name__
        return Reading(collector.kind, collector.target, self._clock.monotonic(), (), reason, detail)

    def _take(self, collector: Collector, reading: Reading, seconds: float | None = None) -> None:
        key = (collector.kind, collector.target)
        run = self.runs.get(key)
        if run is None or self._current.get(key) is not collector:
            return  # what a removed instance still says
        try:
            self._deliver(reading, VALIDITY * collector.interval)
        except Exception as error:
            log.debug("reading refused", extra=_facts(collector), exc_info=error)
            reading = self._failure(collector, ValueError(f"reading refused: {error}"))
            self._deliver(reading, VALIDITY * collector.interval)
        if reading.reason is not run.reason:
            _tell(collector, reading)
        run.reason, run.detail, run.runs = reading.reason, reading.detail, run.runs + 1
        if seconds is not None:
            run.seconds = seconds
        if run.reason is None or not run.reason.is_failure:
            run.last_success = self._clock.true()

    def report(self, found: Observations) -> None:
        """The agent's own metrics about its collectors, per kind."""
        for kind in sorted({kind for kind, _ in self.runs}):
            runs = [run for (of, _), run in self.runs.items() if of == kind and run.runs]
            if not runs or all(run.reason is Reason.NOT_SUPPORTED for run in runs):
                continue
            failed = any(run.reason is not None and run.reason.is_failure for run in runs)
            found.set(selfmon.COLLECTOR_SUCCESS, float(not failed), kind)
            found.set(selfmon.COLLECTOR_DURATION, max(run.seconds for run in runs), kind)
            oldest = [run.last_success for run in runs]
            if all(moment is not None for moment in oldest):
                found.set(selfmon.COLLECTOR_LAST_SUCCESS, min(moment for moment in oldest if moment is not None), kind)

    async def once(self, collectors: Iterable[Collector]) -> None:
        """Run each collector once, all at the same time (for `agent run --once`)."""

        async def single(collector: Collector) -> None:
            key = (collector.kind, collector.target)
            self.runs[key], self._current[key] = Run(), collector
            await self._start(collector)
            begin, within = time.perf_counter(), max(collector.deadline, ONCE_WITHIN)
            task = spawn(self._guarded(collector, collector.once()), f"once/{collector.kind}/{collector.target}")
            done, _ = await asyncio.wait({task}, timeout=within)
            if not done:
                task.cancel()
            late = TimeoutError(f"no answer within {within:g} s")
            self._take(collector, task.result() if done else self._failure(collector, late), time.perf_counter() - begin)
            await self._stop(collector)

        await asyncio.gather(*(single(collector) for collector in collectors))


async def _bounded(work: Coroutine[Any, Any, None], seconds: float, name: str) -> BaseException | None:
    """Wait for `work` at most so long, even when it does not heed its cancellation; its error, None when it went well."""

    async def caught() -> BaseException | None:
        try:
            await work
        except (Exception, SystemExit) as error:
            return error
        return None

    task = spawn(caught(), name)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        return TimeoutError(f"not done within {seconds:g} s")
    return None if task.cancelled() else task.result()


async def _sleep_until(driver: _Driver, when: float) -> None:
    loop = asyncio.get_running_loop()
    driver.waiter = loop.create_future()
    handle = loop.call_at(when, _wake, driver.waiter)
    try:
        await driver.waiter
    finally:
        handle.cancel()
        driver.waiter = None


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _facts(collector: Collector) -> dict[str, str]:
    return {"collector": collector.kind, "target": collector.target}


def _tell(collector: Collector, reading: Reading) -> None:
    """One line per change of outcome, not per probe."""
    facts = _facts(collector)
    if reading.reason is None:
        log.info("measuring again", extra=facts)
    elif reading.reason is Reason.NOT_SUPPORTED:
        log.info("not supported here", extra={**facts, "detail": reading.detail})
    else:
        level = logging.WARNING if reading.reason.is_failure else logging.INFO
        log.log(level, "no value", extra={**facts, "reason": reading.reason.value, "detail": reading.detail})
