"""Further faults beyond the contract's list: variations of each kind, in which another place, part or moment is struck."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.e2e.devices import BATTERY, MAINS, device, printer, ups
from tests.e2e.faults import PC_TWO, PROXY, Bench, Fault, Inject, commands, portal, resolver, tls_portal, with_tls
from tests.e2e.unseen import second_cable, tslcd
from tests.netlab import services

SERVER = Path(__file__).with_name("odd_server.py")
NXDOMAIN = 3


@contextlib.contextmanager
def serving(bench: Bench, *arguments: str) -> Iterator[None]:
    """A server that behaves as `odd_server.py` says in place of the portals."""
    with portal(bench, ""):
        process = bench.province.internet.popen([sys.executable, SERVER, *arguments], stdout=subprocess.DEVNULL)
        try:
            yield
        finally:
            process.terminate()
            process.wait(5)


def _not_yet_valid(bench: Bench) -> AbstractContextManager[None]:
    """Installed a month too early."""
    assert bench.province.authority is not None
    certificate = bench.province.authority.issue(bench.province.portals, ahead=30)
    return portal(
        bench,
        "server { listen 198.51.100.80:80; listen 198.51.100.80:443 ssl; "
        f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key}; location / {{ return 200; }} }}",
    )


@contextlib.contextmanager
def _hanging_program(bench: Bench) -> Iterator[None]:
    """The web server answers the handshake, and the program behind it never does."""
    process = bench.province.internet.popen([sys.executable, SERVER, "mute", "127.0.0.1:8099"], stdout=subprocess.DEVNULL)
    try:
        with portal(bench, with_tls(bench, "proxy_pass http://127.0.0.1:8099;")):
            yield
    finally:
        process.terminate()
        process.wait(5)


@contextlib.contextmanager
def _wall(bench: Bench, catch: str, page: str, pass_: str = "") -> Iterator[None]:
    """Somebody at the gateway answers plain HTTP with `page`; of all else only what `pass_` matches gets through."""
    gateway = bench.site.gateway
    web = services.nginx(gateway, f"server {{ listen 8080; {page} }}", ready=("127.0.0.1", 8080), name="wall")
    through = f'iifname "lan" {pass_} accept;' if pass_ else ""
    gateway.nft(
        f"""table inet wall {{
        chain catch {{ type nat hook prerouting priority -110; {catch} }}
        chain wall {{ type filter hook forward priority 0; {through} iifname "lan" drop; }}
        }}"""
    )
    try:
        yield
    finally:
        gateway.nft("delete table inet wall")
        web.stop()


ALL_HTTP = 'iifname "lan" tcp dport 80 redirect to :8080;'


def _login_511(bench: Bench) -> AbstractContextManager[None]:
    return _wall(bench, ALL_HTTP, "return 511;")


def _login_200(bench: Bench) -> AbstractContextManager[None]:
    return _wall(bench, ALL_HTTP, "return 200 login;")


def _login_half_open(bench: Bench) -> AbstractContextManager[None]:
    return _wall(bench, ALL_HTTP, "return 302 http://login.invalid/;", "meta l4proto { icmp, ipv6-icmp }")


@contextlib.contextmanager
def _login_by_names(bench: Bench) -> Iterator[None]:
    """The resolver leads every name to the login page, and nothing else gets through."""
    gateway = bench.site.gateway_address
    page = f"return 302 http://{gateway}:8080/login;"
    rule = f'iifname "lan" ip daddr {gateway} tcp dport 80 redirect to :8080;'
    with resolver(bench, f"address=/#/{gateway}"), _wall(bench, rule, page):
        yield


@contextlib.contextmanager
def _gateway_thief(bench: Bench) -> Iterator[None]:
    """A second machine with the gateway's address."""
    bench.site.attach(f"thief{len(bench.site.cables)}", f"{bench.site.gateway_address}/24")
    cable = bench.site.cables[-1]
    try:
        yield
    finally:
        cable.cut()
        bench.site.pc.ip("neigh flush all")


def _link_local_beside(bench: Bench) -> AbstractContextManager[None]:
    return commands(bench, ["addr add 169.254.9.9/16 dev eth0"], ["addr del 169.254.9.9/16 dev eth0"])


@contextlib.contextmanager
def _proxy_asks(bench: Bench) -> Iterator[None]:
    """The proxy wants a password that nobody has entered (407)."""
    with _other_proxy(bench, "BasicAuth somebody secret"):
        yield


