"""Layers 1 to 3: interfaces, addresses, the route out, and the gateway."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial

from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import ERROR_SHARE
from agent.diagnose.series import QUICK_PROBES, judge_series, series
from agent.diagnose.words import data_rate, milliseconds, percent
from collectors.model import Reason
from collectors.probe import counters, nics
from collectors.probe.surroundings import addresses_of
from collectors.probe.tcp import measure
from collectors.site import Uplink
from collectors.wire.neighbours import parse_arp

SLOW_BYTES_PER_SECOND = 1_250_000
"""10 Mbit/s and less is a bad cable or a wrong setting, not a choice."""
ETHERNET = "1"
"""ARPHRD_ETHER of linux/if_arp.h, what /sys/class/net/NAME/type says of a card with a cable."""
ERRORS_AT_LEAST = 100
GATEWAY_PORTS = (53, 80, 443)
"""Where a router that answers no ping is knocked at."""


def build(ground: Ground) -> list[Check]:
    """The checks of layers 1 to 3."""
    checks: list[Check] = []
    names = ground.interfaces()
    for name in names:
        checks.append(Check(f"interface:{name}", 1, partial(_interface, ground, name), stands_on=(f"wifi:{name}",)))
        checks.append(Check(f"address:{name}", 2, partial(_address, ground, name), needs=(f"interface:{name}",)))
    addresses = tuple(f"address:{name}" for name in names)
    checks.append(Check("route", 2, partial(_route, ground), needs_any=addresses, symptoms=("wan.down",)))
    for uplink in ground.context.uplinks:
        if uplink.interface and uplink.gateway and f"gateway:{uplink.interface}" not in {check.id for check in checks}:
            checks += _gateway_checks(ground, uplink, uplink.interface, uplink.gateway)
    return checks


def _gateway_checks(ground: Ground, uplink: Uplink, interface: str, gateway: str) -> list[Check]:
    local = (f"address:{interface}", f"wifi:{interface}", f"duplicate:{interface}")
    found = [
        Check(
            f"gateway:{interface}",
            3,
            partial(_gateway, ground, interface, gateway),
            needs=(f"address:{interface}",),
            stands_on=local,
            symptoms=("gateway.unreachable",),
        )
    ]
    if not ground.quick:
        found.append(
            Check(
                f"gateway-quality:{interface}",
                3,
                partial(_quality, ground, uplink, gateway),
                needs=(f"gateway:{interface}",),
                stands_on=(f"interface:{interface}", *local),
            )
        )
    return found


async def _interface(ground: Ground, name: str, _: Results) -> Outcome:
    state = nics.state(ground.machine, name)
    if (state is None or not state.up) and nics.is_wireless(ground.machine, name):
        return Outcome(Status.FAIL, "not connected", {"up": False})  # what a radio lacks, `wifi` says
    if state is None or not state.up:
        return Outcome(Status.FAIL, "no carrier", {"up": False}, (Suspect("interface.down", name),))
    data = {"up": True, "speed_bytes_per_second": state.speed, "full_duplex": state.full_duplex}
    suspects = []
    details = ["up"]
    if state.speed:
        details.append(data_rate(state.speed))
    kind = ground.machine.read_or_none(f"/sys/class/net/{name}/type") or ETHERNET
    # A tunnel has no cable: the 10 Mbit/s that many kernels give for it mean nothing.
    if kind.strip() == ETHERNET and ((state.speed and state.speed <= SLOW_BYTES_PER_SECOND) or state.full_duplex is False):
        speed = data_rate(state.speed) if state.speed else "?"
        suspects.append(Suspect("interface.slow", name, {"speed": speed, "duplex": _duplex(full=state.full_duplex)}))
    if state.full_duplex is not None:
        details.append(_duplex(full=state.full_duplex))
    seen = counters.read(ground.machine, name)
    if seen is not None:
        packets = seen.receive_packets + seen.transmit_packets
        errors = seen.receive_errors + seen.transmit_errors
        data |= {"packets": packets, "errors": errors}
        if errors >= ERRORS_AT_LEAST and errors > ERROR_SHARE * packets:
            share = percent(errors / max(packets, 1))
            details.append(f"{share} errors")
            suspects.append(Suspect("interface.errors", name, {"share": share}))
    return Outcome(Status.WARN if suspects else Status.PASS, ", ".join(details), data, tuple(suspects))


def _duplex(*, full: bool | None) -> str:
    return {True: "full duplex", False: "half duplex", None: "?"}[full]


async def _address(ground: Ground, name: str, _: Results) -> Outcome:
    addresses = addresses_of(ground.machine).get(name, [])
    held = [one for one in map(ipaddress.ip_interface, addresses) if isinstance(one, ipaddress.IPv4Interface)]
    routable6 = [address for address in addresses if ":" in address and not ipaddress.ip_interface(address).is_link_local]
    usable = [one for one in held if not one.is_link_local]
    detail = ", ".join(map(str, [*held, *routable6]))
    data = {"addresses": [str(one) for one in held] + routable6, "ipv4": bool(usable)}
    if not usable and not routable6:
        suspect = Suspect("address.link_local", name, {"address": str(held[0].ip)}) if held else Suspect("address.none", name)
        return Outcome(Status.FAIL, detail or "none", data, (suspect,))
    stranger = _beyond_the_mask(ground, name, usable)
    if stranger is not None:
        # The route may work all the same, so what stands on this is still judged.
        suspect = Suspect("address.mask", name, {"address": str(usable[0]), "gateway": stranger})
        return Outcome(Status.FAIL, f"{detail}; {stranger}", data, (suspect,), holds=True)
    return Outcome(Status.PASS, detail, data)


def _beyond_the_mask(ground: Ground, name: str, held: list[ipaddress.IPv4Interface]) -> str | None:
    """An address that must be in this network and is not: the gateway, else a name server next door."""
    if not held or all(one.network.prefixlen == 32 for one in held):
        return None
    surroundings = ground.context.surroundings
    gateways = [route.gateway for route in surroundings.routes if route.interface == name and route.family == 4]
    gateways += [uplink.gateway for uplink in ground.context.uplinks if uplink.interface == name]
    neighbours = [gateway for gateway in gateways if gateway and ":" not in gateway]
    if not neighbours:
        # Without a gateway, a name server of the same /24 that lies outside the mask betrays the mask.
        neighbours = [server for server in surroundings.resolvers if ":" not in server and _is_next_door(server, held)]
    for neighbour in neighbours:
        if not any(ipaddress.IPv4Address(neighbour) in one.network for one in held):
            return neighbour
    return None


def _is_next_door(server: str, held: list[ipaddress.IPv4Interface]) -> bool:
    address = ipaddress.IPv4Address(server)
    return address.is_private and any(address in ipaddress.IPv4Network(f"{one.ip}/24", strict=False) for one in held)


async def _route(ground: Ground, results: Results) -> Outcome:
    routes = ground.context.surroundings.routes
    detail = ", ".join(f"{route.gateway or route.interface} ({route.interface})" for route in routes)
    stranded = [name for name in ground.interfaces() if results[f"address:{name}"].outcome.data.get("ipv4")]
    if routes and stranded and not any(route.family == 4 for route in routes):
        # IPv6 leads out and IPv4 does not: most services of the state have no IPv6 address.
        return Outcome(Status.FAIL, detail, {"routes": len(routes)}, (Suspect("route.none", stranded[0]),), holds=True)
    if routes:
        return Outcome(Status.PASS, detail, {"routes": len(routes)})
    if not ground.interfaces():
        return Outcome(Status.FAIL, "no network card", {"routes": 0}, (Suspect("interface.down", "LAN"),))
    masked = any(s.code == "address.mask" for result in results.values() for s in result.outcome.suspects)
    holders = [name for name in ground.interfaces() if results[f"address:{name}"].outcome.carries]
    # A wrong mask is why the system refused the gateway: it has been told already.
    suspects = () if masked else (Suspect("route.none", holders[0] if holders else "route"),)
    return Outcome(Status.FAIL, "none", {"routes": 0}, suspects)


async def _gateway(ground: Ground, interface: str, gateway: str, _: Results) -> Outcome:
    burst = await ground.pinger.ping(
        gateway, QUICK_PROBES, interval=ground.pace(0.1), timeout=ground.wait(1.0), interface=interface
    )
    window = burst.window
    data = {"address": gateway, "sent": window.sent, "received": window.received}
    if window.received and window.rtt is not None:
        return Outcome(Status.PASS, f"{gateway} {milliseconds(min(window.rtts))}", data)
    knocks = await asyncio.gather(
        *(
            measure(gateway, port, timeout=ground.wait(1.0), clock=ground.machine.clock, interface=interface)
            for port in GATEWAY_PORTS
        )
    )
    if any(knock.fault is None or knock.fault.reason is Reason.REFUSED for knock in knocks):
        return Outcome(Status.WARN, f"{gateway}: no echo, but it answers", {**data, "silent": False})
    if _neighbour(ground, gateway):
        # Some routers answer nothing that is sent to themselves; only what lies beyond them can tell.
        return Outcome(Status.WARN, f"{gateway}: no echo, but a neighbour", {**data, "silent": True})
    suspect = Suspect("gateway.unreachable", gateway)
    return Outcome(Status.FAIL, f"{gateway}: {window.received}/{window.sent}", data, (suspect,))


def _neighbour(ground: Ground, address: str) -> bool:
    """Has the address answered ARP lately?"""
    return address in parse_arp(ground.machine.read_or_none("/proc/net/arp") or "")


async def _quality(ground: Ground, uplink: Uplink, gateway: str, _: Results) -> Outcome:
    window = await series(ground, gateway, uplink)
    if not window.received:
        return Outcome(Status.SKIP, "no echo")
    return judge_series(window, gateway, lossy="gateway.lossy", facts={})
