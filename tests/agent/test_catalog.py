"""The catalogue against the documentation generated from it."""

import json
import re
from pathlib import Path

from agent import catalog
from collectors.model import MetricType

ROOT = Path(__file__).parent.parent.parent


def test_documentation_is_generated_from_the_catalogue() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == catalog.as_markdown()


def test_names_follow_prometheus_practice() -> None:
    for metric in catalog.metrics():
        assert re.fullmatch(r"commune_[a-z0-9_]+", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.type is MetricType.COUNTER), metric.name
        assert metric.name.endswith("_info") == (metric.type is MetricType.INFO), metric.name
        assert bool(metric.buckets) == (metric.type is MetricType.HISTOGRAM), metric.name


def test_every_name_of_the_public_contract_is_declared_once() -> None:
    names = [metric.name for metric in catalog.metrics()]
    assert len(names) == len(set(names))
    assert len(names) > 100


def test_the_three_forms_tell_the_same() -> None:
    rows = json.loads(catalog.as_json())
    assert [row["name"] for row in rows] == [metric.name for metric in catalog.metrics()]
    assert all(f"`{row['name']}`" in catalog.as_markdown() for row in rows)
    assert [line.split()[0] for line in catalog.as_table().splitlines()] == [row["name"] for row in rows]
