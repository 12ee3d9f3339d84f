"""The diagnosis on real faults: a sample of the suite in `make test`, the whole in `make faultlab`.

With FAULTLAB=1 the whole suite runs here as well, each healthy site 20 times.
"""

import os

import pytest

from tests.e2e.faultlab import BEGIN, END, EVERY, HEALTHY, PAGE, Trial, run, score
from tests.netlab import available

SAMPLE = (
    "cable out",
    "wrong mask",
    "gateway dead",
    "resolver lying",
    "ISP dead beyond the gateway",
    "10 % loss",
    "portal 500",
    "certificate expired",
    "captured: disk full",
    "resolver lies about one portal of several",
    "plain HTTP led to a login page, the rest open",
    "beacons blocked, portals open",
)
SITES = ("healthy: single uplink", "healthy: two uplinks at the computer", "healthy: behind a proxy")
WHOLE = bool(os.environ.get("FAULTLAB"))


@pytest.fixture(scope="module")
def trials() -> dict[str, list[Trial]]:
    """One laboratory run for all that is asserted."""
    faults = [*EVERY, *HEALTHY * 20] if WHOLE else [fault for fault in (*EVERY, *HEALTHY) if fault.name in {*SAMPLE, *SITES}]
    found: dict[str, list[Trial]] = {}
    for trial in run(faults):
        found.setdefault(trial.fault.name, []).append(trial)
    return found


@pytest.mark.netlab
@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.parametrize("name", [fault.name for fault in EVERY] if WHOLE else SAMPLE)
def test_each_fault_gets_its_verdict(trials: dict[str, list[Trial]], name: str) -> None:
    for trial in trials[name]:
        assert trial.right, f"{trial.verdict} {trial.codes}\n{trial.document}"


@pytest.mark.netlab
@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.parametrize("name", [site.name for site in HEALTHY] if WHOLE else SITES)
def test_healthy_sites_are_silent(trials: dict[str, list[Trial]], name: str) -> None:
    for trial in trials[name]:
        assert trial.codes == [], trial.document
        assert trial.verdict is None


@pytest.mark.netlab
@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_the_score_counts_what_came_out(trials: dict[str, list[Trial]]) -> None:
    table = score([trial for group in trials.values() for trial in group])
    assert all(f"| {name} |" in table for name in trials)
    assert all(group[0].document["duration_seconds"] < 40 for group in trials.values())  # 20 on a machine of its own


def test_the_suite_is_what_the_contract_asks_for() -> None:
    names = [fault.name for fault in EVERY]
    assert len(names) == len(set(names))
    assert sum(fault.verdicts != (None,) for fault in EVERY) >= 30
    assert sum(" + " in name for name in names) >= 20
    assert {*SAMPLE, *SITES} <= {*names, *(site.name for site in HEALTHY)}


def test_the_page_holds_the_score() -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0]
    assert all(f"| {fault.name} |" in table for fault in (*EVERY, *HEALTHY))
