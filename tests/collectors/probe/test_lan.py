"""The local network: what counts as duplicate and rogue, and what real hosts and DHCP servers answer."""

from __future__ import annotations

import ipaddress
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from collectors.probe.lan import (
    Offer,
    Scan,
    dhcp_offers,
    is_local_network,
    lease_faults,
    owners_of,
    private_subnets,
    rogue_offers,
    scan,
)
from collectors.site import Interface
from tests import netlab
from tests.inlab import inside
from tests.netlab import Lab, Province, Site

GATEWAY = "192.168.1.1"
GOOD = Offer("192.168.1.1", "aa:00:00:00:00:01", "192.168.1.100", "255.255.255.0", (GATEWAY,), (GATEWAY,), 3600)
OTHER = Offer("192.168.1.250", "aa:00:00:00:00:02", "192.168.1.200", "255.255.255.0", ("192.168.1.250",), ("192.168.1.250",), 600)
BACKUP = Offer("192.168.1.3", "aa:00:00:00:00:03", "192.168.1.150", "255.255.255.0", (GATEWAY,), (GATEWAY,), 3600)


@pytest.mark.parametrize(
    ("offers", "gateway", "allowed", "rogues"),
    [
        ([GOOD], GATEWAY, (), []),
        ([OTHER, GOOD], GATEWAY, (), [OTHER]),
        ([GOOD, BACKUP], GATEWAY, (), [BACKUP]),
        ([BACKUP], GATEWAY, (), []),
        ([OTHER], GATEWAY, (), [OTHER]),
        ([OTHER], None, (), []),
        ([GOOD, BACKUP], GATEWAY, ("192.168.1.1", "192.168.1.3"), []),
        ([GOOD, OTHER], GATEWAY, ("192.168.1.1",), [OTHER]),
        ([GOOD], GATEWAY, ("192.168.1.3",), [GOOD]),
        ([GOOD, Offer(GATEWAY, "aa:00:00:00:00:09", "192.168.1.9", gateways=(GATEWAY,))], GATEWAY, (), ["second"]),
        ([], GATEWAY, (), []),
    ],
)
def test_rogues(offers: list[Offer], gateway: str | None, allowed: tuple[str, ...], rogues: list[Any]) -> None:
    assert list(rogue_offers(offers, gateway, allowed)) == ([offers[1]] if rogues == ["second"] else rogues)


