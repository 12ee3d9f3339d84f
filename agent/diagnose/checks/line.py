"""Layer 4: each uplink on its own: how well it carries, how full it is, how large a packet it takes, and IPv6 on it."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import statistics
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from agent.diagnose.checks.reach import FALLBACK_PORTS, captive, carries, knock, line_facts
from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import CONTRACT_SHARE, SATURATED_SHARE, interval
from agent.diagnose.series import QUICK_PROBES, judge_series, pooled, series
from agent.diagnose.words import data_rate, percent
from collectors.model import Reason
from collectors.probe import counters
from collectors.probe.mtu import path_mtu
from collectors.probe.tcp import measure
from collectors.probe.trace import trace
from collectors.site import Uplink

BUSY_BYTES_PER_SECOND = 60_000
"""Own traffic from which on a long queue is put down to it (half a megabit per second)."""
QUEUE_SECONDS = 0.025
"""What a full queue adds to the quickest round trip."""
BEACONS_JUDGED = 2
HANDSHAKES = 40
HANDSHAKE_INTERVAL = 0.015
HANDSHAKE_TIMEOUT = 0.9
"""Seconds; a lost request is not sent again before one has passed (RFC 6298)."""
TRAFFIC_SAMPLES = 16
TRAFFIC_INTERVAL = 0.25
EVEN_VARIATION = 0.2
"""Traffic that a full line paces is this even from quarter second to quarter second."""


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
            Check(f"uplink:{name}", 4, partial(carries, ground, uplink), needs=local, stands_on=soft, symptoms=("wan.down",))
        )
        if uplink.settings.kind != "tslcd":
            checks.append(Check(f"captive:{name}", 4, partial(captive, ground, uplink), needs=local, after=(f"uplink:{name}",)))
        if ground.quick:
            continue
        beyond = (f"uplink:{name}",)
        full = (f"saturation:{name}", *soft)
        checks.append(Check(f"quality:{name}", 4, partial(_quality, ground, uplink), needs=beyond, stands_on=full))
        checks.append(
            Check(f"saturation:{name}", 4, partial(_saturation, ground, uplink), needs=beyond, after=(f"quality:{name}",))
        )
        checks.append(
            Check(f"mtu:{name}", 4, partial(_mtu, uplink), needs=beyond, stands_on=(f"quality:{name}", f"saturation:{name}"))
        )
        checks.append(Check(f"contract:{name}", 4, partial(_contract, ground, uplink), stands_on=(f"quality:{name}", *full)))
    first = next((uplink for uplink in ground.context.uplinks if uplink.settings.kind != "tslcd"), None)
    if first is not None and _has_ipv6(ground, first):
        checks.append(Check(f"ipv6:{first.name}", 4, partial(_ipv6, ground, first), needs=(f"uplink:{first.name}",)))
    return checks


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
        (judge_series(one, uplink.name, lossy="wan.lossy", slow="wan.slow", jittery="wan.jitter", facts=line_facts(uplink)), one)
        for one in pooled(windows)
    ]
    # What only one beacon suffers from is on the way to that beacon, not on this line.
    outcome, window = min(judged, key=lambda pair: len(pair[0].suspects))
    outcome = await _confirmed(ground, uplink, answering[:BEACONS_JUDGED], outcome)
    queue = statistics.median(window.rtts) - min(window.rtts) if window.rtts else 0.0
    return replace(outcome, data={**outcome.data, **traffic, "queue_seconds": round(queue, 6)})


async def _confirmed(ground: Ground, uplink: Uplink, beacons: Sequence[str], outcome: Outcome) -> Outcome:
    """The outcome without a loss that pings alone suffer: many carriers and routers let only so many pass in a second."""
    low = float(outcome.data.get("loss_interval", [0.0])[0])
    if low <= interval(0, HANDSHAKES)[1]:
        return outcome  # so many handshakes could not tell it from none

    async def shake(number: int) -> bool | None:
        await asyncio.sleep(number * HANDSHAKE_INTERVAL)
        port = FALLBACK_PORTS[number // len(beacons) % len(FALLBACK_PORTS)]
        wait, clock = HANDSHAKE_TIMEOUT, ground.machine.clock
        found = await measure(beacons[number % len(beacons)], port, timeout=wait, clock=clock, interface=uplink.interface)
        if found.fault is None or found.fault.reason is Reason.REFUSED:
            return True
        return False if found.fault.reason is Reason.TIMEOUT else None

    shaken = [one for one in await asyncio.gather(*map(shake, range(HANDSHAKES))) if one is not None]
    if len(shaken) < HANDSHAKES // 2 or interval(shaken.count(False), len(shaken))[1] >= low:
        return outcome
    others = tuple(suspect for suspect in outcome.suspects if suspect.code != "wan.lossy")
    return replace(outcome, status=Status.WARN, detail=f"{outcome.detail} by pings alone", suspects=others)


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


async def _saturation(ground: Ground, uplink: Uplink, results: Results) -> Outcome:
    """Full when the traffic reaches the contract; without a contract, when it flows and a queue stands before the line.

    The running agent may know more than this computer's own traffic: that of the whole site, read at the router's port.
    """
    told = [row for row in (ground.running or {}).get("utilization", ()) if row["link"] == uplink.name]
    fullest = max(told, key=lambda row: float(row["ratio"]), default={"ratio": 0.0})
    if fullest["ratio"] >= SATURATED_SHARE:
        return _full(
            uplink, f"{percent(fullest['ratio'])}, {fullest['direction']}", f"{percent(fullest['ratio'])} by the running agent"
        )
    quality = results[f"quality:{uplink.name}"].outcome
    if "download" not in quality.data:
        return Outcome(Status.SKIP, "unknown")
    contract = uplink.settings.contract
    use = {direction: float(quality.data[direction]) for direction in ("download", "upload")}
    detail = " / ".join(data_rate(rate) for rate in use.values())
    for direction, capacity in (("download", contract.download), ("upload", contract.upload)):
        if capacity and use[direction] >= SATURATED_SHARE * capacity:
            return _full(uplink, f"{data_rate(use[direction])} / {data_rate(capacity)}", detail)
    busiest = max(use, key=lambda direction: use[direction])
    if use[busiest] < BUSY_BYTES_PER_SECOND:
        return Outcome(Status.PASS, detail)
    suffers = any(suspect.code in {"wan.slow", "wan.jitter", "wan.lossy"} for suspect in quality.suspects)
    queued = float(quality.data["queue_seconds"]) > QUEUE_SECONDS or suffers
    # A queue that never empties shows in no difference; then the carrier's first router is far, and the traffic is even.
    even = float(quality.data[f"{busiest}_variation"]) < EVEN_VARIATION
    if queued or (even and await _first_hop_beyond(uplink, results) > QUEUE_SECONDS):
        return _full(uplink, data_rate(use[busiest]), detail)
    return Outcome(Status.PASS, detail)


async def _first_hop_beyond(uplink: Uplink, results: Results) -> float:
    """Quickest round trip to the carrier's first router, in seconds; 0 where it is silent."""
    found = await trace(_answering(results, uplink)[0], max_hops=2, probes=5, timeout=1.0, interface=uplink.interface)
    return min((rtt for hop in found.hops[1:2] for rtt in hop.rtts), default=0.0)


def _full(uplink: Uplink, use: str, detail: str) -> Outcome:
    facts = {**line_facts(uplink), "use": use}
    return Outcome(Status.FAIL, detail, {}, (Suspect("wan.saturated", uplink.name, facts),), holds=True)


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
        facts = {**line_facts(uplink), "mtu": str(best.mtu)}
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
        facts = {**line_facts(uplink), "rate": data_rate(rate), "contract": data_rate(promised)}
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
    if await knock(ground, uplink, beacons):
        return Outcome(Status.WARN, f"no echo, ports {FALLBACK_PORTS} open")
    return Outcome(
        Status.FAIL,
        f"0/{len(beacons)} ({', '.join(beacons)})",
        {},
        (Suspect("ipv6.broken", uplink.interface or uplink.name, line_facts(uplink)),),
    )
