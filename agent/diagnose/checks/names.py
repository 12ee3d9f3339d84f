"""Layer 5: every name server on its own: does it answer, soon, and the truth."""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import secrets
import ssl
import urllib.parse
from functools import partial

from agent.diagnose.checks.services import proxy_of
from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import DEFAULT_BEACONS, Ground
from agent.diagnose.judge import DNS_SLOW_SECONDS
from agent.diagnose.words import milliseconds
from collectors.model import Reason
from collectors.probe import tls
from collectors.probe.dns import DnsResult, ask
from collectors.probe.names import is_address
from collectors.probe.tcp import measure
from collectors.wire.neighbours import parse_arp

ASK_TIMEOUT = 4.5
"""Just below the five seconds after which programs give a resolver up (resolv.conf(5)); the question is repeated once."""
LOCAL_TIMEOUT = 2.0
NXDOMAIN = 3
RCODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
NAMES_ASKED = 6
PROOF_TIMEOUT = 2.5
_NOWHERE = tuple(map(ipaddress.ip_network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16")))
"""Where no service for others can be (RFC 6890)."""
_LOCAL = (*_NOWHERE, *map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
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
        near = ground.is_near(server)
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


def _portals(ground: Ground) -> list[str]:
    """The names that are asked for: those of the services that staff need, the ones without a proxy first."""
    hosts = [urllib.parse.urlsplit(target.url).hostname or "" for target in ground.settings.kinds["http"].targets]
    named = [host for host in dict.fromkeys([*_direct(ground), *hosts]) if host and not is_address(host)]
    return named[:NAMES_ASKED] or [str(ground.settings.kinds["dns"].queries[0].name)]


def _direct(ground: Ground) -> list[str]:
    """The hosts that this computer must know the addresses of, since it asks no proxy for them."""
    targets = [target for target in ground.settings.kinds["http"].targets if proxy_of(ground, target.url) is None]
    return [urllib.parse.urlsplit(target.url).hostname or "" for target in targets]


async def _server(ground: Ground, server: str, results: Results) -> Outcome:
    names = _portals(ground)
    name = names[0]
    clock = ground.machine.clock
    # With no line that carries there is little to wait for, and the answer is not judged by its time.
    timeout = 2 * ground.wait(ASK_TIMEOUT / 2) if _carried(results) else ground.wait(LOCAL_TIMEOUT)
    # One lost packet must not be taken for a dead server where there is no time to repeat the question.
    asked = (ask(server, name, "A", timeout=timeout, clock=clock) for _ in range(2 if ground.quick else 1))
    answers = await asyncio.gather(*asked)
    first = next((answer for answer in answers if answer.rcode is not None), answers[0])
    near = ground.is_near(server)
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
    second, deaf, lies = await asyncio.gather(
        ask(server, name, "A", timeout=2 * ground.wait(ASK_TIMEOUT / 2), clock=clock),
        _is_deaf(ground, server, name),
        asyncio.gather(*(_lie(ground, server, other, first if other == name else None) for other in names)),
    )
    seconds = min(answer.seconds for answer in (first, second) if answer.seconds is not None)
    data = {"rcode": first.rcode, "answers": list(first.records), "seconds": round(seconds, 4)}
    for other, lie in zip(names, lies, strict=True):
        if lie is not None:
            facts = {"name": other, "answer": lie}
            return Outcome(Status.FAIL, f"{other} -> {lie}", data, (Suspect("dns.wrong_answer", server, facts),))
    if seconds > DNS_SLOW_SECONDS or deaf:
        duration = f"AAAA > {ASK_TIMEOUT:g} s" if deaf else milliseconds(seconds)
        return Outcome(Status.WARN, duration, data, (Suspect("dns.slow", server, {"duration": duration}),))
    return Outcome(Status.PASS, milliseconds(seconds), data)


async def _is_deaf(ground: Ground, server: str, name: str) -> bool:
    """Does it leave questions for IPv6 addresses unanswered? Programs ask for both kinds, and wait for both answers."""
    if ground.quick:
        return False
    answer = await ask(server, name, "AAAA", timeout=ASK_TIMEOUT, clock=ground.machine.clock)
    return answer.rcode is None and answer.fault is not None and answer.fault.reason is Reason.TIMEOUT


def _is_neighbour(ground: Ground, address: str) -> bool:
    """Has it just answered ARP? A machine that is there may still not be able to ask on."""
    return address in parse_arp(ground.machine.read_or_none("/proc/net/arp") or "")


def _carried(results: Results) -> bool:
    """Does any line carry?"""
    return any(result.outcome.carries for check, result in results.items() if check.startswith("uplink:"))


async def _lie(ground: Ground, server: str, name: str, answer: DnsResult | None) -> str | None:
    """What the server wrongly says about a name, None when it may be right; `answer` where it has been asked.

    Content networks answer differently from place to place, so that a difference alone is no lie: the address
    must also be one that no public service can have, or fail to prove by certificate that it is the service.
    """
    clock = ground.machine.clock
    others = [other for other in (*ground.context.surroundings.resolvers, *REFERENCES) if other != server]
    asked = (ask(other, name, "A", timeout=ground.wait(1.5), clock=clock) for other in dict.fromkeys(others))
    if answer is None:
        answer = await ask(server, name, "A", timeout=2 * ground.wait(ASK_TIMEOUT / 2), clock=clock)
    if answer.rcode is None:
        return None
    references = await asyncio.gather(*asked)
    truths = [set(reference.records) for reference in references if reference.records]
    claimed = ", ".join(answer.records) or (RCODES.get(answer.rcode, str(answer.rcode)) if answer.rcode else "no address")
    unheard = all(reference.rcode is None for reference in references)
    if unheard or any(set(answer.records) & truth for truth in truths):
        # Nobody contradicts: nobody else could be asked, or somebody answers for all of them.
        return claimed if await _is_invented(ground, server, name, answer) else None
    if not truths:
        return None  # others know no address either
    if not answer.records:
        return claimed
    truth = min(truths[0])
    proof, reference = await asyncio.gather(_proof(ground, answer.records[0], name), _proof(ground, truth, name))
    if proof is Proof.VALID:  # a state network may lead to the same service by an address of its own
        return None
    return claimed if proof < reference or (_is_local(answer.records[0]) and not _is_local(truth)) else None


async def _is_invented(ground: Ground, server: str, name: str, answer: DnsResult) -> bool:
    """Where nobody contradicts: staff need a name, and it is denied, led to nowhere, or to where all that cannot exist is led."""
    if not answer.records:
        return name in _direct(ground)  # what a proxy fetches, only the proxy must know
    claimed = answer.records[0]
    if any(ipaddress.ip_address(claimed) in network for network in _NOWHERE):
        return True
    if not _is_local(claimed) or await _proof(ground, claimed, name) is not Proof.SILENT:
        return False
    nonsense = f"{secrets.token_hex(8)}.invalid"  # RFC 6761, section 6.4: nobody is called so
    made_up = await ask(server, nonsense, "A", timeout=ground.wait(1.5), clock=ground.machine.clock)
    return claimed in made_up.records


class Proof(enum.IntEnum):
    """How far an address shows that it is the service."""

    SILENT = 0
    ANSWERS = 1
    VALID = 2


def _is_local(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return any(found in network for network in _LOCAL if network.version == found.version)


async def _proof(ground: Ground, address: str, name: str) -> Proof:
    """Does the address answer as the web service, and with a valid certificate for the name?"""
    target = next((t for t in ground.settings.kinds["http"].targets if urllib.parse.urlsplit(t.url).hostname == name), None)
    ca_file = str(ground.settings.file(target.ca_file)) if target is not None and target.ca_file else None
    plain = target is not None and target.url.startswith("http:")
    port = (urllib.parse.urlsplit(target.url).port if target else None) or (80 if plain else 443)
    if plain:
        knock = await measure(address, port, timeout=PROOF_TIMEOUT, clock=ground.machine.clock)
        return Proof.SILENT if knock.fault is not None else Proof.ANSWERS
    try:
        async with asyncio.timeout(PROOF_TIMEOUT):
            context = tls.verifying(ca_file)
            _, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    except ssl.SSLError:
        return Proof.ANSWERS
    except (OSError, TimeoutError):
        return Proof.SILENT
    writer.transport.abort()
    return Proof.VALID
