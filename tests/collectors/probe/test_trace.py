"""Traces in a laboratory: the hops that traceroute gives, losses within sampling error, and ends that say why."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from collectors.probe.trace import Hop, Trace, trace
from tests import netlab
from tests.inlab import ROOT, inside
from tests.netlab import Lab, Province, Site
from tests.netlab.services import require

REASON = netlab.available()
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")
HUB, HUB6 = "203.0.113.10", "2001:db8:ffff::10"
OPTIONS: dict[str, list[str]] = {"icmp": ["-I"], "udp": [], "tcp": ["-T", "-p", "443"]}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Lab() as lab:
        yield Province(lab, web=False, names=False).site(ipv6=True)


async def follow(address: str, method: Literal["icmp", "udp", "tcp"], probes: int = 3, wait: float = 1.0) -> dict[str, Any]:
    found = await trace(address, method=method, probes=probes, timeout=wait, interface="eth0")
    hops = [{"at": hop.addresses, "sent": hop.sent, "rtts": hop.rtts, "loss": hop.loss} for hop in found.hops]
    return {"identity": found.identity, "hops": hops, "reached": found.reached, "reason": found.reason, "detail": found.detail}


async def follow_freely(address: str, method: Literal["icmp", "udp", "tcp"]) -> dict[str, Any]:
    """By whatever interface: to name one takes a right that is taken away here on older kernels."""
    found = await trace(address, method=method)
    return {"identity": found.identity, "reason": found.reason, "detail": found.detail}


def traceroute(site: Site, address: str, method: str) -> list[str]:
    said = site.pc.run(["traceroute", "-n", "-w", "1", *OPTIONS[method], address], timeout=60).stdout
    rows = [re.match(r"\s*\d+\s+(\S+)", line) for line in said.splitlines()[1:]]
    return [row[1] for row in rows if row]


@needs_lab
@pytest.mark.parametrize("address", [HUB, HUB6])
@pytest.mark.parametrize("method", ["icmp", "udp", "tcp"])
def test_hops_as_traceroute_gives_them(site: Site, address: str, method: str) -> None:
    found = inside(site.pc, follow, address, method)
    assert found["identity"] == traceroute(site, address, method)
    assert found["reached"]
    assert found["reason"] is None
    assert all(hop["loss"] == 0 for hop in found["hops"])


@needs_lab
@pytest.mark.skipif(require("capsh") is not None, reason="capsh is not installed")
@pytest.mark.parametrize("address", [HUB, HUB6])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "no raw"])
@pytest.mark.parametrize("groups", ["0 0", "1 0"], ids=["ping sockets", "none"])
def test_with_and_without_privilege(site: Site, address: str, groups: str, raw: bool) -> None:  # noqa: FBT001
    """UDP and TCP need none; ICMP one of two: a group that may ping, or CAP_NET_RAW."""
    command = [
        "capsh",
        *([] if raw else ["--drop=cap_net_raw"]),
        "--shell=" + sys.executable,
        "--",
        "-m",
        "tests.inlab",
        __name__,
    ]
    site.pc.sysctl("net.ipv4.ping_group_range", groups)
    try:
        done = {
            method: site.pc.run([*command, "follow_freely", json.dumps([address, method])], cwd=ROOT).stdout
            for method in ("icmp", "udp", "tcp")
        }
    finally:
        site.pc.sysctl("net.ipv4.ping_group_range", "0 0")
    found = {method: json.loads(said.splitlines()[-1]) for method, said in done.items()}
    assert found["udp"]["identity"] == found["tcp"]["identity"] == traceroute(site, address, "udp")
    if raw or groups == "0 0":
        assert found["icmp"]["identity"] == found["udp"]["identity"]
    else:
        assert (found["icmp"]["reason"], found["icmp"]["detail"]) == ("no_permission", f"{address}: operation not permitted")


@pytest.mark.timing
@needs_lab
def test_round_trips_grow_where_the_delay_is(site: Site) -> None:
    with site.line.delay(0.03):
        hops = inside(site.pc, follow, HUB, "icmp")["hops"]
    assert max(hops[0]["rtts"]) < 0.03
    assert all(0.06 <= min(hop["rtts"]) < 0.075 for hop in hops[1:])


def mtr(site: Site, address: str, probes: int) -> list[tuple[str, float]]:
    """Hops and their losses as mtr reports them."""
    said = site.pc.run(["mtr", "-n", "--json", "-i", "0.05", "-c", str(probes), address], timeout=90).stdout
    return [(hub["host"], hub["Loss%"] / 100) for hub in json.loads(said)["report"]["hubs"]]


@pytest.mark.timing
@needs_lab
@pytest.mark.skipif(require("mtr") is not None, reason="no mtr here")
def test_loss_of_each_hop_within_sampling_error_of_what_is_imposed_and_of_mtr(site: Site) -> None:
    probes, loss = 200, 0.2
    with site.line.loss(loss, toward=site.gateway):
        hops = inside(site.pc, follow, HUB, "icmp", probes, 0.1)["hops"]
        theirs = mtr(site, HUB, probes)
    error = 4 * math.sqrt(loss * (1 - loss) / probes)
    assert hops[0]["loss"] == theirs[0][1] == 0
    assert [hop["at"][0] for hop in hops] == [host for host, _ in theirs]
    for hop, (_, other) in zip(hops[1:], theirs[1:], strict=True):
        assert abs(hop["loss"] - loss) < error, hops
        assert abs(hop["loss"] - other) < error * math.sqrt(2), (hops, theirs)


@needs_lab
def test_a_silent_hop_is_a_star_and_the_path_goes_on(site: Site) -> None:
    site.gateway.nft(
        "table ip mute { chain out { type filter hook output priority 0; icmp type time-exceeded drop; }\n}",
    )
    try:
        found = inside(site.pc, follow, HUB, "icmp")
    finally:
        site.gateway.nft("delete table ip mute")
    assert found["identity"][0] == "*"
    assert found["identity"][-1] == HUB
    assert len(found["identity"]) == 4


@needs_lab
@pytest.mark.parametrize("method", ["icmp", "udp", "tcp"])
def test_a_router_without_a_route_says_so(site: Site, method: str) -> None:
    site.gateway.ip("route add unreachable 10.99.0.0/24")
    try:
        found = inside(site.pc, follow, "10.99.0.1", method)
    finally:
        site.gateway.ip("route del unreachable 10.99.0.0/24")
    assert (found["identity"], found["reached"], found["reason"]) == (["192.168.1.1"], False, "unreachable")
    assert found["detail"] == "192.168.1.1 says: no route to host"


@needs_lab
def test_a_target_that_is_silent_leaves_the_hops_before_it(site: Site) -> None:
    found = inside(site.pc, follow, "198.51.100.99", "icmp", 1, 0.5)
    assert not found["reached"]
    assert found["identity"][:2] == ["192.168.1.1", "100.64.1.1"]


async def test_an_address_that_cannot_be_left_for() -> None:
    found = await trace("127.0.0.1", interface="nosuch0")
    assert (found.hops, found.reached) == ((), False)
    assert found.reason in {"no_address", "not_supported"}


def test_identity_and_loss() -> None:
    hops = (Hop(1, ("a", "b"), 4, (0.1, 0.2, 0.3)), Hop(2, (), 3, ()))
    assert Trace(hops, reached=False).identity == ("a", "*")
    assert [hop.loss for hop in hops] == [0.25, 1.0]
    assert Hop(1, (), 0, ()).loss == 0.0
