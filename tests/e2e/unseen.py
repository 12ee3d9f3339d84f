"""Faults beyond the contract's list, of the same kinds: the judgement stands on the graph, so these must come out as well."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.e2e.faults import PC_TWO, Bench, Fault, commands, portal, resolver, tls_portal, with_tls
from tests.netlab import Link, services
from tests.netlab.certificates import Authority

RESPONDER = Path(__file__).with_name("responder.py")
SERVFAIL, REFUSED = 2, 5


@contextlib.contextmanager
def _answering_only(bench: Bench, rcode: int) -> Iterator[None]:
    with resolver(bench) as node:
        process = node.popen([sys.executable, RESPONDER, str(rcode)])
        try:
            yield
        finally:
            process.terminate()
            process.wait(5)


@contextlib.contextmanager
def _one_resolver_dead(bench: Bench, *, first: bool) -> Iterator[None]:
    good, dead = bench.site.gateway_address, f"192.168.{bench.site.number}.77"
    bench.site.pc.resolvers(*((dead, good) if first else (good, dead)))
    try:
        yield
    finally:
        bench.site.pc.resolvers(good)


@contextlib.contextmanager
def _upload(bench: Bench) -> Iterator[None]:
    site = bench.site
    with site.line.rate(4e6, latency=0.4):
        server = services.iperf3_server(bench.province.province)
        command = ["iperf3", "-c", "203.0.113.10", "-t", "60", "-P", "2"]
        load = site.pc.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield
        finally:
            load.terminate()
            load.wait(5)
            server.stop()


def _wrong_gateway(bench: Bench) -> AbstractContextManager[None]:
    right, wrong = bench.site.gateway_address, f"192.168.{bench.site.number}.77"
    return commands(bench, [f"route replace default via {wrong} metric 100"], [f"route replace default via {right} metric 100"])


@contextlib.contextmanager
def _wide_mask(bench: Bench) -> Iterator[None]:
    own, gateway = bench.site.address(), bench.site.gateway_address
    route = f"route replace default via {gateway} metric 100"
    wide = ["addr flush dev eth0", f"addr add {own}/16 dev eth0", route]
    with commands(bench, wide, ["addr flush dev eth0", f"addr add {own}/24 dev eth0", route]):
        yield


def _no_ipv4_route(bench: Bench) -> AbstractContextManager[None]:
    return commands(bench, ["route del default"], [f"route replace default via {bench.site.gateway_address} metric 100"])


@contextlib.contextmanager
def _ipv6_resolver_dead(bench: Bench) -> Iterator[None]:
    bench.site.pc.resolvers(bench.site.gateway_address, f"2001:db8:{bench.site.number:x}::77")
    try:
        yield
    finally:
        bench.site.pc.resolvers(bench.site.gateway_address)


def _https_blocked(bench: Bench) -> AbstractContextManager[object]:
    return bench.site.line.blackhole("meta protocol ip ip daddr 198.51.100.80 tcp dport 443")


def _other_name(bench: Bench) -> AbstractContextManager[None]:
    return tls_portal(bench, names=("elsewhere.example",))


def _self_signed(bench: Bench) -> AbstractContextManager[None]:
    own = Authority(bench.directory / "self", bench.province.portals[0])
    return portal(
        bench,
        "server { listen 198.51.100.80:80; listen 198.51.100.80:443 ssl; "
        f"ssl_certificate {own.file}; ssl_certificate_key {own.key}; location / {{ return 200; }} }}",
    )


@contextlib.contextmanager
def _second_dhcp_same_gateway(bench: Bench) -> Iterator[None]:
    site = bench.site
    node = site.attach(f"rogue{len(site.cables)}", f"192.168.{site.number}.250/24")
    cable = site.cables[-1]
    pool = f"192.168.{site.number}.200,192.168.{site.number}.210,255.255.255.0,10m"
    service = services.dnsmasq(node, dhcp=pool, options=[f"dhcp-option=3,{site.gateway_address}"])
    try:
        yield
    finally:
        service.stop()
        cable.cut()


def _mute_gateway(bench: Bench) -> AbstractContextManager[object]:
    """Answers ARP and drops every packet."""
    return bench.site.trunk.blackhole("meta protocol ip", "meta protocol ip6")


@contextlib.contextmanager
def _quiet_gateway(bench: Bench) -> Iterator[None]:
    """A router that answers no pings is no fault."""
    gateway = bench.site.gateway
    gateway.nft("table inet quiet { chain in { type filter hook input priority 0; icmp type echo-request drop; }\n}")
    try:
        yield
    finally:
        gateway.nft("delete table inet quiet")


def _one_beacon_lossy(bench: Bench) -> AbstractContextManager[object]:
    return bench.site.line.loss(0.2, "meta protocol ip ip saddr 8.8.8.8")


def _one_beacon_dead(bench: Bench) -> AbstractContextManager[object]:
    return bench.site.line.blackhole("meta protocol ip ip saddr 8.8.8.8")


@contextlib.contextmanager
def _pings_blocked(bench: Bench) -> Iterator[None]:
    with bench.site.line.block_icmp():
        yield


TSLCD = {"uplinks": "router"}
TSLCD_CONFIG = (
    "links:\n  - {name: internet, kind: internet, carrier: vnpt, interface: eth0}\n"
    "  - {name: tslcd, kind: tslcd, carrier: viettel, beacons: [10.0.0.10]}\n"
)
STRICT = 'http: {targets: [{name: portal, url: "https://dichvucong.gov.vn/", expect_status: ["200-299"]}]}\n'

UNSEEN = (
    Fault("DNS answers SERVFAIL", ("dns.wrong_answer",), lambda b: _answering_only(b, SERVFAIL)),
    Fault("DNS answers REFUSED", ("dns.wrong_answer",), lambda b: _answering_only(b, REFUSED)),
    Fault("first of two resolvers dead", ("dns.unreachable",), lambda b: _one_resolver_dead(b, first=True)),
    Fault("second of two resolvers dead", ("dns.unreachable",), lambda b: _one_resolver_dead(b, first=False)),
    Fault("IPv6 resolver dead", ("dns.unreachable",), _ipv6_resolver_dead, {"ipv6": True}),
    Fault("gateway mute but in ARP", ("gateway.unreachable",), _mute_gateway),
    Fault("wrong default gateway", ("gateway.unreachable",), _wrong_gateway),
    Fault("loss on the way in only", ("wan.lossy",), lambda b: b.site.line.loss(0.15, toward=b.site.gateway)),
    Fault(
        "loss on the way out only", ("wan.lossy",), lambda b: b.site.line.loss(0.15, "meta protocol ip", toward=b.province.vnpt)
    ),
    Fault("loss in the LAN", ("gateway.lossy",), lambda b: b.site.cables[0].loss(0.12)),
    Fault("heavy loss on the line", ("wan.lossy",), lambda b: b.site.line.loss(0.30)),
    Fault("HTTPS blocked", ("service.unreachable",), _https_blocked),
    Fault("portal 503", ("service.error",), lambda b: portal(b, with_tls(b, "return 503;"))),
    Fault("portal 404 where 2xx is expected", ("service.error",), lambda b: portal(b, with_tls(b, "return 404;")), config=STRICT),
    Fault("certificate of another name", ("service.tls_untrusted",), _other_name),
    Fault("self-signed certificate", ("service.tls_untrusted",), _self_signed),
    Fault("mask too wide", ("address.mask",), _wide_mask),
    Fault("no IPv4 route, IPv6 works", ("route.none",), _no_ipv4_route, {"ipv6": True}),
    Fault("second DHCP, same gateway", ("dhcp.rogue",), _second_dhcp_same_gateway),
    Fault("upload fills the line", ("wan.saturated",), _upload),
    Fault("MTU hole at 1300", ("wan.mtu_blackhole",), lambda b: b.site.line.mtu_blackhole(1300)),
    Fault("400 ms delay one way", ("wan.slow",), lambda b: b.site.line.delay(0.4, toward=b.site.gateway)),
    Fault("TSLCD line down", ("link.down",), lambda b: tslcd(b).blackhole(), TSLCD, TSLCD_CONFIG),
    Fault("second uplink lossy", ("wan.lossy",), lambda b: tslcd(b).loss(0.15), PC_TWO),
    Fault("first uplink down", ("link.down",), lambda b: b.site.line.blackhole(), PC_TWO),
    Fault("second gateway dead", ("gateway.unreachable",), lambda b: second_cable(b).blackhole(), PC_TWO),
)
"""Faults that the contract does not list."""

HARMLESS = (
    Fault("gateway answers no pings", (None,), _quiet_gateway),
    Fault("loss to one beacon only", (None,), _one_beacon_lossy),
    Fault("one beacon dead", (None,), _one_beacon_dead),
    Fault("pings blocked beyond the gateway", (None,), _pings_blocked),
)
"""Oddities with which everything works: no finding."""


def tslcd(bench: Bench) -> Link:
    assert bench.site.tslcd is not None
    return bench.site.tslcd


def second_cable(bench: Bench) -> Link:
    assert bench.site.second_cable is not None
    return bench.site.second_cable