def test_lease_and_options_sanity() -> None:
    assert lease_faults(GOOD, GATEWAY) == ()
    assert lease_faults(OTHER, GATEWAY) == ("offers the gateway 192.168.1.250 instead of 192.168.1.1",)
    assert lease_faults(Offer("s", "m", "192.168.1.9", "255.255.255.0", ("10.0.0.1",), (), 30), None) == (
        "offers the gateway 10.0.0.1, which is not in 192.168.1.0/24",
        "offers no name server",
        "offers a lease of only 30 s",
    )
    assert lease_faults(Offer("s", "m", "192.168.1.9"), GATEWAY) == (
        "offers no gateway",
        "offers no subnet mask",
        "offers no name server",
    )
    resolvers = ("127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "8.8.8.8")
    assert lease_faults(Offer("s", "m", "192.168.1.9", "255.255.255.0", (GATEWAY,), resolvers), GATEWAY) == tuple(
        f"offers the name server {one}, where nobody can answer" for one in resolvers[:-1]
    )


def test_duplicates() -> None:
    two = Scan({"192.168.1.7": ("a", "b"), "192.168.1.8": ("c",)})
    assert two.duplicates() == {"192.168.1.7": ("a", "b")}
    assert two.duplicates(["192.168.1.8/24"]) == {"192.168.1.7": ("a", "b"), "192.168.1.8": ("c",)}
    assert two.macs == {"a", "b", "c"}


def test_two_cards_in_one_network_are_no_duplicates() -> None:
    assert Scan({"192.168.1.7": ("a", "b"), "192.168.1.8": ("a", "b")}).duplicates() == {}


def test_proxy_arp_is_no_duplicate() -> None:
    hosts = {f"192.168.1.{number}": (f"m{number}", "router") for number in range(10, 30)}
    assert Scan(hosts).duplicates(["192.168.1.30"]) == {}
    assert Scan({**hosts, "192.168.1.30": ("router",)}).duplicates(["192.168.1.30"]) == {}
    assert set(Scan({**hosts, "192.168.1.11": ("m11", "thief", "router")}).duplicates()) == {"192.168.1.11"}


def test_only_private_subnets_with_neighbours() -> None:
    addresses = (
        "192.168.1.5/24",
        "203.0.113.5/24",
        "10.0.0.1/32",
        "10.64.0.2/31",
        "100.64.0.2/10",
        "fd00::5/64",
        "2001:db8::5/64",
    )
    assert [str(one) for one in private_subnets(Interface("eth0", addresses))] == ["192.168.1.5/24", "fd00::5/64"]
    assert not is_local_network(Interface("eth0", ("203.0.113.5/24", "fd00::5/64")))
    assert is_local_network(Interface("eth0", ("172.16.3.4/20",)))


async def test_a_public_address_is_not_scanned() -> None:
    found = await scan(Interface("eth0", ("203.0.113.5/24",)))
    assert (found.asked, found.reason, found.detail) == (0, "no_address", "eth0 has no address in a private subnet")


async def test_no_such_interface() -> None:
    assert (await owners_of(["192.168.1.1"], "nosuch0")).reason in {"no_address", "no_permission"}


# The real thing

REASON = netlab.available()
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")


@pytest.fixture
def site() -> Iterator[Site]:
    with Lab() as lab:
        yield Province(lab, web=False).site(ipv6=True, computers=2)


async def look(addresses: list[str], seconds: float) -> dict[str, Any]:
    plain = [address.partition("/")[0] for address in addresses]
    owners = await owners_of([*plain, "192.168.1.1"], "eth0")
    offers = await dhcp_offers("eth0", seconds)
    found = await scan(Interface("eth0", tuple(addresses)))
    return {
        "owners": dict(owners.hosts),
        "servers": offers.servers,
        "offers": [asdict(one) for one in offers.offers],
        "hosts": dict(found.hosts),
        "asked": found.asked,
        "duplicates": list(found.duplicates(addresses)),
        "reasons": [owners.reason, offers.reason, found.reason],
    }


@needs_lab
def test_a_healthy_network_and_then_thief_and_rogue(site: Site) -> None:
    ours = ["192.168.1.10/24", "2001:db8:1::10/64"]
    link_local = next(
        word for word in site.pc.run(["ip", "-6", "addr", "show", "dev", "eth0"]).stdout.split() if word.startswith("fe80")
    )
    with site.pc.capture("eth0") as capture:
        healthy = inside(site.pc, look, [*ours, link_local], 2.0)
    assert healthy["reasons"] == [None] * 3
    gateway = site.gateway.run(["cat", "/sys/class/net/lan/address"]).stdout.strip()
    assert healthy["owners"] == {"192.168.1.1": [gateway]}
    assert healthy["servers"] == ["192.168.1.1"]
    assert healthy["offers"][0]["gateways"] == ["192.168.1.1"]
    assert healthy["offers"][0]["lease"] == 3600
    assert healthy["duplicates"] == []
    assert {"192.168.1.1", "192.168.1.2", "192.168.1.11"} <= set(healthy["hosts"])
    assert any(ipaddress.ip_address(address).version == 6 for address in healthy["hosts"])
    assert healthy["asked"] == 253

    asked = [frame for frame in capture.frames if frame.direction == "out" and frame.data[12:14] == b"\x08\x06"]
    targets = {ipaddress.ip_address(frame.data[38:42]) for frame in asked if frame.data[20:22] == b"\x00\x01"}
    assert targets <= set(ipaddress.ip_network("192.168.1.0/24"))
    times = sorted(frame.timestamp_ns for frame in asked)
    fullest = max(sum(begin <= time < begin + 1e9 for time in times) for begin in times)
    assert fullest <= 210, "more than the set rate"

    site.duplicate_address(0)
    thief6 = site.attach("thief6", "2001:db8:1::10/64")
    site.rogue_dhcp()
    ill = inside(site.pc, look, ours, 2.0)
    stranger, router = [site_mac(site, "thief")], {"192.168.1.1": [gateway]}
    assert ill["owners"] == {"192.168.1.10": stranger, "2001:db8:1::10": [node_mac(thief6)], **router}
    assert set(ill["servers"]) == {"192.168.1.1", "192.168.1.250"}
    assert set(ill["duplicates"]) == {"192.168.1.10", "2001:db8:1::10"}


def site_mac(site: Site, name: str) -> str:
    return node_mac(site.lab.nodes[f"{site.name}-{name}"])


def node_mac(node: netlab.Node) -> str:
    return node.run(["cat", "/sys/class/net/eth0/address"]).stdout.strip()


@needs_lab
def test_without_the_right_to_raw_frames(site: Site) -> None:
    code = "import asyncio; from collectors.probe.lan import dhcp_offers as ask; r = asyncio.run(ask('eth0', 1)); print(r.reason, r.detail)"
    command = ["capsh", "--drop=cap_net_raw", "--shell=" + sys.executable, "--", "-c", code]
    if netlab.services.require("capsh"):
        pytest.skip("capsh is not installed")
    assert site.pc.run(command).stdout.startswith("no_permission raw frames need CAP_NET_RAW")


@needs_lab
def test_one_half_of_a_look_does_not_fail_with_the_other(site: Site) -> None:
    job = {"do": "look", "interface": "eth0", "rate": 200, "own4": ["192.168.1.10"], "own6": [], "source6": None}
    asked = json.dumps({**job, "asked": [["192.168.1.10", "192.168.1.1"]], "seconds": "soon"})
    command = [sys.executable, "-m", "collectors.probe.lan_frames"]
    answer = json.loads(site.pc.run(command, input=asked).stdout)
    assert [address for address, _ in answer["scan"]["found"]] == ["192.168.1.1"]
    assert answer["dhcp"] == {"reason": "internal", "detail": "ValueError: could not convert string to float: 'soon'"}


ODD_SERVER = Path(__file__).with_name("odd_dhcp.py")
OFFER = "350102"
ODD = {
    "gaps in the mask": OFFER + "01040f00ff00" + "ff",
    "a mask of a host": OFFER + "0104000000ff" + "ff",
    "short options": OFFER + "0103ffff00" + "0303c0a801" + "0605c0a8010102" + "ff",
    "empty options": OFFER + "3300" + "0300" + "0600" + "0100" + "ff",
    "cut in an option": OFFER + "01",
    "cut in a list": OFFER + "03ff0102",
    "no host": OFFER + "0104ffffff00" + "0304e0000001" + "06040000000006047f000001" + "3304ffffffff" + "ff",
    "another kind twice": "350102" + "350201" + "01ff",
    "unknown ones": OFFER + "0404aabbccdd" + "f1ff" + "00" * 20 + "ff",
}


async def sane(seconds: float) -> dict[str, Any]:
    answer = await dhcp_offers("eth0", seconds)
    faults = {offer.server: list(lease_faults(offer, GATEWAY)) for offer in answer.offers}
    return {"reason": answer.reason, "faults": faults}


@needs_lab
def test_a_server_may_offer_anything(site: Site) -> None:
    node = site.attach("odd", "192.168.1.249/24")
    process = node.popen([sys.executable, ODD_SERVER, "eth0", *ODD.values()])
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    found = inside(site.pc, sane, 3.0)
    assert found["reason"] is None
    assert found["faults"].pop("192.168.1.1") == []
    assert len(found["faults"]) >= len(ODD) - 1, found
    assert "offers no subnet mask" in found["faults"]["192.168.1.240"]
    assert "offers no subnet mask" in found["faults"]["192.168.1.241"]
    assert found["faults"]["192.168.1.246"][-1] == "offers the name server 127.0.0.1, where nobody can answer"