@contextlib.contextmanager
def _proxy_denies(bench: Bench) -> Iterator[None]:
    """The proxy lets this computer reach nothing (403)."""
    with _other_proxy(bench, "Allow 127.0.0.1"):
        yield


@contextlib.contextmanager
def _other_proxy(bench: Bench, options: str) -> Iterator[None]:
    site = bench.site
    assert site.proxy is not None
    site.proxy.stop()
    other = services.tinyproxy(site.gateway, options=options)
    try:
        yield
    finally:
        other.stop()
        site.proxy = services.tinyproxy(site.gateway)


@contextlib.contextmanager
def _own_resolver(bench: Bench, address: str) -> Iterator[None]:
    bench.site.pc.resolvers(address)
    try:
        yield
    finally:
        bench.site.pc.resolvers(bench.site.gateway_address)


@contextlib.contextmanager
def _aaaa_only(bench: Bench) -> Iterator[None]:
    """A resolver that keeps the IPv4 addresses for itself, where the site has no IPv6."""
    lines = [f"address=/{name}/2001:db8:fffe::80" for name in bench.province.portals]
    with resolver(bench, *lines, "filter-A"):
        yield


def _slow_names(seconds: float) -> Inject:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with resolver(bench, upstream="1.1.1.1"), bench.site.cables[-1].delay(seconds):
            yield

    return inject


@contextlib.contextmanager
def _ra_without_line(bench: Bench) -> Iterator[None]:
    with bench.site.line.blackhole("meta protocol ip6"):
        yield


def _no_carrier_at_the_switch(bench: Bench) -> AbstractContextManager[object]:
    """The computer still has light, and the switch has none from it: frames vanish both ways."""
    return bench.site.cables[0].blackhole()


@contextlib.contextmanager
def _interface_off(bench: Bench) -> Iterator[None]:
    gateway = bench.site.gateway_address
    back = ["link set dev eth0 up", f"route replace default via {gateway} metric 100"]
    with commands(bench, ["link set dev eth0 down"], back):
        yield


@contextlib.contextmanager
def _portal_address_moved(bench: Bench) -> Iterator[None]:
    """The name service still gives the old address, at which nobody lives any more."""
    with resolver(bench, *(f"address=/{name}/198.51.100.99" for name in bench.province.portals), upstream="1.1.1.1"):
        yield


def _with(first: Inject, second: Inject) -> Inject:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with first(bench), second(bench):
            yield

    return inject


def _answer(action: str) -> Inject:
    return lambda bench: portal(bench, with_tls(bench, action))


def _one_portal(bench: Bench) -> AbstractContextManager[None]:
    """One of the portals answers 500, the others well."""
    name = re.escape(bench.province.portals[0])
    return portal(bench, with_tls(bench, f"if ($host ~ ^{name}$) {{ return 500; }} return 200;"))


@contextlib.contextmanager
def _told_mtu(bench: Bench) -> Iterator[None]:
    bench.site.line.mtu(1400)
    try:
        yield
    finally:
        bench.site.line.mtu(1500)
        bench.site.pc.ip("route flush cache")


def _redirecting(bench: Bench) -> AbstractContextManager[None]:
    """The first portal sends its visitors to another host, as portals with a central login do."""
    name = re.escape(bench.province.portals[0])
    other = bench.province.portals[1]
    return portal(bench, with_tls(bench, f"if ($host ~ ^{name}$) {{ return 302 https://{other}/; }} return 200;"))


TWO_ROUTES = (
    "links:\n  - {name: internet, kind: internet, carrier: vnpt, interface: eth0}\n"
    "  - {name: backup, kind: internet, carrier: viettel, interface: eth1}\n"
)

