"""The latest changes of state, kept for the diagnosis: "since 08:12, third time today"."""

from __future__ import annotations

from collections import deque
from typing import Any

from agent.state import Update
from collectors.machine import Clock
from collectors.model import Histogram, MetricType

KEPT = 400
"""Changes kept in memory; a flapping line pushes out the oldest."""


class Changes:
    """A sink that notes when a gauge of state (up, success, on battery, …) takes another value."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[tuple[str, tuple[str, ...]], float] = {}
        self._rows: deque[dict[str, Any]] = deque(maxlen=KEPT)

    def take(self, update: Update) -> None:
        """Note what changed."""
        for series in update.present:
            metric = series.metric
            if not metric.urgent or metric.type is not MetricType.GAUGE or isinstance(series.value, Histogram):
                continue
            if metric.name.endswith("_seconds"):  # the heartbeat changes by its nature
                continue
            key = (metric.name, series.labels)
            if self._values.get(key) != series.value:
                self._values[key] = series.value
                labels = dict(zip(metric.labels, series.labels, strict=True))
                row = {"metric": metric.name, "labels": labels, "value": series.value}
                self._rows.append({**row, "time": self._clock.true_at(series.taken)})

    def rows(self) -> list[dict[str, Any]]:
        """Every change kept, oldest first: metric, labels, value, time (seconds since 1970)."""
        return list(self._rows)
