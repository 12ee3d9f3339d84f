"""What the agent remembers of changes of state."""

from agent.changes import KEPT, Changes
from agent.state import Series, Update
from collectors.model import Metric, Reading, counter, gauge
from tests.wifi_replay import Clock

UP = gauge("commune_link_up", "Up.", "link", urgent=True)
HEARTBEAT = gauge("commune_agent_heartbeat_timestamp_seconds", "When.", "link", urgent=True)
CALM = gauge("commune_ping_mos", "Score.", "link")
COUNTED = counter("commune_snmp_traps_total", "Traps.", "link", urgent=True)


def update(metric: Metric, value: float, taken: float) -> Update:
    series = Series(metric, ("internet",), None)
    series.value, series.taken = value, taken
    return Update(Reading("links", "internet", taken, ()), (series,), (), urgent=False)


def test_changes_are_kept_with_their_time_and_repetition_is_not() -> None:
    changes = Changes(Clock())
    for value, taken in ((1.0, 10.0), (1.0, 20.0), (0.0, 30.0), (0.0, 40.0), (1.0, 50.0)):
        changes.take(update(UP, value, taken))
    assert [(row["value"], row["time"]) for row in changes.rows()] == [(1.0, 10.0), (0.0, 30.0), (1.0, 50.0)]
    assert changes.rows()[0]["metric"] == "commune_link_up"
    assert changes.rows()[0]["labels"] == {"link": "internet"}


def test_what_is_no_state_is_not_kept() -> None:
    changes = Changes(Clock())
    for metric in (HEARTBEAT, CALM, COUNTED):
        changes.take(update(metric, 1.0, 10.0))
    assert changes.rows() == []


def test_a_flapping_line_does_not_grow_without_end() -> None:
    changes = Changes(Clock())
    for number in range(KEPT + 50):
        changes.take(update(UP, float(number % 2), float(number)))
    assert len(changes.rows()) == KEPT
    assert changes.rows()[-1]["time"] == KEPT + 49