VARIATIONS = (
    Fault("card switched off", ("interface.down",), _interface_off),
    Fault("switch port dead with light", ("gateway.unreachable",), _no_carrier_at_the_switch),
    Fault("two machines with the gateway's address", ("address.duplicate",), _gateway_thief),
    Fault("resolver denies every name (NXDOMAIN)", ("dns.wrong_answer",), lambda b: resolver(b, "address=/#/")),
    Fault("resolver gives IPv6 addresses only", ("dns.wrong_answer",), _aaaa_only),
    Fault("resolver gives an old address", ("dns.wrong_answer",), _portal_address_moved),
    Fault(
        "resolver without a server at its port", ("dns.unreachable",), lambda b: _own_resolver(b, f"192.168.{b.site.number}.2")
    ),
    Fault("resolver far away and dead", ("dns.unreachable",), lambda b: _own_resolver(b, "203.0.113.53")),
    Fault("resolver very slow (0.9 s)", ("dns.slow",), _slow_names(0.45)),
    Fault("login page: 511", ("wan.captive_portal",), _login_511),
    Fault("login page: any page, 200", ("wan.captive_portal",), _login_200),
    Fault("login page, pings pass", ("wan.captive_portal",), _login_half_open),
    Fault("login page by a lying resolver", ("wan.captive_portal",), _login_by_names),
    Fault("portal accepts and says nothing (TLS)", ("service.unreachable",), lambda b: serving(b, "mute")),
    Fault("portal closes every connection", ("service.unreachable",), lambda b: serving(b, "closes")),
    Fault("portal speaks no TLS", ("service.unreachable", "service.tls_untrusted"), lambda b: serving(b, "plain")),
    Fault("portal too slow to answer", ("service.unreachable",), _hanging_program),
    Fault("portal 502", ("service.error",), _answer("return 502;")),
    Fault("one portal of several 500", ("service.error",), _one_portal),
    Fault("certificate not yet valid", ("service.tls_untrusted",), _not_yet_valid),
    Fault("certificate expired yesterday", ("service.tls_expired",), lambda b: tls_portal(b, days=-1)),
    Fault("9 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.09, toward=b.site.gateway)),
    Fault("6 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.06, toward=b.site.gateway)),
    Fault("loss in bursts", ("wan.lossy",), lambda b: b.site.line.burst_loss(0.05, 0.25)),
    Fault("180 ms delay", ("wan.slow",), lambda b: b.site.line.delay(0.090)),
    Fault("600 ms, as by satellite", ("wan.slow",), lambda b: b.site.line.delay(0.300)),
    Fault("delay on the second of two lines", ("wan.slow",), lambda b: tslcd(b).delay(0.150), PC_TWO),
    Fault("jitter on the second of two lines", ("wan.jitter",), lambda b: tslcd(b).delay(0.05, 0.05, reorder=True), PC_TWO),
    Fault("loss in the second LAN", ("gateway.lossy",), lambda b: second_cable(b).loss(0.15), PC_TWO),
    Fault("MTU hole on the second line", ("wan.mtu_blackhole",), lambda b: tslcd(b).mtu_blackhole(1400), PC_TWO),
    Fault(
        "MTU hole on the way in only", ("wan.mtu_blackhole",), lambda b: b.site.line.mtu_blackhole(1400, toward=b.site.gateway)
    ),
    Fault("both lines down", ("wan.down",), _with(lambda b: b.site.line.blackhole(), lambda b: tslcd(b).blackhole()), PC_TWO),
    Fault("carrier dead behind its first router", ("wan.down",), lambda b: b.province.internet_core.blackhole()),
    Fault("backup line down, named", ("link.down",), lambda b: tslcd(b).blackhole(), PC_TWO, TWO_ROUTES),
    Fault("proxy wants a password (407)", ("proxy.unreachable",), _proxy_asks, PROXY),
    Fault("proxy allows nothing (403)", ("proxy.unreachable",), _proxy_denies, PROXY),
    Fault("portal 500 behind a proxy", ("service.error",), _answer("return 500;"), PROXY),
    Fault("certificate untrusted behind a proxy", ("service.tls_untrusted",), lambda b: tls_portal(b, trusted=False), PROXY),
    Fault("IPv6 announced, leads nowhere", ("ipv6.broken",), _ra_without_line, {"ipv6": "ra"}),
    Fault("UPS low: on battery and depleted", ("ups.on_battery", "device.health"), device(ups(BATTERY, battery=4))),
    Fault("UPS battery low on mains", ("device.health",), device(ups(MAINS, battery=3))),
    Fault("printer jammed", ("printer.attention",), device(printer("0x04"))),
    Fault("printer low on paper only", (None,), device(printer("0x80")), beside=("printer.attention",)),
)
"""Each alone in a healthy site, as the faults of the contract."""

ODDITIES = (
    Fault("link-local address beside a good one", (None,), _link_local_beside),
    Fault("smaller MTU, told by the router", (None,), _told_mtu),
    Fault("portal redirects to another host", (None,), _redirecting),
    Fault("one packet in 250 lost", (None,), lambda b: b.site.line.loss(0.004, toward=b.site.gateway)),
    Fault("80 ms delay", (None,), lambda b: b.site.line.delay(0.040)),
)
"""With these everything works."""
