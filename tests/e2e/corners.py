"""Faults and oddities as they come in the field: filters, half-open login pages, other lies, other computers' habits."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.e2e.faults import PC_TWO, Bench, Fault, Inject, commands, portal, resolver, with_tls
from tests.e2e.unseen import RESPONDER, TSLCD, TSLCD_CONFIG, tslcd
from tests.e2e.variations import serving
from tests.netlab import services
from tests.netlab.certificates import Authority

WEB = "198.51.100.80"
BEACONS = "{ 1.1.1.1, 8.8.8.8 }"


def _filter(rules: str, nat: str = "") -> Inject:
    """The gateway forwards by these rules (nftables)."""

    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        gateway = bench.site.gateway
        gateway.nft(
            f"table inet corner {{ chain wall {{ type filter hook forward priority 0; {rules} }}\n"
            f"chain catch {{ type nat hook prerouting priority -110; {nat} }}\n}}"
        )
        try:
            yield
        finally:
            gateway.nft("delete table inet corner")

    return inject


def _login(page: str, *, secure: bool, rules: str = "") -> Inject:
    """A login page at the gateway takes plain HTTP, `secure` also HTTPS; of the rest `rules` decides."""

    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        own = Authority(bench.directory / "box", "Login Box")
        certificate = own.issue(["login.invalid"])
        web = services.nginx(
            bench.site.gateway,
            f"server {{ listen 8080; listen 8443 ssl; ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
            f" {page} }}",
            ready=("127.0.0.1", 8080),
            name="login",
        )
        nat = 'iifname "lan" tcp dport 80 redirect to :8080; '
        nat += 'iifname "lan" tcp dport 443 redirect to :8443;' if secure else ""
        try:
            with _filter(rules, nat)(bench):
                yield
        finally:
            web.stop()

    return inject


def resolver_says(*arguments: str) -> Inject:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with resolver(bench) as node:
            process = node.popen([sys.executable, RESPONDER, *arguments])
            try:
                yield
            finally:
                process.terminate()
                process.wait(5)

    return inject


def _lies(address: str, *names: str) -> Inject:
    """This address for these names (all when none is given), the truth for others."""
    lines = [f"address=/{name}/{address}" for name in names or ("#",)]
    return lambda bench: resolver(bench, *lines, upstream="1.1.1.1")


@contextlib.contextmanager
def _liar_at_the_gateway(bench: Bench, address: str) -> Iterator[None]:
    """A second name server on the gateway, for those who are led to it."""
    service = services.dnsmasq(bench.site.gateway, options=[f"address=/#/{address}"], name="liar", port=5353)
    try:
        yield
    finally:
        service.stop()


def both(*injections: Inject) -> Inject:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for one in injections:
                stack.enter_context(one(bench))
            yield

    return inject


NO_OTHER_RESOLVER = _filter('iifname "lan" meta l4proto { tcp, udp } th dport 53 drop;')
"""Names only by the site's own server, as many networks of the state have it."""


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


@contextlib.contextmanager
def _stub(bench: Bench, *, dead: bool) -> Iterator[None]:
    """Names by a resolver on the computer itself, which asks the router, or one that is not there."""
    upstream = f"192.168.{bench.site.number}.77" if dead else bench.site.gateway_address
    service = services.dnsmasq(bench.site.pc, upstream=upstream, options=["listen-address=127.0.0.53"], ready="127.0.0.53")
    bench.site.pc.resolvers("127.0.0.53")
    try:
        yield
    finally:
        bench.site.pc.resolvers(bench.site.gateway_address)
        service.stop()


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


PLAIN = 'http: {targets: [{name: portal, url: "http://dichvucong.gov.vn/"}]}\n'
SECURE = 'http: {targets: [{name: portal, url: "https://dichvucong.gov.vn/"}]}\n'
THREE = (
    'http: {targets: [{name: one, url: "https://dichvucong.gov.vn/"}, {name: two, url: "http://GONE/"},'
    ' {name: three, url: "https://xacthuc.dichvucong.gov.vn/"}]}\n'
)
SSO = "sso.dancuquocgia.gov.vn"

