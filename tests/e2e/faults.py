"""Faults for the diagnosis: each injected alone into a healthy site, with the verdict that it must get.

What a namespace cannot do (duplex, interface errors, memory, disk, clock) is in `captured.py`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.netlab import Lab, Node, Province, Site, services

Inject = Callable[["Bench"], AbstractContextManager[object]]


@dataclass
class Bench:
    """A province with one site, in which faults come and go."""

    lab: Lab
    province: Province
    site: Site
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)
    config: str = ""
    captured: str = ""

    def diagnose(self, agent: Sequence[str], *arguments: str) -> tuple[dict[str, Any], int]:
        """`agent diagnose --json` on the site's first computer: the document and the exit status."""
        command = [*agent, "diagnose", "--json", *arguments]
        if self.captured:
            command = [sys.executable, "-m", "tests.e2e.captured", self.captured]
        elif self.config:
            file = self.directory / "agent.yaml"
            file.write_text(self.config, encoding="utf-8")
            command += ["-c", str(file)]
        environ = {"SSL_CERT_FILE": str(self.province.ca_file), **self.environ}
        if self.site.proxy is not None:
            environ |= {"https_proxy": self.site.proxy_url, "http_proxy": self.site.proxy_url}
        done = self.site.pc.run(["env", *(f"{k}={v}" for k, v in environ.items()), *command], check=False, timeout=60)
        if done.returncode not in {0, 1, 2} or not done.stdout:
            message = f"exit {done.returncode}: {done.stdout}{done.stderr}"
            raise AssertionError(message)
        return json.loads(done.stdout), done.returncode


@dataclass(frozen=True, eq=False)
class Fault:
    """One fault: how it comes about, and the codes that may be the verdict (the first is the contract's word for it).

    Attributes:
        verdicts: None is healthy.
        inject: makes the fault, and takes it away.
        site: how the site is built (`Province.site`).
        config: the configuration of the diagnosis, YAML.
        beside: codes that must be among the findings as well.
    """

    name: str
    verdicts: tuple[str | None, ...]
    inject: Inject
    site: Mapping[str, Any] = field(default_factory=dict)
    config: str = ""
    beside: tuple[str, ...] = ()


@contextlib.contextmanager
def commands(bench: Bench, before: Sequence[str], after: Sequence[str]) -> Iterator[None]:
    """`ip` commands on the computer, and what undoes them."""
    bench.site.pc.ip(*before)
    try:
        yield
    finally:
        bench.site.pc.ip(*after)


def _readdress(address: str) -> Inject:
    def inject(bench: Bench) -> AbstractContextManager[None]:
        own, gateway = f"{bench.site.address()}/24", bench.site.gateway_address
        gone = ["addr flush dev eth0 scope global"]
        there = [f"addr add {address.format(own=bench.site.address())} dev eth0"] if address else []
        back = ["addr flush dev eth0", f"addr add {own} dev eth0", f"route replace default via {gateway} metric 100"]
        return commands(bench, gone + there, back)

    return inject


@contextlib.contextmanager
def _wrong_mask(bench: Bench) -> Iterator[None]:
    own, gateway = bench.site.address(), bench.site.gateway_address
    bench.site.pc.ip("addr flush dev eth0", f"addr add {own}/30 dev eth0", f"route replace default via {gateway} dev eth0 onlink")
    try:
        yield
    finally:
        bench.site.pc.ip("addr flush dev eth0", f"addr add {own}/24 dev eth0", f"route replace default via {gateway} metric 100")


@contextlib.contextmanager
def _no_route(bench: Bench) -> Iterator[None]:
    with commands(bench, ["route del default"], [f"route replace default via {bench.site.gateway_address} metric 100"]):
        yield


@contextlib.contextmanager
def resolver(bench: Bench, *options: str, upstream: str | None = None) -> Iterator[Node]:
    """The site's resolver replaced by one that is dead, lies or dawdles."""
    site = bench.site
    address = f"192.168.{site.number}.{50 + len(site.cables)}"
    fake = site.attach(f"resolver{len(site.cables)}", f"{address}/24")
    cable = site.cables[-1]
    fake.ip(f"route add default via {site.gateway_address}")
    for node, interface in ((site.pc, "eth0"), (site.gateway, "lan")):  # an earlier one may have had this address
        node.ip(f"neigh flush dev {interface}")
    service = services.dnsmasq(fake, upstream=upstream, options=list(options)) if options or upstream else None
    site.pc.resolvers(address)
    try:
        yield fake
    finally:
        site.pc.resolvers(site.gateway_address)
        if service is not None:
            service.stop()
        cable.cut()


@contextlib.contextmanager
def _slow_resolver(bench: Bench) -> Iterator[None]:
    with resolver(bench, upstream="1.1.1.1"), bench.site.cables[-1].delay(0.3):
        yield


@contextlib.contextmanager
def _saturated(bench: Bench) -> Iterator[None]:
    site, province = bench.site, bench.province
    with site.line.rate(8e6, latency=0.4):
        server = services.iperf3_server(province.province)
        load = site.pc.popen(
            ["iperf3", "-c", "203.0.113.10", "-R", "-t", "60", "-P", "2"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            load.terminate()
            load.wait(5)
            server.stop()


@contextlib.contextmanager
def portal(bench: Bench, body: str) -> Iterator[None]:
    """The portals replaced by an nginx that behaves otherwise."""
    web = bench.province.web
    assert web is not None
    web.stop()
    service = None
    try:
        if body:
            service = services.nginx(bench.province.internet, body, ready=("198.51.100.80", 443))
        yield
    finally:
        if service is not None:
            service.stop()
        bench.province.web = bench.province._portals()


def tls_portal(bench: Bench, *, days: int = 90, trusted: bool = True, names: Sequence[str] = ()) -> AbstractContextManager[None]:
    from tests.netlab.certificates import Authority

    own = Authority(bench.directory / f"authority{days}{trusted}", "Somebody Else") if not trusted else bench.province.authority
    assert own is not None
    certificate = own.issue(names or bench.province.portals, days=days)
    return portal(
        bench,
        "server { listen 198.51.100.80:80; listen 198.51.100.80:443 ssl; "
        f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key}; location / {{ return 200; }} }}",
    )


