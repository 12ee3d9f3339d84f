"""The path MTU to the byte, and black holes told from plain small MTUs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from collectors.probe.mtu import path_mtu
from tests import netlab
from tests.inlab import inside
from tests.netlab import Lab, Province, Site

REASON = netlab.available()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")
HUB, HUB6 = "203.0.113.10", "2001:db8:ffff::10"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Lab() as lab:
        yield Province(lab, web=False, names=False).site(ipv6=True)


async def measure(*addresses: str) -> list[dict[str, Any]]:
    found = [await path_mtu(address, interface="eth0") for address in addresses]
    return [{"mtu": one.mtu, "hole": one.black_hole, "by": one.reporter, "reason": one.reason} for one in found]


def test_a_healthy_path(site: Site) -> None:
    assert inside(site.pc, measure, HUB, HUB6) == [{"mtu": 1500, "hole": False, "by": None, "reason": None}] * 2


@pytest.mark.parametrize("size", [1492, 1400, 1281])
def test_a_small_mtu_that_is_told(site: Site, size: int) -> None:
    site.line.mtu(size)
    try:
        found = inside(site.pc, measure, HUB, HUB6)
    finally:
        site.line.mtu(1500)
    assert found == [
        {"mtu": size, "hole": False, "by": "192.168.1.1", "reason": None},
        {"mtu": size, "hole": False, "by": "2001:db8:1::1", "reason": None},
    ]


@pytest.mark.parametrize("size", [1499, 1473, 1300])
def test_a_black_hole(site: Site, size: int) -> None:
    with site.line.mtu_blackhole(size, toward=site.line.nodes[1]):
        found = inside(site.pc, measure, HUB, HUB6)
    assert [(one["mtu"], one["hole"]) for one in found] == [(size, True)] * 2


def test_a_black_hole_on_a_lossy_line_is_not_made_up(site: Site) -> None:
    with site.line.loss(0.05):
        found = inside(site.pc, measure, *[HUB] * 10)
    assert sum(one["hole"] for one in found) == 0


@pytest.mark.timing
@pytest.mark.parametrize("delay", [0.27, 0.3, 0.35, 0.4])
def test_a_slow_line_is_no_black_hole(site: Site, delay: float) -> None:
    with site.line.delay(delay, 0.05, reorder=True):
        found = inside(site.pc, measure, *[HUB] * 6)
    assert found == [{"mtu": 1500, "hole": False, "by": None, "reason": None}] * 6


@pytest.mark.timing
def test_a_black_hole_on_a_slow_line(site: Site) -> None:
    with site.line.delay(0.3, 0.03, reorder=True), site.line.mtu_blackhole(1473, toward=site.line.nodes[1]):
        (found,) = inside(site.pc, measure, HUB)
    assert (found["mtu"], found["hole"]) == (1473, True)


def test_nobody_answers(site: Site) -> None:
    with site.line.cut(at=site.line.nodes[1]):
        (found,) = inside(site.pc, measure, HUB)
    assert found["mtu"] is None
    assert found["reason"] == "timeout"
