"""The Prometheus text format and OpenMetrics, written from the valid series.

Own code where a library exists: the library builds a dictionary per sample at every scrape (11 ms for 1,000 series),
while a series' name and labels never change, so that here they are rendered once (docs/adr/001-exposition.md). The
library's parsers judge the result in the tests.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator

from agent.state import Series
from collectors.model import Histogram, Metric, MetricType

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def number(value: float) -> str:
    """A value as both formats write it: shortest text that reads back as the same float."""
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def samples(metric: Metric, labels: tuple[str, ...], value: float | Histogram) -> Iterator[tuple[str, tuple[str, ...], float]]:
    """The samples of a series as (name, label values, value); a histogram's `le` is the last label of its buckets."""
    if not isinstance(value, Histogram):
        yield metric.name, labels, value
        return
    running = 0
    for bound, count in zip((*metric.buckets, math.inf), value.counts, strict=True):
        running += count
        yield f"{metric.name}_bucket", (*labels, number(bound)), running
    yield f"{metric.name}_count", labels, running
    yield f"{metric.name}_sum", labels, value.sum


def _pairs(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, values, strict=True))


def _lines(series: Series) -> str:
    value = series.value
    if isinstance(value, Histogram):
        names = series.metric.labels
        lines = []
        for name, labels, sample in samples(series.metric, series.labels, value):
            pairs = _pairs((*names, "le") if len(labels) > len(names) else names, labels)
            lines.append(f"{name}{{{pairs}}} {number(sample)}\n" if pairs else f"{name} {number(sample)}\n")
        return "".join(lines)
    if series.text is None:
        pairs = _pairs(series.metric.labels, series.labels)
        series.text = f"{series.metric.name}{{{pairs}}} " if pairs else f"{series.metric.name} "
    return f"{series.text}{number(value)}\n"


def _head(metric: Metric, *, openmetrics: bool) -> str:
    name, kind = metric.name, metric.type.value
    help_text = metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if not openmetrics:
        kind = "gauge" if metric.type is MetricType.INFO else kind
        return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n"
    name = name.removesuffix("_total").removesuffix("_info" if metric.type is MetricType.INFO else "_total")
    unit = f"# UNIT {name} {metric.unit}\n" if metric.unit else ""
    return f"# HELP {name} {help_text}\n# TYPE {name} {kind}\n{unit}"


def render(series: Iterable[Series], *, openmetrics: bool = False) -> bytes:
    """All series as one scrape, families together and in the order of their names, without timestamps."""
    families: dict[str, list[Series]] = {}
    for one in series:
        families.setdefault(one.metric.name, []).append(one)
    parts: list[str] = []
    for name in sorted(families):
        members = families[name]
        parts.append(_head(members[0].metric, openmetrics=openmetrics))
        parts += [_lines(one) for one in sorted(members, key=lambda one: one.labels)]
    if openmetrics:
        parts.append("# EOF\n")
    return "".join(parts).encode()


def prefers_openmetrics(accept: str) -> bool:
    """Does a request with this `Accept` header want OpenMetrics rather than the text format (RFC 9110, section 12.5.1)?"""
    best = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        if kind in best and re.fullmatch(r"[01](\.[0-9]{0,3})?", quality):
            best[kind] = max(best[kind], float(quality))
    openmetrics, text = best.values()
    return openmetrics > 0 and openmetrics >= text
