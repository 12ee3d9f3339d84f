"""What the machine's network configuration says: default routes, resolvers, physical interfaces with addresses.

Read every few seconds, so it costs a handful of small files. On Linux from /proc and /sys; elsewhere from what
the operating system tells any program (a default route then has no known gateway, only its interface).
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Literal

from collectors.machine import Machine
from collectors.probe import nics
from collectors.site import Interface, Route, Surroundings
from collectors.wire import procnet
from collectors.wire.resolv import parse_nameservers

UPSTREAM_RESOLVERS = ("/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf", "/run/dnsmasq/resolv.conf")
"""Where systemd-resolved, NetworkManager and dnsmasq write the servers that stand behind a resolver on this machine."""

_PUBLIC: dict[Literal[4, 6], tuple[socket.AddressFamily, str]] = {
    4: (socket.AF_INET, "192.0.2.1"),
    6: (socket.AF_INET6, "2001:db8::1"),
}
"""Documentation addresses (RFC 5737, RFC 3849): any address out there does to ask the routing table; nothing is sent."""


def look(machine: Machine) -> Surroundings:
    """The surroundings now; what cannot be read is empty."""
    return _linux(machine) if machine.platform == "linux" else _elsewhere(machine)


def _linux(machine: Machine) -> Surroundings:
    table4 = procnet.parse_route(machine.read_or_none("/proc/net/route") or "")
    table6 = procnet.parse_ipv6_route(machine.read_or_none("/proc/net/ipv6_route") or "")
    routes = [
        Route(entry.network.version, entry.interface, entry.gateway, entry.metric)
        for entry in (*table4, *table6)
        if entry.is_default and entry.interface != "lo"
    ]
    addresses = _psutil_addresses() if machine.is_real else _captured_addresses(machine, table4)
    routed = {route.interface for route in routes}
    addressed = {name for name, held in addresses.items() if any(not _is_link_local(address) for address in held)}
    names = procnet.parse_dev(machine.read_or_none("/proc/net/dev") or "") or machine.entries("/sys/class/net")
    interfaces = tuple(
        Interface(name, tuple(sorted(addresses.get(name, ()))), wireless=nics.is_wireless(machine, name))
        for name in sorted(names)
        if nics.is_physical(machine, name, routed=routed, addressed=addressed)
    )
    return Surroundings(_ordered(routes), resolvers(machine), interfaces)


def _ordered(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The preferred first; each once, since several routers may announce the same prefix."""
    return tuple(sorted(set(routes), key=lambda route: (route.family, route.metric, route.interface, route.gateway or "")))


def resolvers(machine: Machine) -> tuple[str, ...]:
    """The name servers in use; behind a resolver on this machine also the ones that it asks."""
    found = dict.fromkeys(parse_nameservers(machine.read_or_none("/etc/resolv.conf") or ""))
    if any(ipaddress.ip_address(server).is_loopback for server in found):
        for file in UPSTREAM_RESOLVERS:
            found.update(dict.fromkeys(parse_nameservers(machine.read_or_none(file) or "")))
    return tuple(found)


def _is_link_local(address: str) -> bool:
    return ipaddress.ip_interface(address).is_link_local


def addresses_of(machine: Machine) -> dict[str, list[str]]:
    """Addresses with their prefix length, by interface, link-local ones included."""
    if machine.is_real or machine.platform != "linux":
        return _psutil_addresses()
    return _captured_addresses(machine, procnet.parse_route(machine.read_or_none("/proc/net/route") or ""))


def _captured_addresses(machine: Machine, table: list[procnet.RouteEntry]) -> dict[str, list[str]]:
    found = procnet.assign(procnet.parse_local_addresses(machine.read_or_none("/proc/net/fib_trie") or ""), table)
    for name, held in procnet.parse_if_inet6(machine.read_or_none("/proc/net/if_inet6") or "").items():
        found.setdefault(name, []).extend(held)
    return found


def _psutil_addresses() -> dict[str, list[str]]:
    """From the system itself: two interfaces in one network (cable and Wi-Fi) cannot be told apart in fib_trie."""
    import psutil  # noqa: PLC0415  its cost belongs to the first look

    found: dict[str, list[str]] = {}
    for name, held in psutil.net_if_addrs().items():
        for one in held:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                address = ipaddress.ip_address(one.address.partition("%")[0])
                mask = ipaddress.ip_address(one.netmask) if one.netmask else None
                prefix = int(mask).bit_count() if mask else address.max_prefixlen
                found.setdefault(name, []).append(f"{address}/{prefix}")
    return found


def _elsewhere(machine: Machine) -> Surroundings:
    """Windows, macOS: the interface whose address the system would send from carries the default route."""
    import psutil  # noqa: PLC0415  only where there is no /proc

    addresses = _psutil_addresses()
    routes = []
    for family in _PUBLIC:
        source = source_address(family)
        holder = next((name for name, held in addresses.items() if any(a.split("/")[0] == source for a in held)), None)
        if holder is not None:
            routes.append(Route(family, holder, None, 0))
    stats = psutil.net_if_stats()
    interfaces = tuple(
        Interface(name, tuple(sorted(held)))
        for name, held in sorted(addresses.items())
        if name in stats and not any(ipaddress.ip_interface(address).is_loopback for address in held)
    )
    return Surroundings(tuple(routes), resolvers(machine), interfaces)


def source_address(family: Literal[4, 6]) -> str | None:
    """The address that this machine would send from, None without a default route; nothing is sent."""
    kind, destination = _PUBLIC[family]
    try:
        with socket.socket(kind, socket.SOCK_DGRAM) as channel:
            channel.connect((destination, 9))
            return str(channel.getsockname()[0])
    except OSError:
        return None
