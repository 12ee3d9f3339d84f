"""What a series of probes says."""

import pytest

from agent.diagnose.graph import Outcome, Status
from agent.diagnose.series import judge_series, pooled
from collectors.probe.icmp_stream import Window
from tests.agent.diagnose.grounds import codes


def judged(sent: int, rtts: list[float]) -> Outcome:
    window = Window(sent, len(rtts), tuple(rtts))
    return judge_series(window, "internet", lossy="wan.lossy", slow="wan.slow", jittery="wan.jitter", facts={"carrier": "vnpt"})


def test_a_clean_series_passes_with_its_figures() -> None:
    outcome = judged(120, [0.020] * 120)
    assert (outcome.status, outcome.detail) == (Status.PASS, "0% loss, 20 ms ±0.0 ms")
    assert outcome.data["rtt_seconds"] == 0.02


@pytest.mark.parametrize(
    ("received", "found", "severity"),
    [(110, ["wan.lossy"], None), (115, ["wan.lossy"], "warning"), (119, [], None), (0, ["wan.lossy"], None)],
)
def test_loss_is_found_from_eight_percent_and_told_when_it_is_sure(received: int, found: list[str], severity: str | None) -> None:
    outcome = judged(120, [0.02] * received)
    assert codes(outcome) == found
    assert [suspect.severity for suspect in outcome.suspects] == [severity] * len(found)
    assert outcome.carries


def test_a_hundred_probes_are_needed() -> None:
    assert judged(99, []).status is Status.SKIP


def test_delay_and_jitter() -> None:
    assert codes(judged(120, [0.3] * 120)) == ["wan.slow"]
    assert codes(judged(120, [0.02, 0.08] * 60)) == ["wan.jitter"]
    # Probes that queue behind one another differ little from one to the next, and much over the whole.
    assert codes(judged(120, [0.02 + 0.001 * (number % 60) for number in range(120)])) == ["wan.jitter"]


def test_two_series_that_agree_are_one_and_two_that_differ_stay_apart() -> None:
    few, more, many = (Window(120, 120 - lost, (0.02,) * 100) for lost in (7, 12, 40))
    assert [(one.sent, one.received) for one in pooled([few, more])] == [(240, 221)] * 2
    assert pooled([few, many]) == [few, many]
    assert pooled([]) == []