@contextlib.contextmanager
def _second_line_down(bench: Bench) -> Iterator[None]:
    assert bench.site.tslcd is not None
    with bench.site.tslcd.blackhole():
        yield


@contextlib.contextmanager
def _dead_gateway(bench: Bench) -> Iterator[None]:
    """Switched off: the switch still gives the computer a carrier."""
    with bench.site.trunk.cut():
        bench.site.pc.ip("neigh flush all")
        yield


@contextlib.contextmanager
def _ipv6_dead(bench: Bench) -> Iterator[None]:
    with bench.site.line.blackhole("meta protocol ip6"):
        yield


def _stranger(bench: Bench) -> AbstractContextManager[None]:
    @contextlib.contextmanager
    def inject() -> Iterator[None]:
        bench.site.duplicate_address()
        cable = bench.site.cables[-1]
        try:
            yield
        finally:
            cable.cut()

    return inject()


@contextlib.contextmanager
def _rogue(bench: Bench) -> Iterator[None]:
    service = bench.site.rogue_dhcp()
    cable = bench.site.cables[-1]
    try:
        yield
    finally:
        service.stop()
        cable.cut()


@contextlib.contextmanager
def _proxy_dead(bench: Bench) -> Iterator[None]:
    assert bench.site.proxy is not None
    bench.site.proxy.stop()
    try:
        yield
    finally:
        bench.site.proxy = services.tinyproxy(bench.site.gateway)


PROXY = {"proxy": True}
PC_TWO = {"uplinks": "pc"}
FAULTS = (
    Fault("cable out", ("interface.down",), lambda b: b.site.cables[0].cut()),
    Fault("no address", ("address.none",), _readdress("")),
    Fault("link-local address", ("address.link_local",), _readdress("169.254.7.7/16")),
    Fault("wrong mask", ("address.mask",), _wrong_mask),
    Fault("wrong mask, gateway refused", ("address.mask",), _readdress("{own}/30")),
    Fault("duplicate address", ("address.duplicate",), _stranger),
    Fault("gateway dead", ("gateway.unreachable",), _dead_gateway),
    Fault("gateway lossy", ("gateway.lossy",), lambda b: b.site.trunk.loss(0.15)),
    Fault("no default route", ("route.none",), _no_route),
    Fault("resolver dead", ("dns.unreachable",), resolver),
    Fault("resolver lying", ("dns.wrong_answer",), lambda b: resolver(b, "address=/#/10.66.6.6")),
    Fault("resolver denying", ("dns.wrong_answer",), lambda b: resolver(b, "address=/#/")),
    Fault("resolver slow", ("dns.slow",), _slow_resolver),
    Fault("ISP dead beyond the gateway", ("wan.down",), lambda b: b.site.line.blackhole()),
    Fault("line cut at the gateway", ("wan.down",), lambda b: b.site.line.cut()),
    Fault("10 % loss", ("wan.lossy",), lambda b: b.site.line.loss(0.10)),
    Fault("300 ms delay", ("wan.slow",), lambda b: b.site.line.delay(0.150)),
    Fault("jitter", ("wan.jitter",), lambda b: b.site.line.delay(0.040, 0.040, reorder=True)),
    Fault("saturated line", ("wan.saturated",), _saturated),
    Fault("second uplink down", ("link.down",), _second_line_down, PC_TWO),
    Fault("captive portal", ("wan.captive_portal",), lambda b: b.site.captive_portal()),
    Fault("MTU black hole", ("wan.mtu_blackhole",), lambda b: b.site.line.mtu_blackhole(1400)),
    Fault("proxy dead", ("proxy.unreachable",), _proxy_dead, PROXY),
    Fault("portal down behind a proxy", ("service.unreachable",), lambda b: portal(b, ""), PROXY),
    Fault("line down behind a proxy", ("wan.down",), lambda b: b.site.line.blackhole(), PROXY),
    Fault("portal down", ("service.unreachable",), lambda b: portal(b, "")),
    Fault(
        "portal 500",
        ("service.error",),
        lambda b: portal(b, with_tls(b, "return 500;")),
    ),
    Fault("certificate expired", ("service.tls_expired",), lambda b: tls_portal(b, days=-2)),
    Fault("certificate untrusted", ("service.tls_untrusted",), lambda b: tls_portal(b, trusted=False)),
    Fault("rogue DHCP", ("dhcp.rogue",), _rogue),
    Fault("IPv6 broken while IPv4 works", ("ipv6.broken",), _ipv6_dead, {"ipv6": True}),
)


def with_tls(bench: Bench, action: str) -> str:
    assert bench.province.authority is not None
    certificate = bench.province.authority.issue(bench.province.portals)
    return (
        "server { listen 198.51.100.80:80; listen 198.51.100.80:443 ssl; "
        f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key}; location / {{ {action} }} }}"
    )
