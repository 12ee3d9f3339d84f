"""From readings to samples worth sending: how often, under which name, and what must not wait.

The state gets every reading; the province gets one sample per series every 45 s, changes of urgent series at once, the
heartbeat every 20 s, slow values repeated while they are valid, and a staleness marker when a series vanishes. What
goes out is durable in the spool first. Figures behind the two numbers: docs/adr/042-thin-line.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent import exposition, selfmon
from agent.clock import TrueClock
from agent.forward.packing import STALE
from agent.forward.samples import Description, Row
from agent.forward.spool import Spool
from agent.settings import Core
from agent.state import Series, SeriesKey, Update
from collectors.model import Histogram, Metric, MetricType

RESOLUTION = 45.0
"""Seconds between samples of a series that can wait."""
REPEAT = 120.0
"""A value that is valid for longer is repeated this often (Prometheus looks back five minutes)."""
FRESH_ENOUGH = 30.0
EARLY = 0.85
ROW = 4000
WAITS, URGENT, HEARTBEAT = 0, 1, 2
_JUST_AFTER = 0.001


def external_labels(core: Core) -> dict[str, str]:
    """What every pushed sample carries beside its own labels; empty ones are left out."""
    site = core.site
    labels = {
        "job": "commune-agent",
        "instance": site.instance,
        "province": site.province,
        "commune": site.commune,
        "site": site.site,
        **core.labels,
    }
    return {name: value for name, value in labels.items() if value}


def describe(name: str, labels: Mapping[str, str], external: Mapping[str, str], **metadata: str) -> Description:
    """A series for the receiver: its own labels win over the external ones, empty ones do not exist.

    A name that is no UTF-8 (a mount point, say) is told with question marks: neither the spool nor protobuf takes it as it is.
    Texts that hundreds of series have in common are kept once.
    """
    merged = {**external, **{label: value for label, value in labels.items() if value}, "__name__": name}
    return Description(
        tuple(sorted((label, sys.intern(value.encode(errors="replace").decode())) for label, value in merged.items())),
        **metadata,
    )


class _Outlet:
    """One series of the state on its way out: what it is called there, and what was sent last."""

    __slots__ = ("descriptions", "lane", "last", "series", "value")

    def __init__(self, series: Series, external: Mapping[str, str]) -> None:
        self.series = series
        self.descriptions = _describe(series.metric, series.labels, series.value, external)
        self.lane = HEARTBEAT if series.metric is selfmon.HEARTBEAT else URGENT if series.metric.urgent else WAITS
        self.last = float("-inf")
        self.value: float | Histogram | None = None

    def samples(self) -> list[tuple[Description, float]]:
        series = self.series
        values = (value for _, _, value in exposition.samples(series.metric, series.labels, series.value))
        return list(zip(self.descriptions, values, strict=True))


class Intake:
    """The sink that fills the spool.

    Args:
        wake: told when something urgent was taken: its lane.
    """

    def __init__(self, spool: Spool, clock: TrueClock, boot: str, core: Core, wake: Callable[[int], None]) -> None:
        self._spool = spool
        self._clock = clock
        self._boot = boot
        self._wake = wake
        self._outlets: dict[SeriesKey, _Outlet] = {}
        self.configure(core)

    def configure(self, core: Core) -> None:
        """Take over labels and pace of a new configuration; series whose labels changed go on under the new ones."""
        before = getattr(self, "external", None)
        self.external = external_labels(core)
        write = core.remote_write
        self._resolution = RESOLUTION if write is None else min(RESOLUTION, write.interval)
        self._repeat = REPEAT if write is None else min(REPEAT, max(write.interval, 2 * self._resolution))
        if before not in (None, self.external):
            self._vanish([outlet.series for outlet in self._outlets.values()])

    def take(self, update: Update) -> None:
        """The sink's side: keep what is due of a reading."""
        due = [outlet for outlet in map(self._outlet, update.present) if self._is_due(outlet, update.reading.taken)]
        moment = max([update.reading.taken, *(outlet.last + _JUST_AFTER for outlet in due)])
        lanes: dict[int, list[tuple[Description, float]]] = {}
        changed = any(series.metric.urgent for series in update.vanished)
        for outlet in due:
            changed = changed or (outlet.lane == URGENT and outlet.value is not None and outlet.value != outlet.series.value)
            outlet.last, outlet.value = moment, outlet.series.value
            lanes.setdefault(outlet.lane, []).extend(outlet.samples())
        for lane, values in lanes.items():
            self.put(lane, moment, values)
        self._vanish(update.vanished)
        if changed or HEARTBEAT in lanes:
            self._wake(URGENT if changed else HEARTBEAT)

    def _outlet(self, series: Series) -> _Outlet:
        key = (series.metric.name, series.labels)
        outlet = self._outlets.get(key)
        if outlet is None or outlet.series is not series:
            outlet = self._outlets[key] = _Outlet(series, self.external)
        return outlet

    def _is_due(self, outlet: _Outlet, taken: float) -> bool:
        if outlet.lane != WAITS and outlet.value != outlet.series.value:
            return True
        return taken - outlet.last >= self._resolution * EARLY

    def _vanish(self, vanished: Sequence[Series]) -> None:
        now = self._clock.monotonic()
        lanes: dict[int, list[tuple[Description, float]]] = {}
        for series in vanished:
            outlet = self._outlets.pop((series.metric.name, series.labels), None)
            if outlet is not None:
                now = max(now, outlet.last + _JUST_AFTER)
                lanes.setdefault(outlet.lane, []).extend((description, STALE) for description in outlet.descriptions)
        for lane, values in lanes.items():
            self.put(lane, now, values)

    def put(self, lane: int, moment: float, values: Sequence[tuple[Description, float]]) -> None:
        """Write values of one moment (seconds of `Clock.monotonic`) to the spool."""
        base = self._clock.base
        first = round((moment if base is None else moment + base) * 1000)
        boot = self._boot if base is None else None
        self._spool.append(Row(lane, boot, first, values[begin : begin + ROW]) for begin in range(0, len(values), ROW))

    def repeat(self, older_than: float | None = None) -> None:
        """Send valid values again whose last sample is older than `older_than` seconds (default: as they must be)."""
        age = self._repeat if older_than is None else older_than
        now = self._clock.monotonic()
        moments: dict[tuple[int, float], list[tuple[Description, float]]] = {}
        for outlet in self._outlets.values():
            if outlet.lane == HEARTBEAT or now - outlet.last < age:
                continue
            taken = outlet.series.taken
            moment = taken if taken > outlet.last + _JUST_AFTER and now - taken < FRESH_ENOUGH else now
            outlet.last, outlet.value = moment, outlet.series.value
            moments.setdefault((outlet.lane, moment), []).extend(outlet.samples())
        for (lane, moment), values in moments.items():
            self.put(lane, moment, values)

    def end(self) -> None:
        """A clean stop: every value once more, and then the marker that says it ends here."""
        now = self._clock.monotonic()
        for lane in (WAITS, URGENT, HEARTBEAT):
            outlets = [outlet for outlet in self._outlets.values() if outlet.lane == lane]
            if outlets:
                now = max(now, *(outlet.last + _JUST_AFTER for outlet in outlets), now)
                self.put(lane, now, [sample for outlet in outlets for sample in outlet.samples()])
                stale = [(description, STALE) for outlet in outlets for description in outlet.descriptions]
                self.put(lane, now + _JUST_AFTER, stale)
        self._outlets.clear()

    def created(self) -> dict[Description, int]:
        """When the present counters began to count, in milliseconds since 1970, where their source said so."""
        found = {}
        for outlet in self._outlets.values():
            if outlet.series.created is not None:
                moment = round(self._clock.true_at(outlet.series.created) * 1000)
                found.update(dict.fromkeys(outlet.descriptions, moment))
        return found


def _describe(
    metric: Metric, labels: tuple[str, ...], value: float | Histogram, external: Mapping[str, str]
) -> list[Description]:
    metadata: dict[str, Any] = {"type": metric.type.value, "family": metric.name, "help": metric.help, "unit": metric.unit}
    names = metric.labels if metric.type is not MetricType.HISTOGRAM else (*metric.labels, "le")
    return [
        describe(name, dict(zip(names, own, strict=False)), external, **metadata)
        for name, own, _ in exposition.samples(metric, labels, value)
    ]
