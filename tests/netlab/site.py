"""A commune's site: computers, a switch, a gateway with NAT, DHCP and names, and its lines to the carriers.

Addresses of site n: LAN 192.168.n.0/24 and 2001:db8:n::/64, gateway .1 and ::1, switch .2, computers from .10 and ::10;
lines 100.64.n.0/30 to vnpt and 10.200.n.0/30 to viettel, the carrier's end first.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .lab import End, Lab
from .services import Service, dnsmasq, nginx, tinyproxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .link import Link
    from .node import Node

Uplinks = Literal["one", "router", "pc"]
PROXY_PORT = 3128
PORTAL_PORT = 8080


@dataclass
class Site:
    """The parts of one site.  Faults go on its links: `cables` (one a computer), `trunk`, `line` and `tslcd`."""

    lab: Lab
    number: int
    name: str
    gateway: Node
    switch: Node
    trunk: Link  # switch to gateway
    line: Link  # gateway to vnpt: the internet uplink
    computers: list[Node] = field(default_factory=list)
    cables: list[Link] = field(default_factory=list)
    tslcd: Link | None = None  # gateway (uplinks="pc": the second gateway) to viettel
    second_gateway: Node | None = None
    second_cable: Link | None = None  # uplinks="pc": the computer's eth1
    names: Service | None = None
    proxy: Service | None = None

    @property
    def pc(self) -> Node:
        """The first computer."""
        return self.computers[0]

    @property
    def gateway_address(self) -> str:
        """The gateway as the computers know it."""
        return f"192.168.{self.number}.1"

    @property
    def proxy_url(self) -> str:
        """Where the proxy of a site built with proxy=True listens."""
        return f"http://{self.gateway_address}:{PROXY_PORT}"

    def address(self, computer: int = 0) -> str:
        """IPv4 address of a computer."""
        return f"192.168.{self.number}.{10 + computer}"

    def address_v6(self, computer: int = 0) -> str:
        """IPv6 address of a computer with static addresses."""
        return f"2001:db8:{self.number:x}::{10 + computer}"

    def attach(self, name: str, *addresses: str, mac: str | None = None) -> Node:
        """Plug one more machine into the switch: a printer, a stranger with somebody else's address, a rogue router."""
        node = self.lab.node(f"{self.name}-{name}")
        self.cables.append(self.lab.link(End(node, "eth0", addresses, mac), self.switch))
        return node

    def _free(self, name: str) -> str:
        """The name, numbered when a machine of that name was plugged in before."""
        return name if f"{self.name}-{name}" not in self.lab.nodes else f"{name}{len(self.cables)}"

    def duplicate_address(self, computer: int = 0) -> Node:
        """A stranger who uses the address of a computer.  Cut `cables[-1]` to make it leave."""
        return self.attach(self._free("thief"), f"{self.address(computer)}/24")

    def rogue_dhcp(self) -> Service:
        """A second DHCP server that offers itself as gateway, as a home router plugged in the wrong way round does."""
        node = self.attach(self._free("rogue"), f"192.168.{self.number}.250/24")
        pool = f"192.168.{self.number}.200,192.168.{self.number}.210,255.255.255.0,10m"
        return dnsmasq(node, dhcp=pool)

    @contextlib.contextmanager
    def captive_portal(self) -> Iterator[Service]:
        """The provider wants a log-in first: plain HTTP is answered by its page, all else is dropped, names resolve."""
        page = nginx(
            self.gateway,
            f"server {{ listen {PORTAL_PORT}; return 302 http://login.invalid/; }}",
            ready=("127.0.0.1", PORTAL_PORT),
            name="captive",
        )
        self.gateway.nft(
            f"""table inet captive {{
            chain catch {{ type nat hook prerouting priority -110; iifname "lan" tcp dport 80 redirect to :{PORTAL_PORT}; }}
            chain wall {{ type filter hook forward priority 0; iifname "lan" drop; }}
            }}"""
        )
        try:
            yield page
        finally:
            self.gateway.nft("delete table inet captive")
            page.stop()


