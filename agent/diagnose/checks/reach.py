"""Layer 4: does an uplink carry, and does somebody stand in between who answers for others?"""

from __future__ import annotations

import asyncio
import math
import statistics
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent.diagnose.checks.services import PROXY_TIMEOUT, proxy_of, refused_by_proxy
from agent.diagnose.codes import Severity
from agent.diagnose.graph import Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import RTT_SLOW_SECONDS
from agent.diagnose.series import QUICK_PROBES
from agent.diagnose.words import milliseconds
from agent.tasks import spawn
from collectors.http import HttpTarget
from collectors.model import Reason
from collectors.probe import names
from collectors.probe.http import Request, fetch
from collectors.probe.tcp import measure
from collectors.site import Uplink

PINGS_ALONE = 1.0
FALLBACK_PORTS = (53, 443)
"""Where a beacon that answers no ping is knocked at."""
NOBODY = "192.0.2.197"
"""An address that is given to nobody (RFC 5737): whoever answers for it stands in between."""
NETWORK_LOGIN = 511
"""RFC 6585, section 6."""


def line_facts(uplink: Uplink) -> dict[str, str]:
    """What the sentences about a line need beside its name."""
    return {"carrier": uplink.settings.carrier}


async def carries(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    """A quorum of beacons answers pings or, where pings are blocked, connections."""
    beacons = ground.beacons(uplink)
    knocking = spawn(knock(ground, uplink, beacons), f"knock/{uplink.name}")
    serving = spawn(_served(ground, uplink), f"served/{uplink.name}")
    try:
        return await _judge_line(ground, uplink, beacons, (knocking, serving), results)
    finally:
        knocking.cancel()
        serving.cancel()


async def knock(ground: Ground, uplink: Uplink, beacons: tuple[str, ...]) -> float | None:
    """Seconds until a beacon answered at a port, None when none did; asked only when the pings have been out for a while."""
    await asyncio.sleep(ground.wait(PINGS_ALONE))
    begin = ground.machine.clock.monotonic()

    async def at(beacon: str, port: int) -> float:
        wait, clock = ground.wait(2.0), ground.machine.clock
        found = await measure(beacon, port, timeout=wait, clock=clock, interface=uplink.interface)
        if found.fault is not None and found.fault.reason is Reason.REFUSED:
            return clock.monotonic() - begin  # "nobody here" has come all the way as well
        return math.inf if found.seconds is None else found.seconds

    quickest = min(await asyncio.gather(*(at(beacon, port) for beacon in beacons for port in FALLBACK_PORTS)))
    return None if quickest == math.inf else quickest


async def _served(ground: Ground, uplink: Uplink) -> bool:
    """Does a service out there answer over this line, and as itself? So where the beacons are what is blocked."""
    await asyncio.sleep(ground.wait(PINGS_ALONE))
    clock, wait = ground.machine.clock, ground.wait(2.0)
    targets = [
        target
        for target in ground.settings.kinds["http"].targets
        if target.link == uplink.name or (target.link is None and uplink.interface)
    ]

    async def visit(target: HttpTarget) -> bool | None:
        """Has it proved itself by certificate? None: it answered, and proves nothing."""
        try:
            addresses = await names.resolve(urllib.parse.urlsplit(target.url).hostname or "", deadline=wait)
        except OSError:
            return False
        if all(ground.is_near(address) for address in addresses):
            return False
        ca_file = str(ground.settings.file(target.ca_file)) if target.ca_file else None
        request = Request(target.url, target.method, wait, follow_redirects=False, interface=uplink.interface, ca_file=ca_file)
        answer = await fetch(request, clock=clock, environ={})
        return True if answer.verified else None if answer.fault is None else False

    stranger, visits = await asyncio.gather(_stranger(ground, uplink), asyncio.gather(*(visit(target) for target in targets)))
    return any(visits) or (None in visits and stranger is None)


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who answered for an address that nobody has: with which status, and does the machine there take more than HTTP?"""

    status: int
    whole: bool


async def _stranger(ground: Ground, uplink: Uplink) -> Stranger | None:
    """Somebody who answers plain HTTP for an address that nobody has; None when nobody does.

    A proxy in between says that it reached nobody (an error); a login page says something else. Where HTTPS is taken or
    refused there as well, it may be a whole machine that has that address after all.
    """
    clock, wait = ground.machine.clock, ground.wait(2.0)
    request = Request(f"http://{NOBODY}/", "GET", wait, follow_redirects=False, interface=uplink.interface)
    answer, knock = await asyncio.gather(
        fetch(request, clock=clock, environ={}), measure(NOBODY, 443, timeout=wait, clock=clock, interface=uplink.interface)
    )
    if answer.status is None or not (200 <= answer.status < 400 or answer.status == NETWORK_LOGIN):
        return None
    return Stranger(answer.status, knock.fault is None or knock.fault.reason is Reason.REFUSED)


async def _judge_line(
    ground: Ground,
    uplink: Uplink,
    beacons: tuple[str, ...],
    others: tuple[asyncio.Task[float | None], asyncio.Task[bool]],
    results: Results,
) -> Outcome:
    quorum = min(uplink.settings.quorum, len(beacons))
    bursts = await asyncio.gather(
        *(
            ground.pinger.ping(
                beacon, QUICK_PROBES, interval=ground.pace(0.12), timeout=ground.wait(1.5), interface=uplink.interface
            )
            for beacon in beacons
        )
    )
    answered = [beacon for beacon, burst in zip(beacons, bursts, strict=True) if burst.window.received]
    rtts = [statistics.median(burst.window.rtts) for burst in bursts if burst.window.rtts]
    data = {"beacons": list(beacons), "answered": answered}
    if len(answered) >= quorum and ground.quick and min(rtts) > RTT_SLOW_SECONDS:
        # Without a series, these few answers are all that tells the delay.
        return _slow(uplink, min(rtts), data)
    if len(answered) >= quorum:
        return Outcome(Status.PASS, f"{len(answered)}/{len(beacons)} {milliseconds(min(rtts))}", data)
    if any(burst.reason is Reason.NO_PERMISSION for burst in bursts):
        ground.note_ping()
    knocking, serving = others
    quickest = await knocking
    if quickest is not None and quickest > RTT_SLOW_SECONDS:
        return _slow(uplink, quickest, {**data, "tcp": True})
    if quickest is not None or await serving:
        reached = "services" if quickest is None else f"ports {FALLBACK_PORTS}"
        return Outcome(Status.WARN, f"no echo, {reached} open", {**data, "tcp": True})
    suspect = Suspect("link.down", uplink.name, line_facts(uplink))
    before = results.get(f"gateway:{uplink.interface}")
    if uplink.gateway and before is not None and before.outcome.data.get("silent"):
        # Nothing came from the router nor through it: that it answers ARP does not make it work.
        suspect = Suspect("gateway.unreachable", uplink.gateway)
    by_proxy = await _by_proxy(ground)
    detail = f"{len(answered)}/{len(beacons)} ({', '.join(beacons)})"
    return by_proxy or Outcome(Status.FAIL, detail, data, (suspect,))


def _slow(uplink: Uplink, seconds: float, data: Mapping[str, Any]) -> Outcome:
    suspect = Suspect("wan.slow", uplink.name, {**line_facts(uplink), "rtt": milliseconds(seconds)})
    return Outcome(Status.FAIL, milliseconds(seconds), data, (suspect,), holds=True)


async def _by_proxy(ground: Ground) -> Outcome | None:
    """Where the network lets nobody out but the proxy, the proxy tells whether the line carries; None when it does not."""
    targets = [target for target in ground.settings.kinds["http"].targets if proxy_of(ground, target.url)]
    if not targets:
        return None
    clock, environ = ground.machine.clock, ground.machine.environ
    proxy = proxy_of(ground, targets[0].url)
    if proxy is None or (await measure(proxy.host, proxy.port, timeout=ground.wait(2.0), clock=clock)).fault is not None:
        return Outcome(Status.SKIP, "only by the proxy, which does not answer")
    requests = [Request(target.url, target.method, timeout=ground.wait(PROXY_TIMEOUT)) for target in targets]
    answers = await asyncio.gather(*(fetch(request, clock=clock, environ=environ) for request in requests))
    if any(answer.fault is None or answer.fault.reason is Reason.TLS for answer in answers):
        return Outcome(Status.WARN, "only by the proxy")
    if all(refused_by_proxy(answer) for answer in answers):
        return Outcome(Status.SKIP, "only by the proxy, which refuses")
    return None


async def captive(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    """Plain HTTP to an address or portal that is answered by somebody else, while nothing else gets through."""
    hosts = [urllib.parse.urlsplit(target.url).hostname or "" for target in ground.settings.kinds["http"].targets][:1]
    hosts += [beacon for beacon in ground.beacons(uplink) if ":" not in beacon][:1]
    clock = ground.machine.clock
    requests = [Request(f"http://{host}/", "GET", timeout=ground.wait(3.0), interface=uplink.interface) for host in hosts if host]
    # Without the proxy: a login page stands in front of it.
    answers, stranger = await asyncio.gather(
        asyncio.gather(*(fetch(request, clock=clock, environ={}) for request in requests)), _stranger(ground, uplink)
    )
    told = next((answer.date for answer in answers if answer.date is not None), None)
    data = {} if told is None else {"clock_offset_seconds": clock.wall() - told}
    carries = results[f"uplink:{uplink.name}"].outcome.carries
    for request, answer in zip(requests, answers, strict=True):
        asked, led = urllib.parse.urlsplit(request.url).hostname, urllib.parse.urlsplit(answer.url).hostname
        elsewhere = bool(answer.redirects) and led != asked
        # Where nothing gets through, whoever answers plain HTTP all the same stands in between.
        odd = elsewhere or (answer.status is not None and not carries)
        if answer.status == NETWORK_LOGIN or (odd and not await _is_genuine(ground, uplink, hosts)):
            return _login_page(uplink, f"{asked} -> {led if elsewhere else answer.status}", led or "")
    if stranger is not None:
        # Where HTTPS gets through, somebody who answers plain HTTP for everybody stops only a part of the work.
        genuine = await _is_genuine(ground, uplink, hosts)
        if not (genuine and stranger.whole):
            return _login_page(uplink, f"{NOBODY} -> {stranger.status}", "", "warning" if genuine else None)
    return Outcome(Status.PASS, "", data)


def _login_page(uplink: Uplink, detail: str, portal: str, severity: Severity | None = None) -> Outcome:
    suspect = Suspect("wan.captive_portal", uplink.name, {**line_facts(uplink), "portal": portal}, severity)
    return Outcome(Status.FAIL, detail, {"portal": portal}, (suspect,))


async def _is_genuine(ground: Ground, uplink: Uplink, hosts: list[str]) -> bool:
    """Does one of them prove by certificate that it is itself? A login page cannot, whatever it lets through."""
    clock = ground.machine.clock
    requests = [Request(f"https://{host}/", timeout=ground.wait(3.0), interface=uplink.interface) for host in hosts if host]
    requests = [replace(request, follow_redirects=False) for request in requests]
    answers = await asyncio.gather(*(fetch(request, clock=clock, environ={}) for request in requests))
    return any(answer.verified for answer in answers)
