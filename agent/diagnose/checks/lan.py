"""Layer 2 on the wire: is our address ours alone, and who else gives out addresses."""

from __future__ import annotations

import ipaddress
from functools import partial

from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from collectors.model import Reason
from collectors.probe.lan import Offer, dhcp_offers, is_local_network, owners_of, rogue_offers

OFFER_SECONDS = 2.5


def build(ground: Ground) -> list[Check]:
    """The checks; never on a state network, never beyond private subnets, not when the answer must be quick."""
    if ground.quick:
        return []
    state = {uplink.interface for uplink in ground.context.uplinks if uplink.settings.kind == "tslcd"}
    checks = []
    for interface in ground.context.surroundings.interfaces:
        name = interface.name
        if name not in ground.interfaces() or name in state or not is_local_network(interface):
            continue
        for address in interface.addresses:
            if ":" not in address and not address.startswith("169.254."):
                plain = address.partition("/")[0]
                checks.append(
                    Check(f"duplicate:{name}", 2, partial(_duplicate, ground, plain, name), needs=(f"interface:{name}",))
                )
                break
        checks.append(
            Check(f"dhcp:{name}", 2, partial(_dhcp, ground, name), needs=(f"interface:{name}",), after=(f"gateway:{name}",))
        )
    return checks


async def _duplicate(ground: Ground, address: str, name: str, _: Results) -> Outcome:
    """Nobody else has our address, and one machine alone has the gateway's."""
    gateways = {uplink.gateway for uplink in ground.context.uplinks if uplink.interface == name and uplink.gateway}
    near = [gateway for gateway in sorted(gateways) if ":" not in gateway]
    found = await owners_of((address, *near), name)
    if found.reason is not None:
        return _unseen(ground, found.reason, found.detail)
    for asked, allowed in ((address, 0), *((gateway, 1) for gateway in near)):
        macs = found.hosts.get(asked, ())
        if len(macs) > allowed:
            suspect = Suspect("address.duplicate", name, {"address": asked, "other": ", ".join(macs)})
            return Outcome(Status.FAIL, f"{asked}: {', '.join(macs)}", {}, (suspect,), holds=True)
    return Outcome(Status.PASS, address)


async def _dhcp(ground: Ground, name: str, results: Results) -> Outcome:
    found = await dhcp_offers(name, OFFER_SECONDS)
    if found.reason is not None:
        return _unseen(ground, found.reason, found.detail)
    held = [uplink.gateway for uplink in ground.context.uplinks if uplink.interface == name and uplink.gateway]
    gateway = next((address for address in held if ":" not in address), None)
    if f"gateway:{name}" in results and not results[f"gateway:{name}"].outcome.carries:
        gateway = None  # a router that does not answer is no measure for others
    rogues = rogue_offers(found.offers, gateway, ground.settings.kinds["lan"].allowed_dhcp_servers)
    detail = ", ".join(found.servers) or "none"
    data = {"servers": list(found.servers)}
    if rogues:
        named = ", ".join(f"{offer.server} ({offer.mac})" for offer in rogues)
        return Outcome(Status.FAIL, detail, data, (Suspect("dhcp.rogue", name, {"servers": named}),), holds=True)
    masked = _other_mask(ground, name, found.offers)
    if masked is not None:
        own, server = masked
        facts = {"address": own, "gateway": server}
        return Outcome(Status.FAIL, f"{own}; {server}", data, (Suspect("address.mask", name, facts),), holds=True)
    return Outcome(Status.PASS, detail, data)


def _other_mask(ground: Ground, name: str, offers: tuple[Offer, ...]) -> tuple[str, str] | None:
    """Our address and the network that is given out, where our mask makes it another one than everybody else's."""
    held = [
        ipaddress.IPv4Interface(address)
        for interface in ground.context.surroundings.interfaces
        for address in interface.addresses
        if interface.name == name and ":" not in address
    ]
    for offer in offers:
        given = ipaddress.IPv4Interface(f"{offer.address}/{offer.mask}") if offer.mask else None
        for own in held:
            if given is not None and own.ip in given.network and own.network != given.network:
                return str(own), str(given.network)
    return None


def _unseen(ground: Ground, reason: Reason, detail: str) -> Outcome:
    if reason is Reason.NO_PERMISSION:
        ground.note_privilege()
        return Outcome(Status.SKIP, "CAP_NET_RAW")
    return Outcome(Status.ERROR, detail)
