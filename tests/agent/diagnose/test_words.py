"""Figures as people read them."""

import pytest

from agent.diagnose.words import data_rate, data_size, milliseconds, percent, time_span


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (percent(0.083), "8.3%"),
        (percent(0.5), "50%"),
        (percent(0.01), "1%"),
        (data_size(1023), "1023 B"),
        (data_size(200 * 2**20), "200 MiB"),
        (data_size(5 * 2**40), "5.0 TiB"),
        (data_rate(12_500_000), "100 Mbit/s"),
        (data_rate(125_000_000), "1 Gbit/s"),
        (milliseconds(0.0042), "4.2 ms"),
        (milliseconds(0.3), "300 ms"),
        (time_span(86_400), "1 d"),
        (time_span(5400), "1.5 h"),
        (time_span(59), "59 s"),
    ],
)
def test_words(got: str, wanted: str) -> None:
    assert got == wanted
