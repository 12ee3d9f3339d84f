"""One failing, slow or hanging collector never delays or falsifies another."""

import asyncio
import collections
import itertools
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from agent.scheduler import FIRST_RUNS_WITHIN, Scheduler
from agent.state import State
from collectors.machine import SystemClock
from collectors.model import Collector, Observations, Reading, Reason
from tests.agent.collectors_for_tests import Testing, burn, hang, hang_on

pytestmark = pytest.mark.timing


class StepClock(SystemClock):
    """The real clocks plus an offset."""

    asleep = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.asleep


@dataclass
class Flow:
    """A scheduler with the state behind it."""

    state: State = field(default_factory=State)
    readings: list[Reading] = field(default_factory=list)
    clock: StepClock = field(default_factory=StepClock)

    def __post_init__(self) -> None:
        self.scheduler = Scheduler(self.clock, self.deliver, self.forget, "lam-dong/24781/main/counter-1")

    def deliver(self, reading: Reading, valid_for: float) -> None:
        self.state.apply(reading, valid_for)
        self.readings.append(reading)

    def forget(self, key: tuple[str, str]) -> None:
        self.state.remove(key)

    def own(self) -> dict[tuple[str, ...], object]:
        found = Observations()
        self.scheduler.report(found)
        return {(item.metric.name.removeprefix("commune_agent_collector_"), *item.labels): item.value for item in found.items}


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    flow = Flow()
    yield flow
    await flow.scheduler.stop()


def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.scheduler.Scheduler.phase", lambda *_: 0.0)


async def fail() -> None:
    message = "broken"
    raise RuntimeError(message)


async def fail_permission() -> None:
    raise PermissionError(1, "Operation not permitted")


async def leave() -> None:
    raise SystemExit(3)


async def cancel_itself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def answer_for_another() -> Reading:
    return Reading("testing", "somebody-else", 0)


async def wrong_labels() -> Reading:
    from tests.agent.collectors_for_tests import VALUE

    found = Observations()
    found.set(VALUE, 1.0, "a", "too many")
    return Reading("testing", "bad", 0, found.items)


