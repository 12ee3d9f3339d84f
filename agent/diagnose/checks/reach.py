"""Layer 4: does an uplink carry, and does somebody stand in between who answers for others?"""

from __future__ import annotations

import asyncio
import statistics
import urllib.parse
from collections.abc import Mapping, Sequence
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
from collectors.probe.http import HttpResult, Request, fetch
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


async def knock(ground: Ground, uplink: Uplink, beacons: tuple[str, ...]) -> dict[str, float]:
    """Seconds until a beacon answered at a port, of those that did; asked only when the pings have been out for a while."""
    await asyncio.sleep(ground.wait(PINGS_ALONE))
    clock, wait = ground.machine.clock, ground.wait(2.0)
    begin = clock.monotonic()

    async def at(beacon: str, port: int) -> tuple[str, float | None]:
        found = await measure(beacon, port, timeout=wait, clock=clock, interface=uplink.interface)
        if found.fault is not None and found.fault.reason is Reason.REFUSED:
            return beacon, clock.monotonic() - begin  # "nobody here" has come all the way as well
        return beacon, found.seconds

    answers = await asyncio.gather(*(at(beacon, port) for beacon in beacons for port in FALLBACK_PORTS))
    found: dict[str, float] = {}
    for beacon, seconds in answers:
        if seconds is not None:
            found[beacon] = min(seconds, found.get(beacon, seconds))
    return found


def _targets(ground: Ground, uplink: Uplink) -> list[HttpTarget]:
    """The services that are reached by this line."""
    targets: Sequence[HttpTarget] = ground.settings.kinds["http"].targets
    return [target for target in targets if target.link == uplink.name or (target.link is None and uplink.interface)]


async def _served(ground: Ground, uplink: Uplink) -> bool:
    """Does a service out there answer over this line, and as itself? So where the beacons are what is blocked."""
    await asyncio.sleep(ground.wait(PINGS_ALONE))

    async def visit(target: HttpTarget) -> HttpResult | None:
        request = replace(_request(ground, uplink, target), url=target.url)
        try:
            async with asyncio.timeout(ground.wait(2.0)):  # as long as the knocks take
                addresses = await names.resolve(urllib.parse.urlsplit(target.url).hostname or "")
                if all(ground.is_near(address) for address in addresses):
                    return None
                return await fetch(request, clock=ground.machine.clock, environ={})
        except OSError:  # a timeout is one
            return None

    visits = asyncio.gather(*(visit(target) for target in _targets(ground, uplink)))
    stranger, answers = await asyncio.gather(_stranger(ground, uplink), visits)
    proved = any(answer.verified for answer in answers if answer is not None)
    return proved or (stranger is None and any(answer.fault is None for answer in answers if answer is not None))


def _request(ground: Ground, uplink: Uplink, target: HttpTarget) -> Request:
    """The service by HTTPS, whatever it is asked by otherwise, itself and not where it leads."""
    url = target.url if target.url.startswith("https:") else f"https://{urllib.parse.urlsplit(target.url).hostname}/"
    ca_file = str(ground.settings.file(target.ca_file)) if target.ca_file else None
    wait, interface = ground.wait(3.0), uplink.interface
    return Request(url, target.method, wait, follow_redirects=False, interface=interface, ca_file=ca_file)


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
    answer, door = await asyncio.gather(
        fetch(request, clock=clock, environ={}), measure(NOBODY, 443, timeout=wait, clock=clock, interface=uplink.interface)
    )
    if answer.status is None or not (200 <= answer.status < 400 or answer.status == NETWORK_LOGIN):
        return None
    return Stranger(answer.status, door.fault is None or door.fault.reason is Reason.REFUSED)


async def _judge_line(
    ground: Ground,
    uplink: Uplink,
    beacons: tuple[str, ...],
    others: tuple[asyncio.Task[dict[str, float]], asyncio.Task[bool]],
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
    knocked = await knocking
    reached = {*answered, *knocked}
    if len(reached) >= quorum and not answered and min(knocked.values()) > RTT_SLOW_SECONDS:
        return _slow(uplink, min(knocked.values()), {**data, "tcp": True})
    if len(reached) >= quorum or (not reached and await serving):
        told = f"ports {FALLBACK_PORTS}" if reached else "services"
        return Outcome(Status.WARN, f"no echo, {told} open", {**data, "tcp": True})
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
    hosts = [urllib.parse.urlsplit(target.url).hostname or "" for target in _targets(ground, uplink)[:1]]
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
        if answer.status == NETWORK_LOGIN or (odd and not await _is_genuine(ground, uplink)):
            return _login_page(uplink, f"{asked} -> {led if elsewhere else answer.status}", led or "")
    if stranger is not None:
        # Where HTTPS gets through, somebody who answers plain HTTP for everybody stops only a part of the work.
        genuine = await _is_genuine(ground, uplink)
        if not (genuine and stranger.whole):
            return _login_page(uplink, f"{NOBODY} -> {stranger.status}", "", "warning" if genuine else None)
    return Outcome(Status.PASS, "", data)


def _login_page(uplink: Uplink, detail: str, portal: str, severity: Severity | None = None) -> Outcome:
    suspect = Suspect("wan.captive_portal", uplink.name, {**line_facts(uplink), "portal": portal}, severity)
    return Outcome(Status.FAIL, detail, {"portal": portal}, (suspect,))


async def _is_genuine(ground: Ground, uplink: Uplink) -> bool:
    """Does the first service, or a beacon, prove by certificate that it is itself? A login page cannot, whatever it lets pass."""
    requests = [_request(ground, uplink, target) for target in _targets(ground, uplink)[:1]]
    beacons = [beacon for beacon in ground.beacons(uplink) if ":" not in beacon][:1]
    requests += [
        Request(f"https://{beacon}/", timeout=ground.wait(3.0), follow_redirects=False, interface=uplink.interface)
        for beacon in beacons
    ]
    answers = await asyncio.gather(*(fetch(request, clock=ground.machine.clock, environ={}) for request in requests))
    return any(answer.verified for answer in answers)
