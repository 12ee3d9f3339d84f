"""path: one event a change, none for silent hops and shared ones; MTU and black holes in the reading."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from agent.exposition import render
from agent.state import State
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.path import CHANGES, KnownRoute, PathCollector, PathSettings, PathTarget, build
from collectors.probe.trace import Hop, Trace
from collectors.site import Context, Link, Site, Surroundings, Uplink
from tests import netlab
from tests.collectors.golden import compare
from tests.inlab import inside
from tests.netlab import Lab, Province
from tests.netlab import Site as LabSite

REASON = netlab.available()
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")
HUB = "203.0.113.10"


def seen(*hops: str, reached: bool = True, reason: Reason | None = None) -> Trace:
    rows = [Hop(ttl, tuple(filter(None, hop.replace("*", "").split("/"))), 3, ()) for ttl, hop in enumerate(hops, 1)]
    return Trace(tuple(rows), reached, reason)


def known(*traces: Trace) -> KnownRoute:
    route = KnownRoute()
    for one in traces:
        route.learn(one)
    return route


@pytest.mark.parametrize(
    ("trace", "differs"),
    [
        (seen("a", "b", "t"), False),
        (seen("a", "*", "t"), False),
        (seen("*", "*", "t"), False),
        (seen("a", "x", "t"), True),
        (seen("a", "x/b", "t"), False),
        (seen("a", "b", "c", "t"), True),
        (seen("a", "t"), True),
        (seen("a", "b", reached=False), False),
        (seen("a", reached=False), False),
        (seen("x", reached=False), True),
        (seen(reached=False), False),
        (seen("a", "b", "b", reached=False, reason=Reason.UNREACHABLE), False),
        (seen("a", "a", reached=False, reason=Reason.UNREACHABLE), False),
    ],
)
def test_what_is_another_route(trace: Trace, differs: bool) -> None:  # noqa: FBT001
    assert known(seen("a", "b", "t")).differs(trace) is differs


def test_all_who_share_a_hop_are_known() -> None:
    route = known(seen("a", "b/c", "t"), seen("a", "d", "t"))
    assert not route.differs(seen("a", "c", "t"))
    assert not route.differs(seen("a", "d", "t"))
    assert route.differs(seen("a", "e", "t"))


def test_another_length_between_silent_hops() -> None:
    assert known(seen("a", "*", "t")).differs(seen("a", "*", "*", "t"))
    assert known(seen("a", "*", "*", "t")).differs(seen("a", "*", "t"))


class Scripted(PathCollector):
    """Every trace is drawn from a network with a router that spreads connections over some ways."""

    ways: tuple[tuple[str, ...], ...]
    chance: random.Random

    async def _trace(self, address: str, probes: int) -> Trace:
        hops: list[set[str]] = []
        while not hops or address not in hops[-1]:
            taken = [(*self.chance.choice(self.ways), address) for _ in range(probes)]
            hops.append({way[min(len(hops), len(way) - 1)] for way in taken})
        return seen(*("/".join(sorted(hop)) for hop in hops))


@pytest.mark.parametrize("other", [("a", "c"), ("a", "c", "x")], ids=["equal", "longer"])
async def test_ways_that_take_turns_are_no_change(other: tuple[str, ...]) -> None:
    """Of one length or of two, over 1000 starts of the agent."""
    chance, changes = random.Random(1), 0
    for _ in range(1000):
        collector = Scripted(PathTarget(name="t", address="127.0.0.1"), PathSettings(), context())
        collector.ways, collector.chance = (("a", "b"), other), chance
        for _ in range(20):
            await collector._follow("127.0.0.1")
        changes += collector._changes
    assert changes <= 5, "one in 700 starts of such a site"


def context(*uplinks: Uplink) -> Context:
    return Context(Machine(), Site(), Surroundings(), uplinks)


async def test_a_link_that_is_not_there() -> None:
    (collector,) = build(PathSettings(targets=(PathTarget(name="t", address="127.0.0.1", link="lte"),)), context())
    reading = await collector.collect()
    assert (reading.reason, reading.detail) == (Reason.UNREACHABLE, "the link lte is not there now")
    assert [(one.metric, one.value) for one in reading.observations] == [(CHANGES, 0.0)]


async def test_a_name_without_address() -> None:
    (collector,) = build(PathSettings(targets=(PathTarget(name="t", address="no such name"),)), context())
    assert (await collector.collect()).reason is Reason.NAME_UNRESOLVED


def test_identity_follows_the_uplink() -> None:
    settings = PathSettings(targets=(PathTarget(name="t", address="127.0.0.1", link="lte"),))
    wwan = Uplink(Link(name="lte"), "wwan0", None)
    assert build(settings, context())[0].identity != build(settings, context(wwan))[0].identity
    assert build(settings, context(wwan))[0].identity == build(settings, context(wwan))[0].identity


# In the laboratory


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[LabSite, LabSite]]:
    """A site with one computer behind a router, and one whose computer has two uplinks."""
    with Lab() as lab:
        province = Province(lab, web=False, names=False)
        yield province.site(), province.site(uplinks="pc")


@pytest.fixture
def site(sites: tuple[LabSite, LabSite]) -> LabSite:
    return sites[0]


@pytest.fixture
def two(sites: tuple[LabSite, LabSite]) -> LabSite:
    return sites[1]


async def run(count: int, *commands: str) -> list[dict[str, Any]]:
    """Readings of one collector; before each of `commands`, one reading, then the command in a shell of the node's owner."""
    (collector,) = build(PathSettings(targets=(PathTarget(name="hub", address=HUB),)), context())
    found = []
    for _ in range(count):
        reading = await collector.collect()
        found.append({"text": text(reading), "reason": reading.reason, "detail": reading.detail})
        if len(found) <= len(commands):
            import asyncio

            print(f"READY {len(found)}", flush=True)
            await asyncio.to_thread(input)
    return found