@pytest.mark.parametrize(
    ("act", "reason", "detail"),
    [
        (fail, Reason.INTERNAL, "broken"),
        (fail_permission, Reason.NO_PERMISSION, "Operation not permitted"),
        (hang, Reason.DEADLINE, "no answer within 0.1 s"),
        (hang_on, Reason.DEADLINE, "not ended yet"),
        (leave, Reason.INTERNAL, "3"),
        (cancel_itself, Reason.INTERNAL, "cancelled"),
        (answer_for_another, Reason.INTERNAL, "another instance"),
        (wrong_labels, Reason.INTERNAL, "reading refused"),
    ],
)
async def test_a_bad_instance_is_told_and_the_good_one_goes_on(  # noqa: PLR0917  fixtures
    flow: Flow,
    act: Callable[[], Awaitable[object]],
    reason: Reason,
    detail: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    at_once(monkeypatch)
    caplog.set_level(logging.INFO)
    good, bad = Testing("good"), Testing("bad", act, deadline=0.1)
    await flow.scheduler.replace([bad, good])
    await asyncio.sleep(0.6)
    run = flow.scheduler.runs[("testing", "bad")]
    assert run.reason is reason
    assert detail in run.detail
    assert bad.most_active == 1
    assert len(good.begun) >= 10
    assert flow.scheduler.runs[("testing", "good")].reason is None
    assert {series.labels for series in flow.state.series()} == {("good",)}
    assert flow.own()[("success", "testing")] == 0.0
    assert [record.message for record in caplog.records] == ["no value"]


async def test_values_of_a_failed_measurement_vanish_and_come_back(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    at_once(monkeypatch)
    caplog.set_level(logging.INFO)
    collector = Testing("a", interval=0.1)
    await flow.scheduler.replace([collector])
    await asyncio.sleep(0.05)
    assert len(list(flow.state.series())) == 2
    assert flow.own()[("success", "testing")] == 1.0
    collector.act = fail
    await asyncio.sleep(0.1)
    assert list(flow.state.series()) == []
    last = flow.own()[("last_success_timestamp_seconds", "testing")]
    collector.act = None
    await asyncio.sleep(0.1)
    assert len(list(flow.state.series())) == 2
    assert flow.own()[("success", "testing")] == 1.0
    now = flow.own()[("last_success_timestamp_seconds", "testing")]
    assert isinstance(now, float)
    assert isinstance(last, float)
    assert now > last
    assert [record.message for record in caplog.records] == ["no value", "measuring again"]


async def test_an_unreachable_target_is_an_answer_and_no_radio_is_no_failure(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)

    async def unreachable() -> Reading:
        return Reading("testing", "a", time.monotonic(), (), Reason.UNREACHABLE, "no route")

    async def no_radio() -> Reading:
        return Reading("testing", "a", time.monotonic(), (), Reason.NOT_SUPPORTED, "no Wi-Fi here")

    collector = Testing("a", unreachable)
    await flow.scheduler.replace([collector])
    await asyncio.sleep(0.08)
    assert flow.own()[("success", "testing")] == 1.0
    collector.act = no_radio
    await asyncio.sleep(0.1)
    assert flow.own() == {}


async def test_a_burning_collector_slows_but_does_not_stop_the_others(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    good, bad = Testing("good", interval=0.1), Testing("bad", burn, interval=0.1)
    await flow.scheduler.replace([good, bad])
    await asyncio.sleep(1.05)
    assert len(good.begun) in {10, 11}
    gaps = [later - earlier for earlier, later in itertools.pairwise(good.begun)]
    assert max(gaps) < 0.2


async def test_short_intervals_do_not_drift(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    collector = Testing("a", burn, interval=0.1)
    await flow.scheduler.replace([collector])
    await asyncio.sleep(1.5)
    assert len(collector.begun) == 15
    elapsed = collector.begun[-1] - collector.begun[0]
    assert elapsed == pytest.approx(1.4, abs=0.03)


async def test_a_slow_run_leaves_out_what_it_missed(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    slow = Testing("slow", lambda: asyncio.sleep(0.22), interval=0.1, deadline=1.0)
    await flow.scheduler.replace([slow])
    await asyncio.sleep(1.05)
    assert slow.most_active == 1
    assert 3 <= len(slow.begun) <= 5


async def test_a_reload_leaves_unchanged_instances_alone(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    first = [Testing("same"), Testing("changed", identity="old"), Testing("removed")]
    await flow.scheduler.replace(first)
    await asyncio.sleep(0.1)
    task = flow.scheduler._drivers[("testing", "same")].task
    second = [Testing("same"), Testing("changed", identity="new"), Testing("added")]
    await flow.scheduler.replace(second)
    await asyncio.sleep(0.1)
    assert flow.scheduler._drivers[("testing", "same")].task is task
    assert [collector.stopped for collector in first] == [0, 1, 1]
    assert [bool(collector.begun) for collector in second] == [False, True, True]
    assert {series.labels[0] for series in flow.state.series()} == {"same", "changed", "added"}
    assert set(flow.scheduler.runs) == {("testing", name) for name in ("same", "changed", "added")}


async def test_what_a_removed_instance_still_says_is_not_heard(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    old = Testing("a", identity="old")
    await flow.scheduler.replace([old])
    await asyncio.sleep(0.02)
    assert old.emit is not None
    old.emit(old.reading(7.0))
    assert 7.0 in [series.value for series in flow.state.series()]
    await flow.scheduler.replace([Testing("a", hang, identity="new")])
    old.emit(old.reading(99.0))
    await flow.scheduler.replace([])
    old.emit(old.reading(99.0))
    assert list(flow.state.series()) == []
    assert 99.0 not in [item.value for reading in flow.readings for item in reading.observations]


async def test_two_instances_of_one_name(flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    await flow.scheduler.replace([Testing("a"), Testing("a", identity="other")])
    assert [record.message for record in caplog.records] == ["two instances of one name, the second left out"]
    assert len(flow.scheduler.runs) == 1


@pytest.mark.parametrize("act", [hang, hang_on], ids=["hangs", "swallows its cancellation"])
async def test_stop_is_quick_whatever_hangs(
    flow: Flow, act: Callable[[], Awaitable[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once(monkeypatch)
    collectors = [Testing(str(number), act, deadline=30) for number in range(20)]
    await flow.scheduler.replace(collectors)
    await asyncio.sleep(0.1)
    begin = time.monotonic()
    await flow.scheduler.stop()
    assert time.monotonic() - begin < 1.5
    assert all(collector.stopped == 1 for collector in collectors)


class Stubborn(Testing):
    """Neither starts nor stops."""

    async def start(self, emit: object) -> None:  # noqa: ARG002
        await hang_on()

    async def stop(self) -> None:
        await hang_on()


async def test_an_instance_that_neither_starts_nor_stops(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    stubborn, good = Stubborn("bad", deadline=0.1), Testing("good")
    await flow.scheduler.replace([stubborn, good])
    await asyncio.sleep(0.5)
    assert len(good.begun) > 5
    begin = time.monotonic()
    await flow.scheduler.stop()
    assert time.monotonic() - begin < 1.5


async def test_after_a_suspend_what_is_due_runs_at_once(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once(monkeypatch)
    minutely, daily = Testing("minutely", interval=60), Testing("daily", interval=86400)
    await flow.scheduler.replace([minutely, daily])
    await asyncio.sleep(0.05)
    assert (len(minutely.begun), len(daily.begun)) == (1, 1)
    flow.clock.asleep = 3600
    flow.scheduler.resume()
    await asyncio.sleep(0.05)
    assert (len(minutely.begun), len(daily.begun)) == (2, 1)


# ── spread ───────────────────────────────────────────────────────────────────────────────────────────────────────


def phases(seed: str, collector: Collector) -> float:
    return Scheduler(SystemClock(), lambda *_: None, lambda _: None, seed).phase(collector)


def test_a_province_is_spread_over_the_interval() -> None:
    portal = Testing("dichvucong.gov.vn", interval=120)
    seeds = [f"lam-dong/{24700 + commune:05d}/main/counter-1" for commune in range(124)]
    tenths = collections.Counter(int(phases(seed, portal) * 10) for seed in seeds)
    # 12.4 expected in each; the chance that a uniform spread leaves these bounds is below one in a thousand.
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) <= 27
    seconds = collections.Counter(int(phases(seed, portal) * 120) for seed in seeds)
    assert max(seconds.values()) <= 6


def test_the_spread_is_the_same_at_every_start() -> None:
    collector = Testing("portal", interval=120)
    assert phases("a/b/c/d", collector) == phases("a/b/c/d", Testing("portal", interval=120))
    assert phases("a/b/c/d", collector) != phases("a/b/c/e", collector)


@pytest.mark.parametrize("interval", [15.0, 30.0, 120.0, 28800.0])
@pytest.mark.parametrize("true", [0.0, 7.3, 1_790_000_000.123])
def test_runs_keep_to_the_grid_of_true_time(interval: float, true: float) -> None:
    class Fixed(SystemClock):
        def true(self) -> float:
            return true

    scheduler = Scheduler(Fixed(), lambda *_: None, lambda _: None)
    for phase in (0.0, 0.25, 0.999):
        wait = scheduler._next(0.0, interval, phase, 1000.0) - 1000.0
        assert interval / 2 <= wait <= interval * 1.5
        assert ((true + wait) / interval - phase) % 1.0 == pytest.approx(0.0, abs=1e-6) or (
            (true + wait) / interval - phase
        ) % 1.0 > 0.999


async def test_first_runs_come_within_seconds(flow: Flow) -> None:
    collectors = [Testing(str(number), interval=3600) for number in range(30)]
    await flow.scheduler.replace(collectors)
    await asyncio.sleep(FIRST_RUNS_WITHIN + 0.2)
    begun = [collector.begun for collector in collectors]
    assert all(len(runs) == 1 for runs in begun)
    moments = sorted(runs[0] for runs in begun)
    assert moments[-1] - moments[0] > FIRST_RUNS_WITHIN / 2


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_once_runs_each_once_and_releases_it(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.scheduler.ONCE_WITHIN", 0.2)
    collectors = [Testing("good"), Testing("bad", fail), Testing("slow", hang), Testing("worse", hang_on)]
    begin = time.monotonic()
    await flow.scheduler.once(collectors)
    assert time.monotonic() - begin < 2
    assert {target: run.reason for (_, target), run in flow.scheduler.runs.items()} == {
        "good": None,
        "bad": Reason.INTERNAL,
        "slow": Reason.DEADLINE,
        "worse": Reason.DEADLINE,
    }
    assert [len(collector.begun) for collector in collectors] == [1, 1, 1, 1]
    assert [collector.stopped for collector in collectors] == [1, 1, 1, 1]
