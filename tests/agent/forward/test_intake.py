"""What is worth sending: pace, lanes, labels, markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from agent import selfmon
from agent.clock import TrueClock
from agent.forward.intake import HEARTBEAT, URGENT, WAITS, Intake, describe, external_labels
from agent.forward.packing import is_stale
from agent.forward.samples import Description, Row
from agent.forward.spool import Spool
from agent.settings import Core
from agent.state import State
from collectors.model import Histogram, Observation, Reading
from collectors.site import Site
from tests.agent.site import RTT, UP, VALUE, Hands


class Rows(Spool):
    """Takes rows and keeps them in view."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def append(self, rows: Iterable[Row]) -> None:
        self.rows += rows


class Stand:
    """State and intake on a clock that is set by hand."""

    def __init__(self, *, known: bool = True) -> None:
        self.hands = Hands(1_700_000_000.0)
        clock = TrueClock(self.hands)
        if known:
            clock.set_base(self.hands.true() - self.hands.monotonic(), "ntp")
        self.spool = Rows()
        self.woken: list[int] = []
        self.intake = Intake(self.spool, clock, "boot-1", Core(site=Site(commune="24781")), self.woken.append)
        self.state = State()

    def read(self, *observations: Observation) -> list[tuple[int, str, float]]:
        self.spool.rows.clear()
        self.woken.clear()
        self.intake.take(self.state.apply(Reading("test", "", self.hands.monotonic(), observations), 150.0))
        return self.sent()

    def sent(self) -> list[tuple[int, str, float]]:
        return [(row.lane, dict(d.labels)["__name__"], value) for row in self.spool.rows for d, value in row.values]


def up(value: float) -> Observation:
    return Observation(UP, ("a",), value)


@pytest.mark.parametrize(("interval", "between"), [(15, 45.0), (20, 40.0), (30, 60.0), (60, 60.0)])
def test_what_can_wait_is_thinned_out(interval: int, between: float) -> None:
    stand = Stand()
    times = []
    for _ in range(40):
        if stand.read(Observation(VALUE, ("a",), 1.0)):
            times.append(stand.hands.passed)
        stand.hands.advance(interval)
    assert times[:7] == [between * n for n in range(7)]
    assert stand.woken == []


def test_changes_of_urgent_series_wake_and_come_alone() -> None:
    stand = Stand()
    stand.read(up(1.0), Observation(VALUE, ("a",), 1.0))
    stand.hands.advance(5)
    assert stand.read(up(1.0), Observation(VALUE, ("a",), 2.0)) == []
    stand.hands.advance(5)
    assert stand.read(up(0.0), Observation(VALUE, ("a",), 2.0)) == [(URGENT, "commune_test_up", 0.0)]
    assert stand.woken == [URGENT]


def test_the_heartbeat_has_a_lane_of_its_own() -> None:
    stand = Stand()
    for beat in (1.0, 2.0):
        stand.hands.advance(20)
        assert stand.read(Observation(selfmon.HEARTBEAT, (), beat)) == [(HEARTBEAT, selfmon.HEARTBEAT.name, beat)]
        assert stand.woken == [HEARTBEAT]


def test_a_withdrawn_histogram_ends_with_all_its_series() -> None:
    stand = Stand()
    first = stand.read(Observation(RTT, ("a",), Histogram((1, 2, 3), 0.5)))
    assert sorted(name for _, name, _ in first) == [f"{RTT.name}_bucket"] * 3 + [f"{RTT.name}_count", f"{RTT.name}_sum"]
    stand.hands.advance(1)
    last = stand.read()
    assert len(last) == 5
    assert all(lane == WAITS and is_stale(value) for lane, _, value in last)


@pytest.mark.parametrize("known", [True, False])
def test_times_are_true_or_the_boots_own(known: bool) -> None:  # noqa: FBT001
    stand = Stand(known=known)
    stand.read(up(1.0))
    (row,) = stand.spool.rows
    assert (row.boot, row.first) == ((None, 1_700_000_000_000) if known else ("boot-1", 1_000_000))


def test_no_series_gets_the_same_time_twice() -> None:
    stand = Stand()
    stand.read(up(1.0))
    before = stand.spool.rows[0].first
    stand.read(up(0.0))
    assert stand.spool.rows[0].first == before + 1


def test_a_stop_says_every_value_once_more_and_then_ends_it() -> None:
    stand = Stand()
    stand.read(up(1.0), Observation(VALUE, ("a",), 7.0))
    stand.hands.advance(3)
    stand.spool.rows.clear()
    stand.intake.end()
    values = [value for _, _, value in stand.sent()]
    assert [value for value in values if not is_stale(value)] == [7.0, 1.0]
    assert sum(map(is_stale, values)) == 2


def test_own_labels_win_and_empty_ones_do_not_exist() -> None:
    external = external_labels(Core(site=Site(province="lam-dong", instance="pc"), labels={"ring": "3", "none": ""}))
    assert external == {"job": "commune-agent", "instance": "pc", "province": "lam-dong", "site": "main", "ring": "3"}
    found: Sequence[tuple[str, str]] = describe("x", {"site": "own", "empty": ""}, external).labels
    assert found == tuple(sorted({**external, "site": "own", "__name__": "x"}.items()))


def test_new_labels_end_the_series_of_the_old_ones() -> None:
    stand = Stand()
    stand.read(up(1.0))
    stand.spool.rows.clear()
    stand.intake.configure(Core(site=Site(commune="24782")))
    ((old, value),) = stand.spool.rows[0].values
    assert dict(old.labels)["commune"] == "24781"
    assert is_stale(value)
    stand.hands.advance(1)
    stand.read(up(1.0))
    new: Description = stand.spool.rows[0].values[0][0]
    assert dict(new.labels)["commune"] == "24782"


def test_a_label_that_is_no_text_costs_nothing_else(tmp_path: Path) -> None:
    """A mount point of a stick from another system: its bytes are no UTF-8."""
    strange, plain = describe("m", {"mountpoint": "/media/\udcff"}, {}), describe("n", {}, {})
    spool = Spool(tmp_path, max_bytes=2**24, max_age=1e12)
    spool.append([Row(WAITS, None, 1000, [(plain, 1.0), (strange, 2.0)])])
    spool.flush().result()
    assert spool.taken == 1
    assert dict(strange.labels)["mountpoint"] == "/media/?"
    spool.close()
