"""Layer 5: every name server on its own: does it answer, soon, and the truth."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import ssl
import urllib.parse
from functools import partial

from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import DEFAULT_BEACONS, Ground
from agent.diagnose.judge import DNS_SLOW_SECONDS
from agent.diagnose.words import milliseconds
from collectors.model import Reason
from collectors.probe import tls
from collectors.probe.dns import DnsResult, ask
from collectors.wire.neighbours import parse_arp

ASK_TIMEOUT = 4.5
"""Just below the five seconds after which programs give a resolver up (resolv.conf(5)); the question is repeated once."""
LOCAL_TIMEOUT = 2.0
NXDOMAIN = 3
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_LOCAL = tuple(
    map(
        ipaddress.ip_network,
        ("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"),
    )
)
"""Where no service for everybody can be (RFC 1918, RFC 6598, RFC 6890)."""
REFERENCES = DEFAULT_BEACONS[4]
"""Name servers of others, asked for the same name: what they agree on is taken for the truth."""


def build(ground: Ground) -> list[Check]:
    """The checks of layer 5."""
    uplinks = tuple(f"uplink:{uplink.name}" for uplink in ground.context.uplinks)
    quality = tuple(f"{kind}:{uplink.name}" for uplink in ground.context.uplinks for kind in ("quality", "saturation", "captive"))
    gateways = tuple(f"gateway:{uplink.interface}" for uplink in ground.context.uplinks)
    qualities = tuple(f"gateway-quality:{uplink.interface}" for uplink in ground.context.uplinks)
    checks = []
    configured = ground.settings.kinds["dns"].servers
    entered = ground.context.surroundings.resolvers if configured == "auto" else tuple(configured)
    servers = ground.resolvers() if configured == "auto" else entered
    for server in servers:
        near = _is_near(ground, server)
        # Without any name server entered, that is the fault only where everything beneath holds.
        loopback = _is_loopback(server) and server in entered
        # Without a way out there is no gateway to ask about; the own address is what a server next door still needs.
        local = gateways or tuple(f"address:{name}" for name in ground.interfaces())
        checks.append(
            Check(
                f"dns:{server}",
                5,
                partial(_server, ground, server),
                needs=() if loopback or near else ("route",),
                needs_any=() if loopback else (local if near else uplinks),
                after=uplinks,
                stands_on=(*uplinks, *quality, *qualities),
                symptoms=("dns.unreachable",),
            )
        )
    return checks


def _is_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(server.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_near(ground: Ground, server: str) -> bool:
    """On the local network: it answers whether the line is up or not."""
    try:
        address = ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        return False
    networks = [
        ipaddress.ip_interface(held).network
        for interface in ground.context.surroundings.interfaces
        for held in interface.addresses
    ]
    return address.is_link_local or any(address in network for network in networks)


def portal(ground: Ground) -> str:
    """The name that is asked for: the first service that staff need."""
    for target in ground.settings.kinds["http"].targets:
        host = urllib.parse.urlsplit(target.url).hostname or ""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return host
    return str(ground.settings.kinds["dns"].queries[0].name)


async def _server(ground: Ground, server: str, results: Results) -> Outcome:
    name = portal(ground)
    clock = ground.machine.clock
    # With no line that carries there is little to wait for, and the answer is not judged by its time.
    timeout = 2 * ground.wait(ASK_TIMEOUT / 2) if _carried(results) else ground.wait(LOCAL_TIMEOUT)
    # One lost packet must not be taken for a dead server where there is no time to repeat the question.
    asked = (ask(server, name, "A", timeout=timeout, clock=clock) for _ in range(2 if ground.quick else 1))
    answers = await asyncio.gather(*asked)
    first = next((answer for answer in answers if answer.rcode is not None), answers[0])
    near = _is_near(ground, server)
    closed = first.fault is not None and first.rcode is None and first.fault.reason is Reason.REFUSED
    if first.fault is not None and closed and (near or _is_loopback(server)):
        # The machine itself says that nobody serves names there: no fault of a line explains that.
        return Outcome(Status.FAIL, first.fault.detail, {}, (Suspect("dns.unreachable", server, stands_on=()),))
    if first.fault is not None and first.rcode is None:
        if not _carried(results) and near and (":" in server or _is_neighbour(ground, server)):
            # A forwarder on the router is silent when the line is down; that says nothing about the forwarder.
            return Outcome(Status.WARN, first.fault.detail, {}, holds=False)
        return Outcome(Status.FAIL, first.fault.detail, {}, (Suspect("dns.unreachable", server),))
    if first.rcode not in {0, NXDOMAIN} and not _carried(results):
        # Asked by a forwarder that cannot ask on: that is the line's fault, not the forwarder's.
        return Outcome(Status.WARN, RCODES.get(first.rcode or 0, str(first.rcode)), {"rcode": first.rcode}, holds=False)
    second = await ask(server, name, "A", timeout=2 * ground.wait(ASK_TIMEOUT / 2), clock=clock)
    seconds = min(answer.seconds for answer in (first, second) if answer.seconds is not None)
    data = {"rcode": first.rcode, "answers": list(first.records), "seconds": round(seconds, 4)}
    lie = await _lie(ground, server, name, first)
    if lie is not None:
        facts = {"name": name, "answer": ", ".join(first.records) or lie}
        return Outcome(Status.FAIL, f"{name} -> {facts['answer']}", data, (Suspect("dns.wrong_answer", server, facts),))
    if seconds > DNS_SLOW_SECONDS:
        suspect = Suspect("dns.slow", server, {"duration": milliseconds(seconds)})
        return Outcome(Status.WARN, milliseconds(seconds), data, (suspect,))
    return Outcome(Status.PASS, milliseconds(seconds), data)


def _is_neighbour(ground: Ground, address: str) -> bool:
    """Has it just answered ARP? A machine that is there may still not be able to ask on."""
    return address in parse_arp(ground.machine.read_or_none("/proc/net/arp") or "")


def _carried(results: Results) -> bool:
    """Does any line carry?"""
    return any(result.outcome.carries for check, result in results.items() if check.startswith("uplink:"))


async def _lie(ground: Ground, server: str, name: str, answer: DnsResult) -> str | None:
    """Why the answer is wrong, None when it may be right.

    Content networks answer differently from place to place, so that a difference alone is no lie: the address
    must also be one that no public service can have, or fail to prove by certificate that it is the service.
    """
    others = [other for other in (*ground.context.surroundings.resolvers, *REFERENCES) if other != server]
    references = await asyncio.gather(
        *(ask(other, name, "A", timeout=ground.wait(1.5), clock=ground.machine.clock) for other in dict.fromkeys(others))
    )
    if answer.rcode not in {0, NXDOMAIN}:
        return RCODES.get(answer.rcode or 0, str(answer.rcode))
    truths = [set(reference.records) for reference in references if reference.records]
    if not truths or any(set(answer.records) & truth for truth in truths):
        return None
    if not answer.records:
        return "NXDOMAIN" if answer.rcode == NXDOMAIN else "no address"
    truth = min(truths[0])
    claimed = answer.records[0]
    proof, reference = await asyncio.gather(_proof(ground, claimed, name), _proof(ground, truth, name))
    if proof is Proof.VALID:  # a state network may lead to the same service by an address of its own
        return None
    return claimed if proof < reference or (_is_local(claimed) and not _is_local(truth)) else None


class Proof(enum.IntEnum):
    """How far an address shows that it is the service."""

    SILENT = 0
    ANSWERS = 1
    VALID = 2


def _is_local(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in _LOCAL if network.version == found.version)


async def _proof(ground: Ground, address: str, name: str) -> Proof:
    """Does the address answer as a web service, and with a valid certificate for the name?"""
    target = next((t for t in ground.settings.kinds["http"].targets if urllib.parse.urlsplit(t.url).hostname == name), None)
    ca_file = str(ground.settings.file(target.ca_file)) if target is not None and target.ca_file else None
    try:
        async with asyncio.timeout(2.5):
            context = tls.verifying(ca_file)
            _, writer = await asyncio.open_connection(address, 443, ssl=context, server_hostname=name)
    except ssl.SSLError:
        return Proof.ANSWERS
    except (OSError, TimeoutError):
        return Proof.SILENT
    writer.transport.abort()
    return Proof.VALID
