"""What the agent remembers between readings: the valid series, accumulated counters and the few persisted ones.

A reading replaces all that its instance said before: series that it no longer holds are withdrawn at once, and all of
them when it expires. Nothing else in the agent keeps measured values.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collectors.model import Histogram, Metric, Observation, Reading

log = logging.getLogger(__name__)
SeriesKey = tuple[str, tuple[str, ...]]
InstanceKey = tuple[str, str]


class Series:
    """One exposed series and its present value.

    Attributes:
        taken: when the value was measured (seconds of `Clock.monotonic`).
        created: when a counter or histogram began to count, on the same scale; None where the source did not say.
        text: room for the exposition to keep the rendered name and labels.
    """

    __slots__ = ("created", "labels", "metric", "taken", "text", "value")

    def __init__(self, metric: Metric, labels: tuple[str, ...], created: float | None) -> None:
        self.metric = metric
        self.labels = labels
        self.created = created
        self.value: float | Histogram = 0.0
        self.taken = 0.0
        self.text: str | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """What a reading changed, for the sinks.

    Attributes:
        present: every series of the instance, with its value of this reading.
        vanished: series that were there before and are not any more (for staleness markers).
        urgent: a value that must not wait for the next batch changed.
    """

    reading: Reading
    present: tuple[Series, ...]
    vanished: tuple[Series, ...]
    urgent: bool


class Sink(Protocol):
    """A way out. It must take an update at once: the schedule does not wait for it."""

    def take(self, update: Update) -> None:
        """Keep an update; durable before returning where the sink promises that."""


class _Instance:
    __slots__ = ("expires", "reading", "series", "totals")

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.expires = 0.0
        self.series: dict[SeriesKey, Series] = {}
        self.totals: dict[SeriesKey, Series] = {}


class State:
    """All valid series, by the instance that measured them.

    Args:
        counters_file: where the persisted counters are kept, None to keep them in memory.
        read_only: begin with what the file holds, and leave it as it is.
        expose_saved: expose a persisted counter as it is on disk: a value that was scraped and then lost in a power cut
            would come back lower, and Prometheus would take that for a reset and count all of it again.
    """

    def __init__(self, counters_file: Path | None = None, *, read_only: bool = False, expose_saved: bool = False) -> None:
        self._instances: dict[InstanceKey, _Instance] = {}
        self._owners: dict[SeriesKey, InstanceKey] = {}
        self._disputed: set[SeriesKey] = set()
        self._persisted: dict[SeriesKey, float] = _load(counters_file, keep_damaged=not read_only)
        self._file = None if read_only else counters_file
        self._durable = dict(self._persisted) if expose_saved and self._file is not None else self._persisted
        self._changed = False
        self._writable = True

    def apply(self, reading: Reading, valid_for: float) -> Update:
        """Take over a reading that stays valid for `valid_for` seconds from when it was taken."""
        key = (reading.kind, reading.target)
        instance = self._instances.setdefault(key, _Instance())
        before, now = instance.series, {}
        urgent = False
        for observation in reading.observations:
            metric, labels, value, add = observation
            series_key = (metric.name, labels)
            if self._owners.setdefault(series_key, key) != key:
                self._dispute(series_key, key)
                continue
            series = before.get(series_key) or instance.totals.get(series_key)
            if series is None:
                series = self._open(observation, reading.taken)
                if add:
                    instance.totals[series_key] = series
            if metric.urgent and (series_key not in before or (value if add else series.value != value)):
                urgent = True
            series.value = self._sum(series, series_key, value) if add else value
            series.taken = reading.taken
            now[series_key] = series
        vanished = tuple(self._withdraw(series_key, before[series_key], instance) for series_key in before.keys() - now.keys())
        instance.reading, instance.series, instance.expires = reading, now, reading.taken + valid_for
        return Update(reading, tuple(now.values()), vanished, urgent or any(series.metric.urgent for series in vanished))

    def _open(self, observation: Observation, taken: float) -> Series:
        metric, labels, _, add = observation
        if len(labels) != len(metric.labels):
            message = f"{metric.name} has the labels {metric.labels}, observed with {labels}"
            raise ValueError(message)
        return Series(metric, labels, taken if add and not metric.persisted else None)

    def _sum(self, series: Series, key: SeriesKey, value: float | Histogram) -> float:
        if isinstance(value, Histogram) or isinstance(series.value, Histogram):
            message = f"{series.metric.name}: a histogram cannot be added to"
            raise TypeError(message)
        if not series.metric.persisted:
            return series.value + value
        self._persisted[key] = self._persisted.get(key, 0.0) + value
        self._changed = self._changed or bool(value)
        return self._durable.get(key, 0.0)

    def _withdraw(self, key: SeriesKey, series: Series, instance: _Instance) -> Series:
        if key not in instance.totals:
            del self._owners[key]
        return series

    def _dispute(self, series_key: SeriesKey, key: InstanceKey) -> None:
        if series_key not in self._disputed:
            self._disputed.add(series_key)
            owner = "/".join(self._owners[series_key])
            log.warning("series measured twice", extra={"series": series_key[0], "kept": owner, "dropped": "/".join(key)})

    def expire(self, now: float) -> list[Update]:
        """Withdraw what is no longer valid at `now` (seconds of `Clock.monotonic`)."""
        return [
            self._clear(instance, instance.reading)
            for instance in self._instances.values()
            if instance.series and instance.expires < now and instance.reading is not None
        ]

    def remove(self, key: InstanceKey) -> Update | None:
        """Forget an instance (its target is no longer configured)."""
        instance = self._instances.pop(key, None)
        if instance is None:
            return None
        update = None if instance.reading is None else self._clear(instance, instance.reading)
        self._owners = {series_key: owner for series_key, owner in self._owners.items() if owner != key}
        self._disputed &= self._owners.keys()
        return update

    def _clear(self, instance: _Instance, reading: Reading) -> Update:
        vanished = tuple(self._withdraw(key, series, instance) for key, series in instance.series.items())
        instance.series = {}
        return Update(reading, (), vanished, any(series.metric.urgent for series in vanished))

    def series(self) -> Iterator[Series]:
        """Every valid series."""
        for instance in self._instances.values():
            yield from instance.series.values()

    def readings(self) -> Iterable[Reading]:
        """The last reading of every instance."""
        return [instance.reading for instance in self._instances.values() if instance.reading is not None]

    def save(self) -> None:
        """Write the persisted counters if they changed, and expose them as written; blocks on the disk."""
        pending = self.pending()
        if pending is not None:
            self.commit(pending, self.write(pending))

    def detach(self) -> None:
        """Leave the file to another agent and count in memory from here."""
        self._file = None
        self._durable = self._persisted

    def pending(self) -> dict[SeriesKey, float] | None:
        """The persisted counters if they changed since they were last written."""
        return dict(self._persisted) if self._changed and self._file is not None else None

    def write(self, totals: dict[SeriesKey, float]) -> OSError | None:
        """Write counters so that after a power cut the file holds either the old or the new ones; may run in a thread."""
        if self._file is None:
            return None
        rows = [[name, list(labels), value] for (name, labels), value in sorted(totals.items())]
        temporary = self._file.with_suffix(".new")
        try:
            with temporary.open("w", encoding="utf-8") as handle:
                json.dump(rows, handle)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(self._file)
            _sync_folder(self._file.parent)
        except OSError as error:
            return error
        return None

    def commit(self, totals: dict[SeriesKey, float], error: OSError | None) -> None:
        """Expose what was written; a disk that cannot be written costs the counters' memory, not their value."""
        if error is not None and self._writable:
            log.warning("counters not saved", extra={"file": str(self._file), "error": error.strerror or str(error)})
        elif error is None and not self._writable:
            log.info("counters saved again", extra={"file": str(self._file)})
        self._writable = error is None
        self._changed = totals != self._persisted
        if self._durable is self._persisted:
            return
        self._durable = totals
        for instance in self._instances.values():
            for key, series in instance.totals.items():
                if series.metric.persisted:
                    series.value = totals.get(key, 0.0)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system lets a folder be opened (Linux)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load(file: Path | None, *, keep_damaged: bool) -> dict[SeriesKey, float]:
    if file is None:
        return {}
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        totals = {(str(name), tuple(map(str, labels))): float(value) for name, labels, value in rows}
        return _counted(totals)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, RecursionError) as error:
        aside = file.with_suffix(".damaged")
        log.warning(
            "counters unreadable, counting from zero", extra={"file": str(file), "kept_as": str(aside), "error": str(error)}
        )
        with contextlib.suppress(OSError):
            if keep_damaged:
                file.replace(aside)
        return {}


def _counted(totals: dict[SeriesKey, float]) -> dict[SeriesKey, float]:
    for (name, _), value in totals.items():
        if not (math.isfinite(value) and value >= 0):
            message = f"{name} is {value}, which no counter can be"
            raise ValueError(message)
    return totals
