"""Layer 4: each uplink on its own: does it carry, how well, how full is it, who stands in between, how large a packet."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import statistics
import urllib.parse
from dataclasses import replace
from functools import partial

from agent.diagnose.checks.services import PROXY_TIMEOUT, proxy_of, refused_by_proxy
from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import CONTRACT_SHARE, RTT_SLOW_SECONDS, SATURATED_SHARE
from agent.diagnose.series import QUICK_PROBES, judge_series, pooled, series
from agent.diagnose.words import data_rate, milliseconds, percent
from agent.tasks import spawn
from collectors.model import Reason
from collectors.probe import counters
from collectors.probe.http import Request, fetch
from collectors.probe.mtu import path_mtu
from collectors.probe.tcp import measure
from collectors.probe.trace import trace
from collectors.site import Uplink

PINGS_ALONE = 1.0
FALLBACK_PORTS = (53, 443)
"""Where a beacon that answers no ping is knocked at."""
BUSY_BYTES_PER_SECOND = 60_000
"""Own traffic from which on a long queue is put down to it (half a megabit per second)."""
QUEUE_SECONDS = 0.025
"""What a full queue adds to the quickest round trip."""
BEACONS_JUDGED = 2
TRAFFIC_SAMPLES = 16
TRAFFIC_INTERVAL = 0.25
EVEN_VARIATION = 0.2
"""Traffic that a full line paces is this even from quarter second to quarter second."""
NETWORK_LOGIN = 511
"""RFC 6585, section 6."""


def build(ground: Ground) -> list[Check]:
    """The checks of layer 4."""
    checks: list[Check] = []
    for uplink in ground.context.uplinks:
        name, interface = uplink.name, uplink.interface
        if not ground.beacons(uplink):
            continue
        local = (f"gateway:{interface}",) if interface and uplink.gateway else ("route",)
        soft = (
            f"captive:{name}",
            f"gateway-quality:{interface}",
            f"wifi:{interface}",
            f"interface:{interface}",
            f"address:{interface}",
            "route",
        )
        checks.append(
            Check(f"uplink:{name}", 4, partial(_carries, ground, uplink), needs=local, stands_on=soft, symptoms=("wan.down",))
        )
        if uplink.settings.kind != "tslcd":
            checks.append(Check(f"captive:{name}", 4, partial(_captive, ground, uplink), needs=local, after=(f"uplink:{name}",)))
        if ground.quick:
            continue
        beyond = (f"uplink:{name}",)
        full = (f"saturation:{name}", *soft)
        checks.append(Check(f"quality:{name}", 4, partial(_quality, ground, uplink), needs=beyond, stands_on=full))
        checks.append(Check(f"saturation:{name}", 4, partial(_saturation, uplink), needs=beyond, after=(f"quality:{name}",)))
        checks.append(
            Check(f"mtu:{name}", 4, partial(_mtu, uplink), needs=beyond, stands_on=(f"quality:{name}", f"saturation:{name}"))
        )
        checks.append(Check(f"contract:{name}", 4, partial(_contract, ground, uplink), stands_on=(f"quality:{name}", *full)))
    first = next((uplink for uplink in ground.context.uplinks if uplink.settings.kind != "tslcd"), None)
    if first is not None and _has_ipv6(ground, first):
        checks.append(Check(f"ipv6:{first.name}", 4, partial(_ipv6, ground, first), needs=(f"uplink:{first.name}",)))
    return checks


def _facts(uplink: Uplink) -> dict[str, str]:
    return {"carrier": uplink.settings.carrier}


async def _carries(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    """A quorum of beacons answers pings or, where pings are blocked, connections."""
    beacons = ground.beacons(uplink)
    knocking = spawn(_knock(ground, uplink, beacons), f"knock/{uplink.name}")
    try:
        return await _judge_line(ground, uplink, beacons, knocking, results)
    finally:
        knocking.cancel()


async def _knock(ground: Ground, uplink: Uplink, beacons: tuple[str, ...]) -> bool:
    """Does a beacon answer at a port? Asked only when the pings have been out for a while."""
    await asyncio.sleep(ground.wait(PINGS_ALONE))
    knocks = await asyncio.gather(
        *(
            measure(beacon, port, timeout=ground.wait(2.0), clock=ground.machine.clock, interface=uplink.interface)
            for beacon in beacons
            for port in FALLBACK_PORTS
        )
    )
    return any(knock.fault is None or knock.fault.reason is Reason.REFUSED for knock in knocks)


async def _judge_line(
    ground: Ground,
    uplink: Uplink,
    beacons: tuple[str, ...],
    knocking: asyncio.Task[bool],
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
        suspect = Suspect("wan.slow", uplink.name, {**_facts(uplink), "rtt": milliseconds(min(rtts))})
        return Outcome(Status.FAIL, milliseconds(min(rtts)), data, (suspect,), holds=True)
    if len(answered) >= quorum:
        return Outcome(Status.PASS, f"{len(answered)}/{len(beacons)} {milliseconds(min(rtts))}", data)
    if any(burst.reason is Reason.NO_PERMISSION for burst in bursts):
        ground.note_ping()
    if await knocking:
        return Outcome(Status.WARN, f"no echo, {FALLBACK_PORTS} open", {**data, "tcp": True})
    suspect = Suspect("link.down", uplink.name, _facts(uplink))
    before = results.get(f"gateway:{uplink.interface}")
    if uplink.gateway and before is not None and before.outcome.data.get("silent"):
        # Nothing came from the router nor through it: that it answers ARP does not make it work.
        suspect = Suspect("gateway.unreachable", uplink.gateway)
    by_proxy = await _by_proxy(ground)
    detail = f"{len(answered)}/{len(beacons)} ({', '.join(beacons)})"
    return by_proxy or Outcome(Status.FAIL, detail, data, (suspect,))


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


def _answering(results: Results, uplink: Uplink) -> list[str]:
    data = results[f"uplink:{uplink.name}"].outcome.data
    return [str(beacon) for beacon in data.get("answered", ())]


async def _quality(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    answering = _answering(results, uplink)
    if not answering:
        return Outcome(Status.SKIP, "no echo")
    windows, traffic = await asyncio.gather(
        asyncio.gather(*(series(ground, beacon, uplink) for beacon in answering[:BEACONS_JUDGED])), _traffic(ground, uplink)
    )
    judged = [
        (judge_series(one, uplink.name, lossy="wan.lossy", slow="wan.slow", jittery="wan.jitter", facts=_facts(uplink)), one)
        for one in pooled(windows)
    ]
    # What only one beacon suffers from is on the way to that beacon, not on this line.
    outcome, window = min(judged, key=lambda pair: len(pair[0].suspects))
    queue = statistics.median(window.rtts) - min(window.rtts) if window.rtts else 0.0
    return replace(outcome, data={**outcome.data, **traffic, "queue_seconds": round(queue, 6)})


async def _traffic(ground: Ground, uplink: Uplink) -> dict[str, float]:
    """This computer's own traffic on the uplink: mean rates, and how even they are (coefficient of variation)."""
    if uplink.interface is None:
        return {}
    seen = []
    for _ in range(TRAFFIC_SAMPLES + 1):
        found = counters.read(ground.machine, uplink.interface)
        if found is None:
            return {}
        seen.append((ground.machine.clock.monotonic(), found))
        await asyncio.sleep(TRAFFIC_INTERVAL)
    result = {}
    for direction, field in (("download", "receive_bytes"), ("upload", "transmit_bytes")):
        rates = [
            (getattr(later, field) - getattr(earlier, field)) / (end - begin)
            for (begin, earlier), (end, later) in itertools.pairwise(seen)
        ]
        mean = statistics.fmean(rates)
        result[direction] = round(mean, 1)
        result[f"{direction}_variation"] = round(statistics.pstdev(rates) / mean, 3) if mean else 0.0
    return result