def build_site(
    lab: Lab,
    vnpt: Node,
    viettel: Node,
    *,
    number: int,
    name: str,
    computers: int,
    uplinks: Uplinks,
    ipv6: bool | Literal["ra"],
    proxy: bool,
    sysctls: dict[str, str],
    upstream: str | None,
) -> Site:
    """Build and start a site; see `Province.site` for what the arguments mean."""
    lan = (f"192.168.{number}.1/24", *([f"2001:db8:{number:x}::1/64"] if ipv6 else []))
    gateway = lab.node(f"{name}-gateway", router=True)
    switch = lab.switch(f"{name}-switch")
    switch.ip(f"addr add 192.168.{number}.2/24 dev br0", f"route add default via 192.168.{number}.1")
    trunk = lab.link(switch, End(gateway, "lan", lan))
    site = Site(lab, number, name, gateway, switch, trunk, _line_to_vnpt(lab, gateway, vnpt, number))
    if uplinks == "router":
        site.tslcd = _line_to_viettel(lab, gateway, viettel, number)
        gateway.ip(f"route add 10.0.0.0/8 via 10.200.{number}.1")
    _masquerade(gateway)
    if upstream is not None:
        pool = f"192.168.{number}.100,192.168.{number}.199,255.255.255.0,1h"
        options = ["interface=lan", "domain-needed", "bogus-priv"]
        if ipv6 == "ra":
            options += ["enable-ra", "dhcp-range=::,constructor:lan,ra-only,64,1h", "ra-param=lan,10,300"]
        gateway.resolvers("127.0.0.1")
        site.names = dnsmasq(gateway, upstream=upstream, dhcp=pool, options=options)
    for index in range(computers):
        _add_computer(site, index, ipv6=ipv6, sysctls=sysctls)
    if uplinks == "pc":
        _second_uplink(site, viettel)
    if proxy:
        site.proxy = tinyproxy(gateway, port=PROXY_PORT)
        gateway.nft(
            'table inet proxy { chain wall { type filter hook forward priority 0; iifname "lan" oifname "vnpt" drop; }\n}'
        )
    return site


def _line_to_vnpt(lab: Lab, gateway: Node, vnpt: Node, number: int) -> Link:
    ours = (f"100.64.{number}.2/30", f"2001:db8:8000:{number:x}::2/64")
    theirs = (f"100.64.{number}.1/30", f"2001:db8:8000:{number:x}::1/64")
    line = lab.link(End(gateway, "vnpt", ours), End(vnpt, f"site{number}", theirs))
    gateway.ip(f"route add default via 100.64.{number}.1", f"route add default via 2001:db8:8000:{number:x}::1")
    vnpt.ip(f"route add 2001:db8:{number:x}::/48 via 2001:db8:8000:{number:x}::2")
    return line


def _line_to_viettel(lab: Lab, gateway: Node, viettel: Node, number: int) -> Link:
    ours, theirs = f"10.200.{number}.2/30", f"10.200.{number}.1/30"
    return lab.link(End(gateway, "viettel", (ours,)), End(viettel, f"site{number}", (theirs,)))


def _masquerade(gateway: Node) -> None:
    gateway.nft(
        'table ip nat { chain out { type nat hook postrouting priority 100; oifname { "vnpt", "viettel" } masquerade; }\n}'
    )


def _add_computer(site: Site, index: int, *, ipv6: bool | Literal["ra"], sysctls: dict[str, str]) -> None:
    suffix = "pc" if index == 0 else f"pc{index + 1}"
    solicit_at_once = {"net.ipv6.conf.default.router_solicitation_delay": "0"}
    node = site.lab.node(f"{site.name}-{suffix}", {**solicit_at_once, **sysctls})
    static_v6 = [f"{site.address_v6(index)}/64"] if ipv6 and ipv6 != "ra" else []
    end = End(node, "eth0", (f"{site.address(index)}/24", *static_v6))
    site.cables.append(site.lab.link(end, site.switch))
    node.route("default", site.gateway_address, metric=100)
    if static_v6:
        node.ip(f"route add default via 2001:db8:{site.number:x}::1")
    node.resolvers(site.gateway_address)
    site.computers.append(node)


def _second_uplink(site: Site, viettel: Node) -> None:
    """A gateway of its own behind eth1 of the first computer, as a second router of a second carrier."""
    gateway = site.lab.node(f"{site.name}-gateway2", router=True)
    subnet = f"192.168.{100 + site.number}"
    site.second_cable = site.lab.link(End(site.pc, "eth1", (f"{subnet}.10/24",)), End(gateway, "lan", (f"{subnet}.1/24",)))
    site.tslcd = _line_to_viettel(site.lab, gateway, viettel, site.number)
    gateway.ip(f"route add default via 10.200.{site.number}.1")
    _masquerade(gateway)
    site.pc.route("default", f"{subnet}.1", metric=200)
    site.pc.ip(f"route add 10.0.0.0/8 via {subnet}.1")
    site.second_gateway = gateway
