"""Measuring functions for the local network: who holds an address, who is there, and which DHCP servers offer leases.

Frames are sent by a short-lived process (`lan_frames`). Nothing leaves the computer's own private subnets; which
links are the state's network only the caller knows.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from collectors.model import Reason
from collectors.probe.child import ChildError, run_module
from collectors.site import Interface

LARGEST_PREFIX = 22
"""The largest part of a subnet that is scanned: 1022 addresses around our own."""
RATE = 200.0
"""ARP requests a second: 0.1 Mbit/s, which the slowest access point still broadcasts."""
START = 10.0
"""Seconds allowed for an old PC to start the process and import what it needs."""
PROXY_FROM = 8
"""A MAC that answers for so many addresses is a router with proxy ARP or an access point in between, and no duplicate."""
_PRIVATE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
_MODULE = "collectors.probe.lan_frames"


@dataclass(frozen=True, slots=True)
class Scan:
    """Who is on a local network.

    Attributes:
        hosts: address to the MACs that answered for it.
        asked: addresses that were asked for.
    """

    hosts: Mapping[str, tuple[str, ...]]
    asked: int = 0
    reason: Reason | None = None
    detail: str = ""

    @property
    def macs(self) -> frozenset[str]:
        """Every host once, however many addresses it has."""
        return frozenset(mac for macs in self.hosts.values() for mac in macs)

    def duplicates(self, own: Iterable[str] = ()) -> dict[str, tuple[str, ...]]:
        """Addresses with more than one owner; for an address of `own` (this computer's) one other owner is enough.

        Left out are routers that answer for everybody (proxy ARP), and hosts with two interfaces in the same network,
        which answer for each address at both.
        """
        counts: dict[str, int] = {}
        for macs in self.hosts.values():
            for mac in macs:
                counts[mac] = counts.get(mac, 0) + 1
        real = {
            address: tuple(mac for mac in macs if counts[mac] < PROXY_FROM) or macs[:1] for address, macs in self.hosts.items()
        }
        ours = {_plain(address) for address in own}
        sets = [frozenset(macs) for macs in real.values()]
        return {
            address: macs
            for address, macs in real.items()
            if (address in ours and any(counts[mac] < PROXY_FROM for mac in macs))
            or (len(macs) > 1 and sets.count(frozenset(macs)) == 1)
        }


@dataclass(frozen=True, slots=True)
class Offer:
    """One DHCPOFFER (RFC 2131, RFC 2132).

    Attributes:
        server: the server identifier (option 54), the sender's address where it gave none.
        mac: the sender's hardware address; of the relay, where the server is elsewhere.
        address: the address offered.
        mask: subnet mask, None when not told, or when what was told is none (its bits have gaps).
        gateways: option 3.
        resolvers: option 6.
        lease: seconds, None when not told.
    """

    server: str
    mac: str
    address: str
    mask: str | None = None
    gateways: tuple[str, ...] = ()
    resolvers: tuple[str, ...] = ()
    lease: int | None = None


@dataclass(frozen=True, slots=True)
class Offers:
    """What DHCP servers answered to a DISCOVER; none is not a failure."""

    offers: tuple[Offer, ...] = ()
    reason: Reason | None = None
    detail: str = ""

    @property
    def servers(self) -> tuple[str, ...]:
        """Server identifiers, each once."""
        return tuple(dict.fromkeys(offer.server for offer in self.offers))


def private_subnets(interface: Interface) -> tuple[ipaddress.IPv4Interface | ipaddress.IPv6Interface, ...]:
    """The interface's addresses in private space (RFC 1918, RFC 4193) that share a subnet with others."""
    found = []
    for text in interface.addresses:
        address = ipaddress.ip_interface(text)
        alone = address.network.prefixlen >= address.max_prefixlen - 1
        if not alone and any(address.version == space.version and address.ip in space for space in _PRIVATE):
            found.append(address)
    return tuple(found)


def is_local_network(interface: Interface) -> bool:
    """The interface stands in a private IPv4 subnet with room for others: there is something to look at."""
    return any(address.version == 4 for address in private_subnets(interface))


async def owners_of(addresses: Iterable[str], interface: str, *, seconds: float = 0.7) -> Scan:
    """Ask who has these addresses (ARP probe of RFC 5227, duplicate address detection of RFC 4862).

    This computer's own answers are not in the result: whoever is told for one of its addresses is another one.

    Args:
        addresses: IPv4 and IPv6 addresses of the interface's networks, without prefix length.
        interface: where to ask.
        seconds: to wait for answers; the start of the process comes on top (about 0.5 s).
    """
    asked = list(addresses)
    versions: dict[int, list[str]] = {4: [], 6: []}
    for address in asked:
        versions[ipaddress.ip_address(address).version].append(address)
    job = {"do": "owners", "interface": interface, "seconds": seconds, "own4": versions[4], "own6": versions[6]}
    return _scan(await _frames(job, START + seconds + 1), len(asked))


async def scan(interface: Interface, *, rate: float = RATE) -> Scan:
    """Ask for every address of the interface's private subnets, at most a /22 of each, and for all IPv6 neighbours.

    Takes about 3.5 s for a /24. This computer's own addresses are probed too; its own answers are not in the result.

    Args:
        interface: name and addresses with prefix length.
        rate: requests a second.
    """
    job, asked = _scan_job(interface, rate)
    if not job["own4"]:
        return _scan(_nobody(interface))
    return _scan(await _frames({"do": "scan", **job}, START + 2 * asked / rate + 4), asked)


async def dhcp_offers(interface: str, seconds: float = 3.0) -> Offers:
    """Collect every DHCPOFFER to one DISCOVER with this computer's own hardware address; no lease is taken.

    Args:
        interface: where to ask.
        seconds: to wait; servers that first ping the address they offer take one second.
    """
    return _offers(await _frames({"do": "dhcp", "interface": interface, "seconds": seconds}, START + seconds + 1))


async def look(interface: Interface, *, rate: float = RATE, seconds: float = 3.0) -> tuple[Scan, Offers]:
    """`scan` and `dhcp_offers` at the same time, in one process: its start costs more than either."""
    job, asked = _scan_job(interface, rate)
    if not job["own4"]:
        return _scan(_nobody(interface)), await dhcp_offers(interface.name, seconds)
    answer = await _frames({"do": "look", **job, "seconds": seconds}, START + 2 * asked / rate + 4 + seconds)
    return _scan(answer.get("scan", answer), asked), _offers(answer.get("dhcp", answer))


def rogue_offers(offers: Iterable[Offer], gateway: str | None, allowed: Iterable[str] = ()) -> tuple[Offer, ...]:
    """The offers of servers that should not be there, in the order of arrival.

    With a list of allowed servers (their identifiers) everybody else is a rogue. Without one there may be one server:
    the default gateway if it serves, else one that hands out the default gateway; while no gateway is known, the first.
    Two machines that claim the same identifier are two servers.
    """
    offers = tuple(offers)
    listed = frozenset(allowed)
    if listed:
        return tuple(offer for offer in offers if offer.server not in listed)
    legitimate = next((offer for offer in offers if offer.server == gateway), None)
    if legitimate is None:
        legitimate = next((offer for offer in offers if gateway is None or gateway in offer.gateways), None)
    return tuple(offer for offer in offers if offer is not legitimate)


SHORTEST_LEASE = 120
"""Seconds; below that a server cannot be restarted without PCs losing their address."""


def lease_faults(offer: Offer, gateway: str | None) -> tuple[str, ...]:
    """What is wrong with the lease and options that a server offers; one phrase each.

    Args:
        offer: what it offers.
        gateway: this computer's default gateway, None while unknown.
    """
    found = []
    if not offer.gateways:
        found.append("offers no gateway")
    elif gateway is not None and gateway not in offer.gateways:
        found.append(f"offers the gateway {offer.gateways[0]} instead of {gateway}")
    if offer.mask is None:
        found.append("offers no subnet mask")
    else:
        subnet = ipaddress.ip_network(f"{offer.address}/{offer.mask}", strict=False)
        found += [f"offers the gateway {one}, which is not in {subnet}" for one in offer.gateways if _outside(one, subnet)]
    if not offer.resolvers:
        found.append("offers no name server")
    found += [f"offers the name server {one}, where nobody can answer" for one in offer.resolvers if not _is_host(one)]
    if offer.lease is not None and offer.lease < SHORTEST_LEASE:
        found.append(f"offers a lease of only {offer.lease} s")
    return tuple(found)


def _outside(address: str, subnet: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return ipaddress.ip_address(address) not in subnet


def _is_host(text: str) -> bool:
    """An address that another computer can have: not this one's own loopback, nobody's, everybody's or a group's."""
    address = ipaddress.IPv4Address(text)
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


def _scan_job(interface: Interface, rate: float) -> tuple[dict[str, Any], int]:
    """What to ask for, and the number of addresses."""
    subnets = private_subnets(interface)
    asked = [(str(one.ip), other) for one in subnets for other in _others(one)]
    all6 = [ipaddress.ip_interface(text) for text in interface.addresses if ":" in text]
    job = {
        "interface": interface.name,
        "rate": rate,
        "own4": [str(one.ip) for one in subnets if one.version == 4],
        "own6": [str(one.ip) for one in all6],
        "source6": next((str(one.ip) for one in all6 if one.is_link_local), None) or next((str(one.ip) for one in all6), None),
        "asked": asked,
    }
    return job, len(asked)


def _nobody(interface: Interface) -> dict[str, Any]:
    return {"reason": Reason.NO_ADDRESS, "detail": f"{interface.name} has no address in a private subnet"}


def _scan(answer: Mapping[str, Any], asked: int = 0) -> Scan:
    """What was found, each address with the MACs that answered for it, or why nothing was."""
    if "reason" in answer:
        return Scan({}, asked, Reason(answer["reason"]), answer["detail"])
    hosts: dict[str, tuple[str, ...]] = {}
    for address, mac in answer["found"]:
        hosts[address] = (*hosts.get(address, ()), mac)
    return Scan(hosts, asked)


def _offers(answer: Mapping[str, Any]) -> Offers:
    if "reason" in answer:
        return Offers((), Reason(answer["reason"]), answer["detail"])
    return Offers(tuple(_offer(raw) for raw in answer["offers"]))


async def _frames(job: dict[str, Any], deadline: float) -> dict[str, Any]:
    """The answer of a process that sends and hears raw frames, `{"reason", "detail"}` where it has none."""
    if sys.platform != "linux":
        return {"reason": Reason.NOT_SUPPORTED, "detail": "raw frames are sent on Linux only"}
    try:
        return await run_module(_MODULE, job, deadline)
    except ChildError as error:
        return {"reason": error.reason, "detail": str(error)}


def _offer(raw: Mapping[str, Any]) -> Offer:
    return Offer(
        server=raw["server"],
        mac=raw["mac"],
        address=raw["address"],
        mask=raw["mask"] if _is_mask(raw["mask"]) else None,
        gateways=tuple(filter(_is_address, raw["gateways"])),
        resolvers=tuple(filter(_is_address, raw["resolvers"])),
        lease=raw["lease"],
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


def _is_mask(text: str | None) -> bool:
    """Ones, then zeros; a device may tell anything."""
    if text is None or not _is_address(text):
        return False
    ones = int(ipaddress.IPv4Address(text))
    zeros = ~ones & 0xFFFFFFFF
    return ones > 0 and zeros & (zeros + 1) == 0


def _others(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> list[str]:
    """The other IPv4 addresses of the subnet, cut to the /22 around the address."""
    if address.version == 6:
        return []
    length = max(address.network.prefixlen, LARGEST_PREFIX)
    network = ipaddress.ip_network(f"{address.ip}/{length}", strict=False)
    edges = {address.network.network_address, address.network.broadcast_address, address.ip}
    return [str(one) for one in network if one not in edges]


def _plain(address: str) -> str:
    return str(ipaddress.ip_interface(address).ip)
