"""Name servers that lie or keep silent in other ways, and those who answer in the place of others: login pages and boxes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from tests.e2e.faults import Bench, Fault, Inject, resolver
from tests.e2e.unseen import RESPONDER
from tests.netlab import services
from tests.netlab.certificates import Authority

WEB = "198.51.100.80"
SSO = "sso.dancuquocgia.gov.vn"
PLAIN = 'http: {targets: [{name: portal, url: "http://dichvucong.gov.vn/"}]}\n'


def filtered(rules: str, nat: str = "") -> Inject:
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
            with filtered(rules, nat)(bench):
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


NO_OTHER_RESOLVER = filtered('iifname "lan" meta l4proto { tcp, udp } th dport 53 drop;')
"""Names only by the site's own server, as many networks of the state have it."""


@contextlib.contextmanager
def stub(bench: Bench, *, dead: bool) -> Iterator[None]:
    """Names by a resolver on the computer itself, which asks the router, or one that is not there."""
    upstream = f"192.168.{bench.site.number}.77" if dead else bench.site.gateway_address
    service = services.dnsmasq(bench.site.pc, upstream=upstream, options=["listen-address=127.0.0.53"], ready="127.0.0.53")
    bench.site.pc.resolvers("127.0.0.53")
    try:
        yield
    finally:
        bench.site.pc.resolvers(bench.site.gateway_address)
        service.stop()


LIARS = (
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
            filtered("", 'iifname "lan" meta l4proto { tcp, udp } th dport 53 redirect to :5353;'),
            lambda b: _liar_at_the_gateway(b, "10.66.6.6"),
        ),
    ),
    Fault("own resolver asks one that is gone", ("dns.unreachable",), lambda b: stub(b, dead=True)),
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
)
