"""What every test shares: the pace of fuzzing, and which tests are kept for `make soak`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

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
