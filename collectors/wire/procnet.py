"""The text tables of /proc/net: routes, addresses and interface counters of the process's own network namespace.

These are read instead of /sys/class/net where both tell, because a sysfs mount shows the namespace it was mounted in.
A line that is not understood is left out: a new kernel's extra line must not hide the others.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import NamedTuple

RTF_UP = 0x0001
RTF_REJECT = 0x0200
"""Flags of a route (linux/route.h, linux/ipv6_route.h)."""

DEV_FIELDS = 16


class RouteEntry(NamedTuple):
    """One route; `gateway` is None for a network on the link, the metric is the kernel's (lower wins)."""

    interface: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    gateway: str | None
    metric: int
    flags: int

    @property
    def is_default(self) -> bool:
        """It leads everywhere, is up and does not reject."""
        return self.network.prefixlen == 0 and bool(self.flags & RTF_UP) and not self.flags & RTF_REJECT


class Traffic(NamedTuple):
    """One interface's line of /proc/net/dev: octets, packets, errors and drops of both directions.

    The kernel counts packets that it had no buffer for (`rx_missed_errors`) among the receive drops here.
    """

    receive_bytes: int
    receive_packets: int
    receive_errors: int
    receive_drops: int
    transmit_bytes: int
    transmit_packets: int
    transmit_errors: int
    transmit_drops: int


def parse_route(text: str) -> list[RouteEntry]:
    """/proc/net/route: IPv4 routes; addresses are the network-order word printed in the machine's byte order."""
    found = []
    for line in text.splitlines()[1:]:
        columns = line.split()
        try:
            interface, destination, gateway, flags, metric, mask = (*columns[:4], columns[6], columns[7])
            network = ipaddress.IPv4Network((_ipv4(destination), str(ipaddress.IPv4Address(_ipv4(mask)))))
            via = _ipv4(gateway)
            found.append(
                RouteEntry(interface, network, str(ipaddress.IPv4Address(via)) if any(via) else None, int(metric), int(flags, 16))
            )
        except (ValueError, IndexError, struct.error):
            continue
    return found


def _ipv4(word: str) -> bytes:
    return struct.pack("=I", int(word, 16))


def parse_ipv6_route(text: str) -> list[RouteEntry]:
    """/proc/net/ipv6_route: IPv6 routes; a link-local gateway is given with its scope (`fe80::1%eth0`, RFC 4007)."""
    found = []
    for line in text.splitlines():
        columns = line.split()
        try:
            interface = columns[9]
            network = ipaddress.IPv6Network((bytes.fromhex(columns[0]), int(columns[1], 16)), strict=False)
            via = ipaddress.IPv6Address(bytes.fromhex(columns[4]))
            gateway = None if via.is_unspecified else f"{via}%{interface}" if via.is_link_local else str(via)
            found.append(RouteEntry(interface, network, gateway, int(columns[5], 16), int(columns[8], 16)))
        except (ValueError, IndexError):
            continue
    return found


def parse_if_inet6(text: str) -> dict[str, list[str]]:
    """/proc/net/if_inet6: addresses with prefix length, by interface."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        columns = line.split()
        try:
            held = ipaddress.IPv6Interface((bytes.fromhex(columns[0]), int(columns[2], 16)))
            interface = columns[5]
        except (ValueError, IndexError):
            continue
        found.setdefault(interface, []).append(str(held))
    return found


def parse_local_addresses(text: str) -> list[ipaddress.IPv4Address]:
    """/proc/net/fib_trie: this host's IPv4 addresses, in ascending order, without the loopback's.

    The table does not say which interface holds an address; `assign` finds that by the connected routes.
    """
    found = set()
    address = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "|--":
            address = words[1]
        elif words[:1] == ["/32"] and words[-1] == "LOCAL":
            try:
                local = ipaddress.IPv4Address(address)
            except ValueError:
                continue
            if not local.is_loopback:
                found.add(local)
    return sorted(found)


def assign(addresses: list[ipaddress.IPv4Address], routes: list[RouteEntry]) -> dict[str, list[str]]:
    """IPv4 addresses by interface: each goes to the narrowest connected network that holds it."""
    found: dict[str, list[str]] = {}
    connected = [route for route in routes if route.gateway is None and route.network.prefixlen and route.network.version == 4]
    for address in addresses:
        holding = [route for route in connected if address in route.network]
        if holding:
            best = max(holding, key=lambda route: (route.network.prefixlen, -route.metric))
            found.setdefault(best.interface, []).append(f"{address}/{best.network.prefixlen}")
    return found


def parse_dev(text: str) -> dict[str, Traffic]:
    """/proc/net/dev: counters by interface, in the kernel's order."""
    return dict(_dev_lines(text))


def _dev_lines(text: str) -> Iterator[tuple[str, Traffic]]:
    for line in text.splitlines()[2:]:
        name, colon, rest = line.rpartition(":")  # an alias such as eth0:1 holds a colon itself
        try:
            values = [int(word) for word in rest.split()]
        except ValueError:
            continue
        if colon and len(values) >= DEV_FIELDS and min(values) >= 0 and name.strip():
            yield name.strip(), Traffic(*values[:4], *values[8:12])
