"""Reports of iperf3."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.iperf3 import Report, parse_report

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["end", "error", "intervals", "sum", "bytes", "sum_sent"]), inner)
    ),
    max_leaves=15,
)


def report(*intervals: tuple[int, float], **more: object) -> str:
    rows = [{"sum": {"bytes": octets, "seconds": seconds}} for octets, seconds in intervals]
    total = sum(octets for octets, _ in intervals)
    end = {"sum_sent": {"bytes": total, "retransmits": 3}, "sum_received": {"bytes": total, "bits_per_second": 8000.0}}
    return json.dumps({"intervals": rows, "end": end, **more})


def test_a_short_run_is_its_average() -> None:
    assert parse_report(report((900, 1.0), (1100, 1.0))) == Report(1000.0, 1000.0, 2000, 3)


def test_a_long_download_leaves_out_its_first_second() -> None:
    rows = ((500, 1.0), (1200, 1.0), (1200, 1.0), (1200, 1.0))
    assert parse_report(report(*rows, start={"test_start": {"reverse": 1}})) == Report(1200.0, 1000.0, 4100, 3)
    assert parse_report(report(*rows, start={"test_start": {"reverse": 0}})) == Report(1000.0, 1000.0, 4100, 3)


def test_an_error_has_no_rate_but_what_it_moved() -> None:
    assert parse_report(report((500, 1.0), error="the server is busy")) == Report(None, None, 500, 3, "the server is busy")
    assert parse_report('{"error": "unable to connect", "end": {}}') == Report(None, None, 0, None, "unable to connect")


@pytest.mark.parametrize("text", ["", "iperf3: error", "[]", "{}", "{" * 100_000])
def test_no_report(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        parse_report(text)


@given(ANY_JSON)
def test_anything(value: object) -> None:
    try:
        found = parse_report(json.dumps(value))
    except ValueError:
        return
    assert found.moved >= 0
    assert found.rate is None or found.rate >= 0
