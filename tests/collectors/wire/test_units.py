"""Durations, sizes and rates as people write them."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.units import Duration, Rate, Size, parse_duration, parse_rate, parse_size


@pytest.mark.parametrize(
    ("parse", "text", "value", "written"),
    [
        (parse_duration, "500ms", 0.5, "500ms"),
        (parse_duration, "1s", 1, "1s"),
        (parse_duration, "90s", 90, "90s"),
        (parse_duration, "120 s", 120, "2m"),
        (parse_duration, "1.5h", 5400, "90m"),
        (parse_duration, "7d", 604800, "7d"),
        (parse_duration, "0s", 0, "0s"),
        (parse_size, "64KiB", 65536, "64KiB"),
        (parse_size, "5MB", 5_000_000, "5MB"),
        (parse_size, "1000B", 1000, "1kB"),
        (parse_rate, "100Mbit/s", 12_500_000, "100Mbit/s"),
        (parse_rate, "1.5Gbit/s", 187_500_000, "1500Mbit/s"),
    ],
)
def test_read_and_written(parse: Callable[[str], float], text: str, value: float, written: str) -> None:
    assert parse(text) == value
    assert str(parse(text)) == written


@pytest.mark.parametrize("text", ["", "5", "s", "5 minutes", "-1s", "1e3s", "\u0665s", "5S", "5m5s", "inf s", "1s\n1s"])
def test_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 30s"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_what_is_written_reads_back(number: int) -> None:
    assert parse_duration(str(Duration(number / 1000))) == pytest.approx(number / 1000)
    assert parse_size(str(Size(number))) == number
    assert parse_rate(str(Rate(number * 125))) == float(number * 125)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_duration, parse_size, parse_rate):
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0
