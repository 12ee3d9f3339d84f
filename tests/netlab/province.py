"""What a province's sites have in common: two carriers, the internet with its portals, and the provincial centre.

    site - (access line) - vnpt ---- internet: beacons, names, portals
    site - (TSLCD line) - viettel -+- province: hub, beacon, conference bridge
                                   +- internet (for sites whose second line is an internet line)

Every address lives in the laboratory only, so nodes carry the real beacons' addresses and the real portals' names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .certificates import Authority
from .lab import End, Lab
from .services import Service, dnsmasq, nginx
from .site import Site, Uplinks, build_site

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from .link import Link
    from .node import Node

INTERNET_BEACONS = ("1.1.1.1", "8.8.8.8")
INTERNET_BEACONS_V6 = ("2606:4700:4700::1111", "2001:4860:4860::8888")
TSLCD_BEACON = "10.0.0.10"
CONFERENCE = "10.0.0.20"
HUB = "203.0.113.10"
HUB_V6 = "2001:db8:ffff::10"
WEB = "198.51.100.80"
WEB_V6 = "2001:db8:fffe::80"
PORTALS = (
    "dichvucong.gov.vn",
    "xacthuc.dichvucong.gov.vn",
    "sso.dancuquocgia.gov.vn",
    "dichvucong.lamdong.gov.vn",
    "ocsp.ca.gov.vn",
    "tsa.ca.gov.vn",
)


class Province:
    """`Province(lab)` builds the shared part; `site()` attaches communes to it.

    `web=False` or `names=False` leave the servers out where a test needs only packets.
    """

    def __init__(self, lab: Lab, *, names: bool = True, web: bool = True, portals: Iterable[str] = PORTALS) -> None:
        self.lab = lab
        self.portals = tuple(portals)
        self.sites: list[Site] = []
        self.internet: Node = lab.node("internet", router=True)
        self.vnpt: Node = lab.node("vnpt", router=True)
        self.viettel: Node = lab.node("viettel", router=True)
        self.province: Node = lab.node("province", router=True)
        # The backbones: a fault here hits every site.
        self.internet_core: Link = self._backbone(self.vnpt, self.internet, 0)
        self.tslcd_core: Link = self._backbone(self.viettel, self.province, 1)
        self.hub_line: Link = self._backbone(self.internet, self.province, 2)
        self.viettel_core: Link = self._backbone(self.viettel, self.internet, 3)
        for node, addresses in (
            (self.internet, (*INTERNET_BEACONS, *INTERNET_BEACONS_V6, WEB, WEB_V6)),
            (self.province, (TSLCD_BEACON, CONFERENCE, HUB, HUB_V6)),
        ):
            node.ip(*(f"addr add {address} dev lo" for address in addresses))
        self._routes()
        self.authority: Authority | None = None
        self.records: dict[str, tuple[str, ...]] = dict.fromkeys(self.portals, (WEB, WEB_V6))
        self.name_service: Service | None = dnsmasq(self.internet, records=self.records) if names else None
        self.internet.resolvers("127.0.0.1")
        self.province.resolvers(INTERNET_BEACONS[0])
        self.web: Service | None = self._portals() if web else None

    @property
    def ca_file(self) -> Path:
        """The certificate a client must trust to accept the portals."""
        if self.authority is None:
            message = "this province was built without web=True"
            raise LookupError(message)
        return self.authority.file

    def site(
        self,
        name: str | None = None,
        *,
        computers: int = 1,
        uplinks: Uplinks = "router",
        ipv6: bool | Literal["ra"] = False,
        proxy: bool = False,
        sysctls: Mapping[str, str] | None = None,
    ) -> Site:
        """Attach a commune.  Its nodes are called `<name>-pc`, `<name>-switch`, `<name>-gateway`.

        `uplinks`: "one" (internet only), "router" (internet and TSLCD behind the gateway), "pc" (the first computer
        has two default routes, through two gateways).  `ipv6`: True for static addresses, "ra" for router
        advertisements.  `proxy`: the internet is reached through `site.proxy_url` only.
        """
        site = build_site(
            self.lab,
            self.vnpt,
            self.viettel,
            number=len(self.sites) + 1,
            name=name or f"s{len(self.sites) + 1}",
            computers=computers,
            uplinks=uplinks,
            ipv6=ipv6,
            proxy=proxy,
            sysctls=dict(sysctls or {}),
            upstream=INTERNET_BEACONS[0] if self.name_service else None,
        )
        self.sites.append(site)
        return site

    def _backbone(self, a: Node, b: Node, number: int) -> Link:
        first = 4 * number + 1
        return self.lab.link(
            End(a, f"to-{b.name}", (f"172.31.0.{first}/30", f"2001:db8:ff00:{number}::1/64")),
            End(b, f"to-{a.name}", (f"172.31.0.{first + 1}/30", f"2001:db8:ff00:{number}::2/64")),
        )

    def _routes(self) -> None:
        self.vnpt.ip("route add default via 172.31.0.2", "route add default via 2001:db8:ff00:0::2")
        self.viettel.ip(
            "route add default via 172.31.0.14",
            "route add default via 2001:db8:ff00:3::2",
            "route add 10.0.0.0/24 via 172.31.0.6",
        )
        self.province.ip(
            "route add default via 172.31.0.9",
            "route add default via 2001:db8:ff00:2::1",
            "route add 10.200.0.0/16 via 172.31.0.5",
        )
        self.internet.ip(
            "route add 100.64.0.0/10 via 172.31.0.1",
            "route add 10.200.0.0/16 via 172.31.0.13",
            f"route add {HUB} via 172.31.0.10",
            f"route add {HUB_V6} via 2001:db8:ff00:2::2",
            "route add 2001:db8::/35 via 2001:db8:ff00:0::1",
            "route add 2001:db8:8000::/36 via 2001:db8:ff00:0::1",
        )

    def restart_web(self) -> None:
        """The portals' server again, after a test stopped it."""
        self.web = self._portals()

    def _portals(self) -> Service:
        self.authority = self.authority or Authority(self.lab.directory / "authority")
        certificate = self.authority.issue([*self.portals, WEB, HUB])
        secure = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
        return nginx(
            self.internet,
            f"server {{ listen {WEB}:80; listen {WEB}:443 ssl; listen [{WEB_V6}]:80; listen [{WEB_V6}]:443 ssl;\n"
            f"  {secure} location / {{ return 200 '$host\\n'; }} location /busy {{ return 503; }} }}",
            ready=(WEB, 443),
        )