async def _saturation(uplink: Uplink, results: Results) -> Outcome:
    """Full when the traffic reaches the contract; without a contract, when it flows and a queue stands before the line."""
    quality = results[f"quality:{uplink.name}"].outcome
    if "download" not in quality.data:
        return Outcome(Status.SKIP, "unknown")
    contract = uplink.settings.contract
    use = {direction: float(quality.data[direction]) for direction in ("download", "upload")}
    detail = " / ".join(data_rate(rate) for rate in use.values())
    for direction, capacity in (("download", contract.download), ("upload", contract.upload)):
        if capacity and use[direction] >= SATURATED_SHARE * capacity:
            return _full(uplink, use[direction], data_rate(capacity), detail)
    busiest = max(use, key=lambda direction: use[direction])
    if use[busiest] < BUSY_BYTES_PER_SECOND:
        return Outcome(Status.PASS, detail)
    suffers = any(suspect.code in {"wan.slow", "wan.jitter", "wan.lossy"} for suspect in quality.suspects)
    queued = float(quality.data["queue_seconds"]) > QUEUE_SECONDS or suffers
    # A queue that never empties shows in no difference; then the carrier's first router is far, and the traffic is even.
    even = float(quality.data[f"{busiest}_variation"]) < EVEN_VARIATION
    if queued or (even and await _first_hop_beyond(uplink, results) > QUEUE_SECONDS):
        return _full(uplink, use[busiest], "?", detail)
    return Outcome(Status.PASS, detail)


async def _first_hop_beyond(uplink: Uplink, results: Results) -> float:
    """Quickest round trip to the carrier's first router, in seconds; 0 where it is silent."""
    found = await trace(_answering(results, uplink)[0], max_hops=2, probes=5, timeout=1.0, interface=uplink.interface)
    return min((rtt for hop in found.hops[1:2] for rtt in hop.rtts), default=0.0)


def _full(uplink: Uplink, rate: float, capacity: str, detail: str) -> Outcome:
    facts = {**_facts(uplink), "use": data_rate(rate), "capacity": capacity}
    return Outcome(Status.FAIL, detail, {}, (Suspect("wan.saturated", uplink.name, facts),), holds=True)


