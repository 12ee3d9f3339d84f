"""Rates of a device's ports from its last two polls."""

from __future__ import annotations

import pytest

from collectors.probe.ports import FRESH, Count, Ports


def polled(*counts: Count) -> Ports:
    ports = Ports()
    for count in counts:
        ports.take("router-1", "ether2", count)
    return ports


def test_what_a_port_receives_is_the_sites_download() -> None:
    ports = polled(Count(100, 1000, 500), Count(160, 61_000, 6500, 12_500_000.0))
    assert ports.rates("router-1", "ether2", 170) == ({"download": 1000.0, "upload": 100.0}, 12_500_000.0)


@pytest.mark.parametrize(
    ("counts", "now"),
    [
        ((), 0.0),
        ((Count(100, 1000, 500),), 101.0),
        ((Count(100, 1000, 500), Count(160, 900, 400)), 161.0),
        ((Count(100, None, None), Count(160, None, None)), 161.0),
        ((Count(100, 1000, 500), Count(160, 2000, 900)), 161.0 + FRESH),
    ],
    ids=["never polled", "polled once", "counters that began anew", "no counters", "long ago"],
)
def test_unknown_is_absent(counts: tuple[Count, ...], now: float) -> None:
    assert polled(*counts).rates("router-1", "ether2", now)[0] == {}
