"""What other exporters say: samples out of the text format and OpenMetrics, as lenient as Prometheus reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One scraped sample and what its family says of it."""

    name: str
    labels: dict[str, str]
    value: float
    type: str
    family: str
    help: str
    unit: str
    created: float | None = None
    """When it began to count, in seconds since 1970, where the target says so (OpenMetrics)."""
    exemplar: tuple[dict[str, str], float, float | None] | None = None
    """A measurement behind the value: labels, value, seconds since 1970 where told (OpenMetrics)."""


def parse(text: str, content_type: str) -> Iterator[Sample]:
    """Samples of a scrape, in the format that the content type names.

    Raises:
        ValueError: not that format.
    """
    from prometheus_client import parser  # noqa: PLC0415  only where something is scraped

    exemplars: dict[str, ExemplarOf] = {}
    if content_type.startswith("application/openmetrics-text"):
        from prometheus_client.openmetrics import parser as strict  # noqa: PLC0415

        try:
            families = list(strict.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
        except ValueError:  # Prometheus takes counters without `_total` and the like
            text, exemplars = _as_text_format(text)
            families = list(parser.text_string_to_metric_families(text))
    else:
        families = list(parser.text_string_to_metric_families(text))
    names = set(_SAMPLE_NAME.findall(text))
    for family in families:
        kind = "" if family.type in {"unknown", "untyped"} else family.type
        name = f"{family.name}_total" if kind == "counter" else family.name
        if name not in names and kind == "counter" and family.name in names:
            name = family.name  # the parser adds `_total` to every counter; Prometheus leaves names as they are
        about = (kind, name, family.documentation, family.unit)
        begun = {_whose(one.labels): float(one.value) for one in family.samples if kind and one.name == f"{family.name}_created"}
        for one in family.samples:
            if kind and one.name == f"{family.name}_created":
                continue
            own = name if kind == "counter" and one.name == f"{family.name}_total" else one.name
            told = one.exemplar
            exemplar = exemplars.get(_key(own, one.labels)) if told is None else _exemplar(told)
            yield Sample(own, one.labels, float(one.value), *about, begun.get(_whose(one.labels)), exemplar)


_SAMPLE_NAME = re.compile(r"^\s*([a-zA-Z_:][a-zA-Z0-9_:]*)", re.MULTILINE)
ExemplarOf = tuple[dict[str, str], float, float | None]
_WITH_EXEMPLAR = re.compile(r"(?P<sample>[^#]*) # (?P<labels>\{.*\}) (?P<value>\S+)(?: (?P<time>\S+))?")


def _exemplar(told: Any) -> ExemplarOf:
    return told.labels, float(told.value), None if told.timestamp is None else float(told.timestamp)


def _key(name: str, labels: dict[str, str]) -> str:
    return f"{name}{sorted(labels.items())}"


def _as_text_format(text: str) -> tuple[str, dict[str, ExemplarOf]]:
    """OpenMetrics as a lenient reader takes it: the same lines in the older format, and the exemplars apart."""
    from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415

    lines, exemplars = [], {}
    totals = set(re.findall(r"^(\w+)_total\b", text, re.MULTILINE))
    for line in text.splitlines():
        about = re.match(r"# (?:TYPE|HELP) (\w+)(.*)", line)
        if about and about[1] in totals:
            line = f"{line[:7]}{about[1]}_total{about[2]}"  # noqa: PLW2901  the older format names counters as their samples
        found = _WITH_EXEMPLAR.fullmatch(line)
        if found is None:
            lines.append(line)
            continue
        lines.append(found["sample"])
        read = text_string_to_metric_families(f"{found['sample']}\nexemplar{found['labels']} {found['value']}\n")
        sample, exemplar = (one for family in read for one in family.samples)
        time = None if found["time"] is None else float(found["time"])
        exemplars[_key(sample.name, sample.labels)] = (exemplar.labels, float(exemplar.value), time)
    return "\n".join(lines) + "\n", exemplars


def _whose(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    """What tells one counter, histogram or summary of a family from another."""
    return frozenset((name, value) for name, value in labels.items() if name not in {"le", "quantile"})