async def _captive(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    """Plain HTTP to an address or portal that is answered by somebody else, while nothing else gets through."""
    hosts = [urllib.parse.urlsplit(target.url).hostname or "" for target in ground.settings.kinds["http"].targets][:1]
    hosts += [beacon for beacon in ground.beacons(uplink) if ":" not in beacon][:1]
    clock = ground.machine.clock
    requests = [Request(f"http://{host}/", "GET", timeout=ground.wait(3.0), interface=uplink.interface) for host in hosts if host]
    # Without the proxy: a login page stands in front of it.
    answers = await asyncio.gather(*(fetch(request, clock=clock, environ={}) for request in requests))
    carries = results[f"uplink:{uplink.name}"].outcome.carries
    for request, answer in zip(requests, answers, strict=True):
        asked, led = urllib.parse.urlsplit(request.url).hostname, urllib.parse.urlsplit(answer.url).hostname
        elsewhere = bool(answer.redirects) and led != asked
        # Where nothing gets through, whoever answers plain HTTP all the same stands in between.
        odd = elsewhere or (answer.status is not None and not carries)
        if answer.status == NETWORK_LOGIN or (odd and not await _is_genuine(ground, uplink, hosts)):
            suspect = Suspect("wan.captive_portal", uplink.name, {**_facts(uplink), "portal": led or ""})
            return Outcome(Status.FAIL, f"{asked} -> {led if elsewhere else answer.status}", {"portal": led}, (suspect,))
    return Outcome(Status.PASS, "")


async def _is_genuine(ground: Ground, uplink: Uplink, hosts: list[str]) -> bool:
    """Does one of them prove by certificate that it is itself? A login page cannot, whatever it lets through."""
    clock = ground.machine.clock
    requests = [Request(f"https://{host}/", timeout=ground.wait(3.0), interface=uplink.interface) for host in hosts if host]
    requests = [replace(request, follow_redirects=False) for request in requests]
    answers = await asyncio.gather(*(fetch(request, clock=clock, environ={}) for request in requests))
    return any(answer.verified for answer in answers)


async def _mtu(uplink: Uplink, results: Results) -> Outcome:
    """Large packets vanish towards every beacon: one beacon alone may just not answer large pings."""
    answering = _answering(results, uplink)[:2]
    if not answering:
        return Outcome(Status.SKIP, "no echo")
    measured = await asyncio.gather(*(path_mtu(beacon, interface=uplink.interface) for beacon in answering))
    known = [one for one in measured if one.mtu is not None]
    if not known:
        return Outcome(Status.SKIP, measured[0].detail)
    best = max(known, key=lambda one: one.mtu or 0)
    data = {"mtu": best.mtu, "black_hole": best.black_hole}
    if all(one.black_hole for one in known):
        facts = {**_facts(uplink), "mtu": str(best.mtu)}
        return Outcome(Status.FAIL, f"{best.mtu} bytes", data, (Suspect("wan.mtu_blackhole", uplink.name, facts),), holds=True)
    return Outcome(Status.PASS, f"{best.mtu} bytes", data)


async def _contract(ground: Ground, uplink: Uplink, _: Results) -> Outcome:
    """The running agent's last throughput test against the contract."""
    tests = [test for test in (ground.running or {}).get("bandwidth", ()) if test.get("link") == uplink.name]
    contract = uplink.settings.contract
    pairs = [
        (direction, test[direction], promised)
        for test in tests
        for direction, promised in (("download", contract.download), ("upload", contract.upload))
        if promised and isinstance(test.get(direction), int | float)
    ]
    if not pairs:
        return Outcome(Status.SKIP, "no test, no contract")
    direction, rate, promised = min(pairs, key=lambda pair: pair[1] / pair[2])
    detail = f"{direction} {data_rate(rate)} / {data_rate(promised)}"
    if rate < CONTRACT_SHARE * promised:
        facts = {**_facts(uplink), "rate": data_rate(rate), "contract": data_rate(promised)}
        return Outcome(Status.WARN, detail, {}, (Suspect("wan.below_contract", uplink.name, facts),))
    return Outcome(Status.PASS, f"{detail} ({percent(rate / promised)})")


def _has_ipv6(ground: Ground, uplink: Uplink) -> bool:
    surroundings = ground.context.surroundings
    held = [
        ipaddress.ip_interface(address)
        for interface in surroundings.interfaces
        if interface.name == uplink.interface
        for address in interface.addresses
    ]
    return any(route.family == 6 for route in surroundings.routes) and any(
        one.version == 6 and not one.is_link_local for one in held
    )


async def _ipv6(ground: Ground, uplink: Uplink, _: Results) -> Outcome:
    beacons = ground.beacons(uplink, 6)
    bursts = await asyncio.gather(
        *(
            ground.pinger.ping(
                beacon, QUICK_PROBES, interval=ground.pace(0.12), timeout=ground.wait(1.5), interface=uplink.interface
            )
            for beacon in beacons
        )
    )
    if any(burst.window.received for burst in bursts):
        return Outcome(Status.PASS, beacons[0])
    return Outcome(
        Status.FAIL,
        f"0/{len(beacons)} ({', '.join(beacons)})",
        {},
        (Suspect("ipv6.broken", uplink.interface or uplink.name, _facts(uplink)),),
    )
