"""What every test shares: the pace of fuzzing, which tests are kept for `make soak`, and what a held-up machine excuses."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.calm import Span, Witness

# No test fails because a machine was slow: neither a single example nor the making of examples is timed.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests to `make soak`, which sets SOAK=1; `-m slow` asks for them alone."""
    if os.environ.get("SOAK") or config.getoption("-m"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=slow)
    items[:] = [item for item in items if item not in set(slow)]


WITNESS = pytest.StashKey[Witness]()
SPAN = pytest.StashKey[Span]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """One witness watches the machine as long as the tests run."""
    session.config.stash[WITNESS] = Witness()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The witness goes with the tests."""
    session.config.stash[WITNESS].close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """What holds the machine up counts from here."""
    item.stash[SPAN] = Span(item.config.stash[WITNESS])
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of time that failed, also when run again, while the machine was held up, has shown nothing: it is skipped."""
    report = yield
    last = getattr(item, "execution_count", 1) > (item.config.getoption("reruns", None) or 0)
    if report.when == "call" and report.failed and last and item.get_closest_marker("timing"):
        reason = item.stash[SPAN].excuse()
        if reason is not None:
            path, line, _ = item.location
            report.outcome, report.longrepr = "skipped", (path, (line or 0) + 1, f"Skipped: no test of time here: {reason}")
    return report
