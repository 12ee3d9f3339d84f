"""Pages of other exporters, as they are read."""

from __future__ import annotations

import contextlib
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, exposition
from prometheus_client.openmetrics import exposition as openmetrics

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


OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def values(text: str, kind: str = "text/plain; version=0.0.4") -> dict[str, float]:
    return {f"{one.name}{one.labels or ''}": one.value for one in parse(text, kind)}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("a 1", {"a": 1}),
        ('a { x = "1" , y="2",} 3', {"a{'x': '1', 'y': '2'}": 3}),
        ('d{x="1"}6', {"d{'x': '1'}": 6}),
        ("a\t\t+5\t123", {"a": 5}),
        ("a 0.1e-10 ", {"a": 1e-11}),
        ("a -INF", {"a": -math.inf}),
        ("a +infinity", {"a": math.inf}),
        (r'a{x="\\n",y="a\tb",z="q\"}#",w="n\nl"} 1', {r"""a{'x': '\\n', 'y': 'a\\tb', 'z': 'q"}#', 'w': 'n\nl'}""": 1}),
        ('a{x="b\nc"} 1', {r"a{'x': 'b\nc'}": 1}),
        ('a{x="\u2028\x85\x0b\x0c\x1d"} 1', {r"a{'x': '\u2028\x85\x0b\x0c\x1d'}": 1}),
        ('a{x="1"y="2"} 1', {"a{'x': '1', 'y': '2'}": 1}),
        ('a{__x="1"} 1', {"a{'__x': '1'}": 1}),
        ("# HELP\n# TYPE\n#\n#x\n   \n\t\na 1", {"a": 1}),
        ("# TYPE a gauge\r\na 1\r\n", {"a": 1}),
        ('{"http.requests","d.e"="f",x="1"} 1', {"http_requests{'d_e': 'f', 'x': '1'}": 1}),
        ('{"1é"} 1', {"__": 1}),
        ("", {}),
    ],
)
def test_lines_that_prometheus_takes(line: str, found: dict[str, float]) -> None:
    assert values(f"ok 1\n{line}") == {"ok": 1, **found}


@pytest.mark.parametrize(
    "line",
    [
        *(f"a {number}" for number in ("0x1p-2", "0xF", "1_000", "1e400", "1.5e", "1,5", "\u0661", "nan(1)", "++1", "- 1", "")),
        *(
            "a",
            "1a 1",
            "a-b 1",
            "é 1",
            "a 1 2 3",
            "a 1 x",
            "a 1 #x",
            'a{x="1"}',
            'a{x="1" 1',
            "a{x='1'} 1",
            "a{x=1} 1",
            'a{1="1"} 1',
        ),
        *('a{x="1",,y="2"} 1', "a{,} 1", 'a{x="1",x="2"} 1', 'a{__name__="b"} 1', 'a{"b"} 1', '{"a","b"} 1', '{x="1"} 1', "{} 1"),
        *("# TYPE a bogus", "# TYPE a", "# TYPE a gauge extra", r'a{x="\"} 1'),
    ],
)
def test_lines_that_prometheus_refuses(line: str) -> None:
    with pytest.raises(ValueError, match=r"line 2: |known type"):
        values(f"ok 1\n{line}\n")


@pytest.mark.parametrize("end", ["", "# EOF \n a 1\n", "# EOF\na 1\n# EOF\n"])
def test_openmetrics_without_its_end_is_half_a_page(end: str) -> None:
    assert values("a 1\n# EOF\n", OPEN) == {"a": 1}
    with pytest.raises(ValueError, match="# EOF"):
        values(f"a 1\n{end}", OPEN)


def test_families_that_are_interleaved_keep_their_types() -> None:
    text = "# TYPE h histogram\nh_sum 1\nx 1\n# TYPE c counter\nc 1\n# HELP h Late.\nh_count 1\nh 1\nc_total 1\nh_x 1\n"
    found = [(one.name, one.type, one.help) for one in parse(text, "text/plain")]
    assert found == [
        *(("h_sum", "histogram", ""), ("x", "", ""), ("c", "counter", ""), ("h_count", "histogram", "Late.")),
        *(("h", "histogram", "Late."), ("c_total", "counter", ""), ("h_x", "", "")),
    ]


def test_start_times_come_before_or_after_and_only_of_what_counts() -> None:
    text = "# TYPE c counter\nc_created 5\nc_total 1\n# TYPE g gauge\ng 1\ng_created 6\n# TYPE s summary\ns_sum 1\ns_created 7.5\n# EOF\n"
    assert {one.name: one.created for one in parse(text, OPEN)} == {"c_total": 5, "g": None, "g_created": None, "s_sum": 7.5}
    assert values("# TYPE c counter\nc_created 5\n") == {"c_created": 5}


NAMES = st.from_regex("[a-zA-Z_][a-zA-Z0-9_]{0,9}", fullmatch=True)


@given(NAMES, st.dictionaries(st.sampled_from("abc"), st.text(), min_size=3), st.floats(), st.text().map(str.strip))
def test_what_the_ecosystems_own_library_writes_is_read(name: str, labels: dict[str, str], value: float, about: str) -> None:
    registry = CollectorRegistry()
    Gauge(name, about, list(labels), registry=registry).labels(**labels).set(value)
    for write, kind in ((exposition.generate_latest, "text/plain"), (openmetrics.generate_latest, OPEN)):
        (found,) = parse(write(registry).decode(), kind)
        assert (found.name, found.labels, found.type) == (name, labels, "gauge")
        assert found.value == value or math.isnan(found.value) is math.isnan(value) is True
        assert found.help == about


@given(st.text(alphabet=' \t\r\n{}"\\#,=+-.e0NaInfTYPEHLOUa_é', max_size=60), st.sampled_from(["text/plain", OPEN]))
def test_any_page_is_read_or_refused(text: str, kind: str) -> None:
    with contextlib.suppress(ValueError):
        list(parse(text, kind))


@pytest.mark.timing
@pytest.mark.parametrize("page", ['a{x="1",', 'a{"', "{", "a 1 # {", 'a{x="\\', "\n", "a_created{", "a " + "1" * 99])
def test_no_page_takes_long(page: str) -> None:
    begin = time.process_time()
    with contextlib.suppress(ValueError):
        list(parse(page[:-1] + page[-1] * 2**22 if len(page) < 3 else page * (2**22 // len(page)), OPEN))
    assert time.process_time() - begin < 2
