"""A province end to end: the right alert, once, in time, and resolved.

`make test` lets two independent events happen at the same time; `make soak` (SOAK=1) all of `EVENTS`, one by one.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.province_bench import Bench, running
from tests.e2e.province_events import EVENTS, Event, happen
from tests.netlab import available
from tests.netlab.services import require

SAMPLE = ("the line cut by which the agent writes", "site dark, router seen from the hub before")
MISSING = available() or require("prometheus", "prometheus-alertmanager", "nginx", "snmpd", "snmptrap", "dnsmasq")

pytestmark = [pytest.mark.netlab, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(Path(tmp_path_factory.mktemp("province"))) as bench:
        yield bench


@pytest.mark.skipif(bool(os.environ.get("SOAK")), reason="`test_every_event` has these too")
def test_a_lost_line_and_a_dark_site_are_told_apart(bench: Bench) -> None:
    results = happen(bench, [event for event in EVENTS if event.name in SAMPLE], stay=0)
    assert len(results) == len(SAMPLE)
    assert {result.event.name: result.wrong for result in results if result.wrong} == {}


@pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes three quarters of an hour: SOAK=1")
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_event(bench: Bench, event: Event) -> None:
    [result] = happen(bench, [event])
    assert result.wrong == []
