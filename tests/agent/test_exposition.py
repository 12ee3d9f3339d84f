"""The two formats, judged by the parsers of prometheus_client and by promtool, never by our own code."""

import math
import shutil
import subprocess
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as text

from agent import catalog, exposition
from agent.state import Series, State
from collectors.model import Histogram, Metric, MetricType, Observations, Reading

GAUGE = Metric("commune_test_ratio", MetricType.GAUGE, 'Help with "quotes", a \\ and\na second line.', ("a", "b"))
COUNTER = Metric("commune_test_bytes_total", MetricType.COUNTER, "Octets.", ("a", "b"))
INFO = Metric("commune_test_info", MetricType.INFO, "Facts.", ("a", "b"))
RTT = Metric("commune_test_seconds", MetricType.HISTOGRAM, "Times.", ("a", "b"), (0.001, 0.5, 3.0))
BARE = Metric("commune_test_bare_seconds", MetricType.HISTOGRAM, "Times without labels.", (), (1.0,))
strict: Any = openmetrics_parser.text_string_to_metric_families  # the library gives it no types
LABEL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBER = st.floats() | st.integers(-(2**63), 2**63)


def series(metric: Metric, labels: tuple[str, ...], value: float | Histogram) -> Series:
    found = Series(metric, labels, None)
    found.value = value
    return found


def same(left: float, right: float) -> bool:
    return left == right or (math.isnan(left) and math.isnan(right))


@given(st.dictionaries(st.tuples(LABEL, LABEL), NUMBER, min_size=1, max_size=5))
def test_gauges_read_back_as_they_were(values: dict[tuple[str, str], float]) -> None:
    page = [series(GAUGE, labels, value) for labels, value in values.items()]
    for read, openmetrics in ((text, False), (strict, True)):
        (family,) = read(exposition.render(page, openmetrics=openmetrics).decode())
        assert family.type == "gauge"
        assert family.documentation == GAUGE.help
        found = {(sample.labels["a"], sample.labels["b"]): sample.value for sample in family.samples}
        assert found.keys() == values.keys()
        assert all(same(found[key], float(value)) for key, value in values.items())


@given(st.tuples(LABEL, LABEL), st.floats(0, 1e300), st.lists(st.integers(0, 10**9), min_size=4, max_size=4), st.floats(0, 1e12))
def test_every_type_passes_the_strict_parser(labels: tuple[str, str], value: float, counts: list[int], total: float) -> None:
    page = [
        series(GAUGE, labels, value),
        series(COUNTER, labels, value),
        series(INFO, labels, 1.0),
        series(RTT, labels, Histogram(tuple(counts), total)),
        series(BARE, (), Histogram(tuple(counts[:2]), total)),
    ]
    for read, openmetrics in ((text, False), (strict, True)):
        families = {family.name: family for family in read(exposition.render(page, openmetrics=openmetrics).decode())}
        assert len(families) == 5
        histogram = families["commune_test_seconds"]
        buckets = [sample for sample in histogram.samples if sample.name.endswith("_bucket")]
        assert [float(sample.labels["le"]) for sample in buckets] == [0.001, 0.5, 3.0, math.inf]
        assert [sample.value for sample in buckets] == [sum(counts[: n + 1]) for n in range(4)]
        assert {sample.name.rpartition("_")[2]: sample.value for sample in histogram.samples[4:]} == {
            "count": sum(counts),
            "sum": total,
        }
    assert families["commune_test_bytes"].unit == "bytes"
    assert families["commune_test"].type == "info"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (apt-get install prometheus)")
def test_promtool_finds_nothing_to_say_about_the_whole_catalogue() -> None:
    page = []
    for metric in catalog.metrics():
        value: float | Histogram = Histogram((1,) * (len(metric.buckets) + 1), 1.0) if metric.buckets else 1.0
        page.append(series(metric, tuple(f"x{number}" for number, _ in enumerate(metric.labels)), value))
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition.render(page), capture_output=True, check=False)
    assert (done.returncode, done.stdout.decode(), done.stderr.decode()) == (0, "", "")
    assert len(list(strict(exposition.render(page, openmetrics=True).decode()))) == len(page)


def test_families_stand_together_in_order_and_without_timestamps() -> None:
    page = [series(GAUGE, ("b", ""), 1), series(COUNTER, ("a", ""), 2), series(GAUGE, ("a", ""), 3)]
    lines = exposition.render(page).decode().splitlines()
    assert lines == [
        "# HELP commune_test_bytes_total Octets.",
        "# TYPE commune_test_bytes_total counter",
        'commune_test_bytes_total{a="a",b=""} 2.0',
        '# HELP commune_test_ratio Help with "quotes", a \\\\ and\\na second line.',
        "# TYPE commune_test_ratio gauge",
        'commune_test_ratio{a="a",b=""} 3.0',
        'commune_test_ratio{a="b",b=""} 1.0',
    ]


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.6,*/*;q=0.1", False),
        ("application/openmetrics-text;q=0,text/plain", False),
        ("Application/OpenMetrics-Text; version=1.0.0; q=0.9", True),
        ("application/openmetrics-text;q=much", False),
        (";;;,,,q=", False),
    ],
)  # fmt: skip
def test_negotiation(accept: str, openmetrics: bool) -> None:  # noqa: FBT001
    assert exposition.prefers_openmetrics(accept) is openmetrics


@given(st.text())
@settings(max_examples=200)
def test_negotiation_never_fails(accept: str) -> None:
    exposition.prefers_openmetrics(accept)


def test_a_thousand_series_within_ten_milliseconds() -> None:
    state, found = State(), Observations()
    for number in range(1000):
        found.set(GAUGE, number / 7, f"target-{number}", "x")
    state.apply(Reading("test", "", 0, found.items), 25)
    exposition.render(state.series())
    spent = []
    for _ in range(20):
        begin = time.process_time()
        exposition.render(state.series())
        spent.append(time.process_time() - begin)
    assert sorted(spent)[10] < 0.010
