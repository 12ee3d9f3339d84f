"""What is remembered: validity, withdrawal, accumulation, persistence over restarts and damage, disputes."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.state import State
from collectors.model import Histogram, Metric, MetricType, Observations, Reading, Reason, counter, gauge

TEMPERATURE = gauge("t_celsius", "t", "sensor")
UP = gauge("t_up", "t", "target", urgent=True)
TRAPS = counter("t_traps_total", "t", "trap", urgent=True)
STATE_SECONDS = counter("t_state_seconds_total", "t", "state", persisted=True)
ROUND_TRIP = Metric("t_rtt_seconds", MetricType.HISTOGRAM, "t", ("target",), (0.1, 1.0))


def reading(taken: float, *values: tuple[Metric, float | Histogram, str], target: str = "a", add: bool = False) -> Reading:
    found = Observations()
    for metric, value, label in values:
        if add and not isinstance(value, Histogram):
            found.add(metric, value, label)
        else:
            found.set(metric, value, label)
    return Reading("test", target, taken, found.items)


def shown(state: State) -> dict[tuple[str, ...], Any]:
    return {(series.metric.name, *series.labels): series.value for series in state.series()}


def test_a_reading_replaces_the_last_and_withdraws_what_it_no_longer_holds() -> None:
    state = State()
    state.apply(reading(0, (TEMPERATURE, 20.0, "cpu"), (TEMPERATURE, 30.0, "disk")), 25)
    update = state.apply(reading(10, (TEMPERATURE, 21.0, "cpu")), 25)
    assert shown(state) == {("t_celsius", "cpu"): 21.0}
    assert [series.labels for series in update.vanished] == [("disk",)]
    assert [series.labels for series in update.present] == [("cpu",)]


def test_a_failed_measurement_withdraws_its_values_at_once() -> None:
    state = State()
    state.apply(reading(0, (TEMPERATURE, 20.0, "cpu")), 25)
    update = state.apply(Reading("test", "a", 10, (), Reason.DEADLINE, "no answer"), 25)
    assert shown(state) == {}
    assert len(update.vanished) == 1


def test_values_expire_after_their_validity_and_not_before() -> None:
    state = State()
    state.apply(reading(100, (TEMPERATURE, 20.0, "cpu")), 25)
    assert state.expire(124.9) == []
    assert len(shown(state)) == 1
    (update,) = state.expire(125.1)
    assert (update.present, [series.labels for series in update.vanished]) == ((), [("cpu",)])
    assert shown(state) == {}
    assert state.expire(200) == []


def test_increments_add_up_also_over_a_time_of_absence() -> None:
    state = State()
    state.apply(reading(0, (TRAPS, 1, "linkDown"), add=True), 25)
    state.expire(100)
    assert shown(state) == {}
    state.apply(reading(110, (TRAPS, 2, "linkDown"), add=True), 25)
    assert shown(state) == {("t_traps_total", "linkDown"): 3}


@pytest.mark.parametrize(
    ("first", "second", "urgent"),
    [
        (reading(0, (UP, 1.0, "a")), reading(1, (UP, 1.0, "a")), False),
        (reading(0, (UP, 1.0, "a")), reading(1, (UP, 0.0, "a")), True),
        (reading(0, (UP, 1.0, "a")), reading(1), True),
        (reading(0), reading(1, (UP, 0.0, "a")), True),
        (reading(0, (TEMPERATURE, 1.0, "a")), reading(1, (TEMPERATURE, 2.0, "a")), False),
        (reading(0), reading(1, (TRAPS, 1, "a"), add=True), True),
        (reading(0, (TRAPS, 1, "a"), add=True), reading(1, (TRAPS, 0, "a"), add=True), False),
        (reading(0, (TRAPS, 1, "a"), add=True), reading(1, (TRAPS, 1, "a"), add=True), True),
    ],
    ids=["same", "changed", "vanished", "appeared", "not urgent", "first trap", "no trap", "next trap"],
)
def test_what_must_not_wait(first: Reading, second: Reading, urgent: bool) -> None:  # noqa: FBT001
    state = State()
    state.apply(first, 25)
    assert state.apply(second, 25).urgent is urgent


def test_one_series_has_one_owner(caplog: pytest.LogCaptureFixture) -> None:
    state = State()
    state.apply(reading(0, (TEMPERATURE, 20.0, "cpu")), 25)
    for second in range(3):
        state.apply(reading(second, (TEMPERATURE, 99.0, "cpu"), target="b"), 25)
    assert shown(state) == {("t_celsius", "cpu"): 20.0}
    assert [record.message for record in caplog.records] == ["series measured twice"]
    state.remove(("test", "a"))
    state.apply(reading(5, (TEMPERATURE, 99.0, "cpu"), target="b"), 25)
    assert shown(state) == {("t_celsius", "cpu"): 99.0}


def test_removal_withdraws_and_lets_go() -> None:
    state = State()
    assert state.remove(("test", "a")) is None
    state.apply(reading(0, (TRAPS, 5, "x"), add=True), 25)
    update = state.remove(("test", "a"))
    assert update is not None
    assert [series.value for series in update.vanished] == [5]
    state.apply(reading(1, (TRAPS, 1, "x"), target="b", add=True), 25)
    assert shown(state) == {("t_traps_total", "x"): 1}


def test_mistakes_of_a_collector_are_refused() -> None:
    state = State()
    wrong = Observations()
    wrong.set(TEMPERATURE, 1.0, "a", "b")
    with pytest.raises(ValueError, match="observed with"):
        state.apply(Reading("test", "a", 0, wrong.items), 25)
    state.apply(reading(0, (ROUND_TRIP, Histogram((1, 0, 0), 0.05), "a"), target="b"), 25)
    added = Observations()
    added.add(ROUND_TRIP, 1.0, "a")
    with pytest.raises(TypeError, match="histogram"):
        state.apply(Reading("test", "b", 1, added.items), 25)


# ── persisted counters ───────────────────────────────────────────────────────────────────────────────────────────


def test_counters_go_on_after_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "counters.json"
    state = State(file)
    for second in range(10):
        state.apply(reading(second, (STATE_SECONDS, 1.5, "up"), (STATE_SECONDS, 0, "down"), add=True), 25)
    state.save()
    assert shown(state)[("t_state_seconds_total", "up")] == 15.0
    again = State(file)
    again.apply(reading(0, (STATE_SECONDS, 1.0, "up"), add=True), 25)
    again.save()
    assert shown(again) == {("t_state_seconds_total", "up"): 16.0}
    assert json.loads(file.read_text())[0] == ["t_state_seconds_total", ["down"], 0.0]


def test_what_was_exposed_never_comes_back_lower(tmp_path: Path) -> None:
    file = tmp_path / "counters.json"
    state = State(file, expose_saved=True)
    scraped = []
    for second in range(20):
        state.apply(reading(second, (STATE_SECONDS, 1.0, "up"), add=True), 25)
        if second % 5 == 4:
            state.save()
        scraped.append(shown(state)[("t_state_seconds_total", "up")])
        after_power_cut = State(file, expose_saved=True)
        after_power_cut.apply(reading(0, (STATE_SECONDS, 0.0, "up"), add=True), 25)
        assert shown(after_power_cut)[("t_state_seconds_total", "up")] == scraped[-1]
    assert scraped == sorted(scraped)
    assert scraped[-1] == 20.0


def test_a_disk_that_cannot_be_written_costs_the_memory_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    file = tmp_path / "gone" / "counters.json"
    state = State(file, expose_saved=True)
    for second in range(3):
        state.apply(reading(second, (STATE_SECONDS, 1.0, "up"), add=True), 25)
        state.save()
    assert shown(state) == {("t_state_seconds_total", "up"): 3.0}
    file.parent.mkdir()
    state.apply(reading(3, (STATE_SECONDS, 1.0, "up"), add=True), 25)
    state.save()
    assert [record.message for record in caplog.records] == ["counters not saved", "counters saved again"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[1]", b'[["a", [], "x"]]', b'[["a", [], NaN]]', b'[["a", [], -1]]', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "null", "number", "text", "nan", "negative", "binary", "deep"],
)
def test_a_damaged_file_is_kept_aside(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "counters.json"
    file.write_bytes(content)
    state = State(file, expose_saved=True)
    state.apply(reading(0, (STATE_SECONDS, 1.0, "up"), add=True), 25)
    state.save()
    assert shown(state) == {("t_state_seconds_total", "up"): 1.0}
    assert (tmp_path / "counters.damaged").read_bytes() == content
    assert caplog.records[0].message == "counters unreadable, counting from zero"


def test_reading_only_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "counters.json"
    file.write_text('[["t_state_seconds_total", ["up"], 40]]')
    state = State(file, read_only=True)
    state.apply(reading(0, (STATE_SECONDS, 2.0, "up"), add=True), 25)
    state.save()
    assert shown(state) == {("t_state_seconds_total", "up"): 42.0}
    assert file.read_text() == '[["t_state_seconds_total", ["up"], 40]]'


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from("ab"), st.floats(0, 1e6)),
        st.tuples(st.just("fail"), st.sampled_from("ab"), st.just(0.0)),
        st.tuples(st.just("expire"), st.just(""), st.just(0.0)),
        st.tuples(st.just("restart"), st.just(""), st.just(0.0)),
        st.tuples(st.just("crash"), st.just(""), st.just(0.0)),
        st.tuples(st.just("save"), st.just(""), st.just(0.0)),
    ),
    max_size=30,
)


@given(STEPS)
def test_persisted_counters_never_fall(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, float]]) -> None:
    file = tmp_path_factory.mktemp("state") / "counters.json"
    state, clock = State(file, expose_saved=True), 0.0
    total: dict[str, float] = {}
    highest: dict[str, float] = {}
    for what, target, value in steps:
        clock += 10
        if what == "add":
            state.apply(reading(clock, (STATE_SECONDS, value, target), target=target, add=True), 25)
            total[target] = total.get(target, 0.0) + value
        elif what == "fail":
            state.apply(Reading("test", target, clock, (), Reason.INTERNAL), 25)
        elif what == "expire":
            clock += 100
            state.expire(clock)
        elif what == "save":
            state.save()
        else:
            if what == "restart":
                state.save()
            state = State(file, expose_saved=True)
            total = {target: value for (_, (target,)), value in state._persisted.items()}
        for (_, label), exposed in shown(state).items():
            assert exposed >= highest.get(label, 0.0)
            assert exposed <= total[label] or math.isclose(exposed, total[label])
            highest[label] = exposed