CORNERS = (
    Fault("resolver sends all to 0.0.0.0", ("dns.wrong_answer",), _lies("0.0.0.0")),
    Fault("resolver gives another public address", ("dns.wrong_answer",), _lies("203.0.113.10")),
    Fault("resolver lies about one portal of several", ("dns.wrong_answer",), _lies("203.0.113.10", SSO)),
    Fault(
        "resolver denies one portal of several",
        ("dns.wrong_answer",),
        lambda b: resolver(b, f"address=/{SSO}/", upstream="1.1.1.1"),
    ),
    Fault("resolver answers with nothing", ("dns.wrong_answer",), resolver_says("0")),
    Fault("resolver answers with a circle of aliases", ("dns.wrong_answer",), resolver_says("loop")),
    Fault("resolver deaf to questions for IPv6", ("dns.slow",), resolver_says("deaf", WEB)),
    Fault(
        "resolver lies, no other can be asked",
        ("dns.wrong_answer",),
        both(NO_OTHER_RESOLVER, lambda b: resolver(b, "address=/#/10.66.6.6")),
    ),
    Fault(
        "resolver sends to 0.0.0.0, no other can be asked",
        ("dns.wrong_answer",),
        both(NO_OTHER_RESOLVER, lambda b: resolver(b, "address=/#/0.0.0.0")),
    ),
    Fault(
        "resolver denies all, no other can be asked",
        ("dns.wrong_answer",),
        both(NO_OTHER_RESOLVER, lambda b: resolver(b, "address=/#/")),
    ),
    Fault("resolver lies about a portal without TLS", ("dns.wrong_answer",), _lies("203.0.113.10"), config=PLAIN),
    Fault(
        "a liar answers for every name server",
        ("dns.wrong_answer",),
        both(
            _filter("", 'iifname "lan" meta l4proto { tcp, udp } th dport 53 redirect to :5353;'),
            lambda b: _liar_at_the_gateway(b, "10.66.6.6"),
        ),
    ),
    Fault("own resolver asks one that is gone", ("dns.unreachable",), lambda b: _stub(b, dead=True)),
    Fault(
        "plain HTTP led to a login page, the rest open",
        ("wan.captive_portal",),
        _login("return 302 http://login.invalid/;", secure=False),
    ),
    Fault("plain HTTP answered by a page, the rest open", ("wan.captive_portal",), _login("return 200 hello;", secure=False)),
    Fault(
        "HTTP and HTTPS led to a login page",
        ("wan.captive_portal",),
        _login("return 302 https://login.invalid/;", secure=True, rules='iifname "lan" drop;'),
    ),
    Fault(
        "HTTP and HTTPS led to a login page, pings pass",
        ("wan.captive_portal",),
        _login("return 302 https://login.invalid/;", secure=True),
    ),
    Fault("HTTP and HTTPS answered by a box, pings pass", ("wan.captive_portal",), _login("return 200;", secure=True)),
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
    Fault("IPv6 not forwarded", ("ipv6.broken",), _filter('iifname "lan" meta nfproto ipv6 drop;'), {"ipv6": "ra"}),
    Fault(
        "carrier lets ten pings pass in a second",
        (None,),
        _filter('iifname "lan" ip protocol icmp limit rate over 10/second drop;'),
    ),
    Fault("pings blocked everywhere", (None,), lambda b: b.site.cables[0].block_icmp()),
    Fault("pings of IPv6 blocked", (None,), _filter('iifname "lan" ip6 nexthdr ipv6-icmp drop;'), {"ipv6": True}),
    Fault("beacons blocked, portals open", (None,), _filter(f'iifname "lan" ip daddr {BEACONS} drop;')),
    Fault(
        "beacons blocked, a portal without TLS open", (None,), _filter(f'iifname "lan" ip daddr {BEACONS} drop;'), config=PLAIN
    ),
    Fault("no other resolver can be asked", (None,), NO_OTHER_RESOLVER),
    Fault("own resolver on the computer", (None,), lambda b: _stub(b, dead=False)),
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
