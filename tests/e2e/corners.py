"""Faults and oddities as they come in the field: filters, certificates, clocks, and other computers' habits."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.e2e.faults import PC_TWO, Bench, Fault, Inject, commands, portal, with_tls
from tests.e2e.liars import NO_OTHER_RESOLVER, PLAIN, WEB, both, filtered, stub
from tests.e2e.unseen import TSLCD, TSLCD_CONFIG, tslcd
from tests.e2e.variations import serving
from tests.netlab import services
from tests.netlab.certificates import Authority

BEACONS = "{ 1.1.1.1, 8.8.8.8 }"


def _chain(bench: Bench, *, sent: bool, days: int = 365) -> AbstractContextManager[None]:
    """Portals whose certificate was issued by an intermediate authority, which they send along or forget."""
    assert bench.province.authority is not None
    middle = Intermediate(bench.province.authority, bench.directory / f"middle{sent}{days}", days)
    leaf = middle.issue(bench.province.portals)
    if sent:
        leaf.chain.write_text(leaf.chain.read_text("utf-8") + middle.file.read_text("utf-8"), encoding="utf-8")
    return portal(
        bench,
        f"server {{ listen {WEB}:80; listen {WEB}:443 ssl; ssl_certificate {leaf.chain}; ssl_certificate_key {leaf.key};"
        " location / { return 200; } }",
    )


class Intermediate(Authority):
    """An authority whose own certificate another one has signed; negative `days`: it has expired."""

    def __init__(self, root: Authority, directory: Path, days: int) -> None:
        super().__init__(directory, "Netlab Intermediate CA")
        root.sign_authority(self, days=days)


@contextlib.contextmanager
def _dhcp_twice(bench: Bench) -> Iterator[None]:
    """The site's own server and one more, each giving out the same gateway."""
    site = bench.site
    address = f"192.168.{site.number}.{150 + len(site.cables)}"
    node = site.attach(f"dhcp{len(site.cables)}", f"{address}/24")
    cable = site.cables[-1]
    pool = f"192.168.{site.number}.200,192.168.{site.number}.210,255.255.255.0,10m"
    service = services.dnsmasq(node, dhcp=pool, options=[f"dhcp-option=3,{site.gateway_address}"])
    bench.config = bench.config.replace("SECOND", address).replace("FIRST", site.gateway_address)
    try:
        yield
    finally:
        service.stop()
        cable.cut()


def _beside(*commands_: str, gone: str) -> Inject:
    """A card or bridge of the computer that has nothing to do with the way out."""
    return lambda bench: commands(bench, commands_, [f"link del dev {gone}"])


def _foreign_gateway(bench: Bench) -> AbstractContextManager[None]:
    back = f"route replace default via {bench.site.gateway_address} metric 100"
    return commands(bench, ["route replace default via 192.168.77.1 dev eth0 onlink metric 100"], [back])


def _portal_gone(bench: Bench) -> AbstractContextManager[None]:
    """One portal of three at an address where nobody is; its name resolves as it should."""
    bench.config = bench.config.replace("GONE", "198.51.100.99")
    return contextlib.nullcontext()


@contextlib.contextmanager
def _full_tmpfs(bench: Bench) -> Iterator[None]:
    """The agent keeps its state on a disk of its own, which is full."""
    place = bench.directory / "state"
    place.mkdir(exist_ok=True)
    bench.site.pc.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", place])
    bench.site.pc.run(["sh", "-c", f"head -c 9999999 /dev/zero >{place}/fill 2>/dev/null; true"])
    bench.config = f"state_dir: {place}\n"
    try:
        yield
    finally:
        bench.site.pc.run(["umount", place])


def _parent_down(bench: Bench) -> AbstractContextManager[None]:
    """A switch that is off, and the printer behind it."""
    network = f"192.168.{bench.site.number}"
    bench.config = (
        "snmp: {auths: {default: {version: 2c, community: public}}, devices: ["
        f"{{name: printer, address: {network}.78, auth: default, parent: switch}}, "
        f"{{name: switch, address: {network}.77, auth: default}}]}}\n"
    )
    return contextlib.nullcontext()