async def follow(count: int, method: Literal["icmp", "udp", "tcp"]) -> dict[str, Any]:
    """Some looks at one route: the last count of changes, and the routers seen at each hop."""
    (collector,) = build(PathSettings(targets=(PathTarget(name="hub", address=HUB, method=method),)), context())
    assert isinstance(collector, PathCollector)
    for _ in range(count):
        assert (await collector.collect()).reason is None
    return {"changes": collector._changes, "hops": [sorted(hop) for hop in collector._route.hops.values()]}


def text(*readings: Reading) -> str:
    state = State()
    for reading in readings:
        state.apply(reading, 1500.0)
    return render(state.series()).decode()


@needs_lab
def test_healthy(site: LabSite) -> None:
    readings = inside(site.pc, run, 3)
    assert [one["reason"] for one in readings] == [None] * 3
    compare("path", readings[-1]["text"])
    assert readings[-1]["detail"].startswith("1 192.168.1.1 ")
    assert readings[-1]["detail"].endswith("MTU 1500")


@needs_lab
def test_a_change_and_a_black_hole_are_found_by_the_next_reading(site: LabSite) -> None:
    import json
    import subprocess
    import sys

    from tests.inlab import ROOT

    command = [sys.executable, "-m", "tests.inlab", __name__, "run", json.dumps([4, "move", "stay", "hole"])]
    process = site.pc.popen(command, stdin=subprocess.PIPE, stderr=None, cwd=ROOT)
    assert process.stdin is not None
    assert process.stdout is not None

    def step() -> None:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()

    assert process.stdout.readline() == "READY 1\n"
    site.gateway.ip(f"route add {HUB} via 10.200.1.1")  # the other carrier
    step()
    assert process.stdout.readline() == "READY 2\n"
    step()
    assert process.stdout.readline() == "READY 3\n"
    assert site.tslcd is not None
    with site.tslcd.mtu_blackhole(1400):
        step()
        readings = json.loads(process.stdout.read())
    site.gateway.ip(f"route del {HUB}")
    values = [dict(line.split(" ") for line in one["text"].splitlines() if not line.startswith("#")) for one in readings]
    assert [one['commune_path_changes_total{target="hub"}'] for one in values] == ["0.0", "1.0", "1.0", "1.0"]
    assert [one['commune_path_mtu_bytes{target="hub"}'] for one in values] == ["1500.0"] * 3 + ["1400.0"]
    assert readings[3]["detail"].endswith("MTU 1400: longer packets vanish and nobody says so (black hole)")


@needs_lab
@pytest.mark.parametrize("method", ["icmp", "udp", "tcp"])
@pytest.mark.parametrize("shorter", [False, True], ids=["equal", "shorter"])
def test_a_gateway_that_spreads_connections_over_two_carriers_is_no_change(
    site: LabSite,
    method: str,
    shorter: bool,  # noqa: FBT001
) -> None:
    site.gateway.sysctl("net.ipv4.fib_multipath_hash_policy", 1)
    site.gateway.ip("route replace default nexthop via 100.64.1.1 nexthop via 10.200.1.1")
    viettel = site.lab.nodes["viettel"]
    try:
        if shorter:
            viettel.ip(f"route add {HUB} via 172.31.0.6")
        found = inside(site.pc, follow, 12, method)
    finally:
        site.gateway.ip("route replace default via 100.64.1.1")
        if shorter:
            viettel.ip(f"route del {HUB}")
    assert found["changes"] == 0
    assert any(len(hop) == 2 for hop in found["hops"]), found


async def by_both(method: Literal["icmp", "udp", "tcp"]) -> list[list[str]]:
    """The first two hops to one address by each of two uplinks, and without one."""
    uplinks = [Uplink(Link(name=name, interface=name), name, None) for name in ("eth0", "eth1")]
    targets = tuple(PathTarget(name=str(link), address=HUB, method=method, link=link) for link in ("eth0", "eth1", None))
    found = []
    for collector in build(PathSettings(targets=targets), context(*uplinks)):
        reading = await collector.collect()
        assert reading.reason is None
        assert reading.detail.endswith("MTU 1500")
        found.append([hop.split(" ")[1] for hop in reading.detail.split(", ")[:2]])
    return found


@needs_lab
@pytest.mark.parametrize("method", ["icmp", "udp", "tcp"])
def test_the_path_by_each_of_two_uplinks(two: LabSite, method: str) -> None:
    first, second = ["192.168.2.1", "100.64.2.1"], ["192.168.102.1", "10.200.2.1"]
    assert inside(two.pc, by_both, method) == [first, second, first]
