"""Pages of other exporters, as they are read."""

from __future__ import annotations

from agent.forward.expositions import parse
from tests.agent.forward.test_scrape import LENIENT, TEXT


def test_openmetrics_that_only_prometheus_would_take() -> None:
    found = {(sample.name, sample.labels.get("le")): sample for sample in parse(LENIENT, "application/openmetrics-text")}
    assert found["requests", None].type == "counter"
    assert found["requests", None].exemplar == ({"trace_id": "abc", "span_id": "d"}, 999, 1234567890.123)
    assert (found["jobs_total", None].type, found["jobs_total", None].help) == ("counter", "Done.")
    assert found["jobs_total", None].exemplar == ({}, 1, None)
    assert found["lat_bucket", "0.1"].exemplar == ({"trace_id": "x y # z"}, 0.05, None)
    assert found["lat_bucket", "+Inf"].exemplar is None


def test_a_counter_keeps_its_name() -> None:
    text = "# HELP requests All.\n# TYPE requests counter\nrequests 5\n# TYPE jobs_total counter\njobs_total 6\n"
    found = {sample.name: (sample.value, sample.type, sample.family) for sample in parse(text, "text/plain")}
    assert found == {"requests": (5, "counter", "requests"), "jobs_total": (6, "counter", "jobs_total")}


def test_what_was_created_when_belongs_to_all_of_one_histogram() -> None:
    text = "# TYPE h histogram\n" + "".join(
        f'h_bucket{{a="{a}",le="1.0"}} 1\nh_bucket{{a="{a}",le="+Inf"}} 1\nh_count{{a="{a}"}} 1\nh_sum{{a="{a}"}} 1\nh_created{{a="{a}"}} {a}.5\n'
        for a in (1, 2)
    )
    found = list(parse(text + "# EOF\n", "application/openmetrics-text; version=1.0.0"))
    assert len(found) == 8
    assert {(sample.labels["a"], sample.created) for sample in found} == {("1", 1.5), ("2", 2.5)}


def test_a_parsed_family_says_what_it_is() -> None:
    found = {sample.name: sample for sample in parse(TEXT, "text/plain")}
    assert {sample.created for sample in found.values()} == {None}
    assert (found["lat_seconds_bucket"].type, found["lat_seconds_bucket"].family) == ("histogram", "lat_seconds")
    assert found["plain"].type == ""
    assert found["q_sum"].type == "summary"