@contextlib.contextmanager
def _set_back(bench: Bench, shift: str) -> Iterator[None]:
    """The clock as every program of the computer sees it (libfaketime): TLS judges by it too."""
    bench.environ = {
        "LD_PRELOAD": str(next(Path("/usr/lib").rglob("faketime/libfaketimeMT.so.1"))),
        "FAKETIME": shift,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    try:
        yield
    finally:
        bench.environ = {}


def _clock(shift: str) -> Inject:
    return lambda bench: _set_back(bench, shift)


@contextlib.contextmanager
def _narrow_mask(bench: Bench) -> Iterator[None]:
    """The router is within the mask, others are not; what DHCP gives out tells."""
    own, route = bench.site.address(), f"route replace default via {bench.site.gateway_address} metric 100"
    narrow = ["addr flush dev eth0", f"addr add {own}/28 dev eth0", route]
    with commands(bench, narrow, ["addr flush dev eth0", f"addr add {own}/24 dev eth0", route]):
        yield


def _talker(bench: Bench) -> AbstractContextManager[None]:
    """Behind the TLS of the portals something else than a web server talks."""
    assert bench.province.authority is not None
    certificate = bench.province.authority.issue(bench.province.portals)
    return serving(bench, "talks", str(certificate.chain), str(certificate.key))


def _nothing(_: Bench) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


SECURE = 'http: {targets: [{name: portal, url: "https://dichvucong.gov.vn/"}]}\n'
THREE = (
    'http: {targets: [{name: one, url: "https://dichvucong.gov.vn/"}, {name: two, url: "http://GONE/"},'
    ' {name: three, url: "https://xacthuc.dichvucong.gov.vn/"}]}\n'
)

CORNERS = (
    Fault(
        "portal redirects in a circle", ("service.error",), lambda b: portal(b, with_tls(b, "return 302 https://$host/again;"))
    ),
    Fault("portal speaks no HTTP", ("service.error",), _talker),
    Fault("first of two cables out", ("interface.down",), lambda b: b.site.cables[0].cut(), PC_TWO),
    Fault("both lines lossy", ("wan.lossy",), both(lambda b: b.site.line.loss(0.15), lambda b: tslcd(b).loss(0.15)), PC_TWO),
    Fault(
        "Internet line down, TSLCD behind the same router works",
        ("link.down",),
        lambda b: b.site.line.blackhole(),
        TSLCD,
        TSLCD_CONFIG,
    ),
    Fault("TSLCD line lossy", ("wan.lossy",), lambda b: tslcd(b).loss(0.15), TSLCD, TSLCD_CONFIG),
    Fault("mask too narrow, the router within", ("address.mask",), _narrow_mask),
    Fault("intermediate certificate not sent", ("service.tls_untrusted",), lambda b: _chain(b, sent=False)),
    Fault("intermediate certificate expired", ("service.tls_expired",), lambda b: _chain(b, sent=True, days=-2)),
    Fault("intermediate certificate sent", (None,), lambda b: _chain(b, sent=True)),
    Fault("gateway in another network", ("address.mask", "gateway.unreachable"), _foreign_gateway),
    Fault("second DHCP server, not on the list", ("dhcp.rogue",), _dhcp_twice, config="lan: {allowed_dhcp_servers: [FIRST]}\n"),
    Fault("second DHCP server, on the list", (None,), _dhcp_twice, config="lan: {allowed_dhcp_servers: [FIRST, SECOND]}\n"),
    Fault("one of three portals gone", ("service.unreachable",), _portal_gone, config=THREE),
    Fault("disk of the agent's state full", ("host.disk_full",), _full_tmpfs),
    Fault("switch off, and the printer behind it", ("device.unreachable",), _parent_down),
    Fault("clock ten minutes ahead", ("clock.wrong",), _clock("+10m")),
    Fault("clock a day behind", ("clock.wrong",), _clock("-1d")),
    Fault("clock three years ahead", ("clock.wrong",), _clock("+3y")),
    Fault("clock six years behind", ("clock.wrong",), _clock("-6y")),
    Fault("clock six years behind, every portal by TLS", ("clock.wrong",), _clock("-6y"), config=SECURE),
    Fault("IPv6 not forwarded", ("ipv6.broken",), filtered('iifname "lan" meta nfproto ipv6 drop;'), {"ipv6": "ra"}),
    Fault(
        "carrier lets ten pings pass in a second",
        (None,),
        filtered('iifname "lan" ip protocol icmp limit rate over 10/second drop;'),
    ),
    Fault("pings blocked everywhere", (None,), lambda b: b.site.cables[0].block_icmp()),
    Fault("pings of IPv6 blocked", (None,), filtered('iifname "lan" ip6 nexthdr ipv6-icmp drop;'), {"ipv6": True}),
    Fault("beacons blocked, portals open", (None,), filtered(f'iifname "lan" ip daddr {BEACONS} drop;')),
    Fault(
        "beacons blocked, a portal without TLS open", (None,), filtered(f'iifname "lan" ip daddr {BEACONS} drop;'), config=PLAIN
    ),
    Fault("no other resolver can be asked", (None,), NO_OTHER_RESOLVER),
    Fault("own resolver on the computer", (None,), lambda b: stub(b, dead=False)),
    Fault(
        "second card without a cable",
        (None,),
        _beside("link add dev eth9 type veth peer name eth9p", "link set dev eth9 up", gone="eth9"),
    ),
    Fault(
        "bridge of containers without one running",
        (None,),
        _beside("link add docker0 type bridge", "addr add 172.17.0.1/16 dev docker0", "link set docker0 up", gone="docker0"),
    ),
    Fault(
        "private network to the head office",
        (None,),
        _beside(
            "tuntap add dev tun7 mode tun",
            "addr add 10.8.0.2/24 dev tun7",
            "link set tun7 up",
            "route add 10.9.0.0/16 dev tun7",
            gone="tun7",
        ),
    ),
    Fault("no portal configured", (None,), _nothing, config="http: {targets: []}\n"),
    Fault("only a portal without TLS", (None,), _nothing, config=PLAIN),
)
