"""lan: who is on the local network, duplicate addresses and rogue DHCP servers.

One instance per interface with a private address. Metrics carry counts only; which address and what is wrong with an offer
stand in the reading's detail, which the status shows to whoever may ask: there a hardware address is a keyed hash, and the
address itself stands in the log of this computer alone. Hosts that were seen before are remembered as such hashes too.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar

from collectors.model import Collector, Observations, Reading, gauge
from collectors.site import Context, Interface, Settings, seconds
from collectors.wire.hardware import hashed, hide
from collectors.wire.units import Duration

if TYPE_CHECKING:
    from pathlib import Path

    from collectors.probe.lan import Offers, Scan

log = logging.getLogger(__name__)
HOSTS = gauge("commune_lan_hosts", "Hosts that answered on the local network.", "interface")
DUPLICATES = gauge("commune_lan_duplicate_addresses", "Addresses claimed by more than one host.", "interface", urgent=True)
DHCP_SERVERS = gauge("commune_lan_dhcp_servers", "DHCP servers that made an offer.", "interface")
ROGUES = gauge("commune_lan_rogue_dhcp_servers", "DHCP servers that are not allowed here.", "interface", urgent=True)
METRICS = (HOSTS, DUPLICATES, DHCP_SERVERS, ROGUES)

FOREIGN_KINDS = frozenset({"tslcd", "lte"})
"""Networks of others: nobody scans the state's or a carrier's."""
DEADLINE = 60.0
REMEMBERED = 4096
"""Hosts remembered at most; the one not seen for longest is forgotten first."""


class LanSettings(Settings, frozen=True):
    """Section `lan`; never looks beyond the site's own private subnets, nor at links of kind tslcd."""

    interval: Duration = seconds(900)
    arp: bool = True
    dhcp: bool = True
    allowed_dhcp_servers: tuple[str, ...] = ()


class Acquaintances:
    """The hosts that were seen before, as keyed hashes with the moment (UTC) they were last seen; in memory without a file."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._key = secrets.token_bytes(16)
        self._known: dict[str, float] = {}
        self._is_first = True
        if file is not None:
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                held = json.loads(file.read_text(encoding="utf-8"))
                known = {str(name): float(moment) for name, moment in held["seen"].items()}
                self._key, self._known, self._is_first = bytes.fromhex(held["key"]), known, False

    def meet(self, macs: Iterable[str], now: float) -> list[str]:
        """Remember hosts; returns those not seen before. The first scan ever meets nobody new, it makes the list."""
        names = {hashed(mac, self._key): mac for mac in sorted(macs)}
        fresh = [] if self._is_first else [mac for name, mac in names.items() if name not in self._known]
        self._is_first = False
        self._known.update(dict.fromkeys(names, now))
        newest = sorted(self._known.items(), key=lambda item: -item[1])[:REMEMBERED]
        self._known = dict(newest)
        self._save()
        return fresh

    def hide(self, text: str) -> str:
        """A text in which each hardware address is the hash that it is remembered by."""
        return hide(text, self._key)

    def freeze(self) -> None:
        """Leave the file as it is from now on."""
        self._file = None

    def _save(self) -> None:
        if self._file is None:
            return
        temporary = self._file.with_suffix(".new")
        try:
            temporary.touch(mode=0o600)
            temporary.write_text(json.dumps({"key": self._key.hex(), "seen": self._known}), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:
            log.warning("hosts seen not saved", extra={"file": str(self._file), "error": error.strerror})


class LanCollector(Collector):
    """Looks at the local network of one interface."""

    kind: ClassVar[str] = "lan"

    def __init__(self, interface: Interface, gateway: str | None, settings: LanSettings, context: Context) -> None:
        super().__init__(
            interface.name,
            interval=float(settings.interval),
            deadline=min(float(settings.interval), DEADLINE),
            identity=(interface, gateway, settings),
        )
        self._interface = interface
        self._gateway = gateway
        self._settings = settings
        self._clock = context.machine.clock
        folder = context.state_dir
        self._seen = Acquaintances(folder / f"lan-{interface.name}.json" if folder is not None else None)
        self._told: frozenset[str] = frozenset()

    async def once(self) -> Reading:
        """One scan beside the agent that runs, whose memory it leaves as it is."""
        self._seen.freeze()
        return await self.collect()

    async def collect(self) -> Reading:
        """Scan the subnets and ask for DHCP servers."""
        # Declarations load without what they measure with.
        from collectors.probe.lan import dhcp_offers, look, scan  # noqa: PLC0415

        seen = offers = None
        if self._settings.arp and self._settings.dhcp:
            seen, offers = await look(self._interface)
        elif self._settings.arp:
            seen = await scan(self._interface)
        else:
            offers = await dhcp_offers(self._interface.name)
        found = Observations()
        facts: list[str] = []
        reason, failure = next(((one.reason, one.detail) for one in (seen, offers) if one and one.reason), (None, ""))
        if seen is not None and seen.reason is None:
            facts += self._hosts(seen, found)
        if offers is not None and offers.reason is None:
            facts += self._servers(offers, found)
        self._tell(facts)
        detail = self._seen.hide("; ".join([failure] * bool(failure) + facts))
        return Reading(self.kind, self.target, self._clock.monotonic(), found.items, reason, detail)

    def _hosts(self, seen: Scan, found: Observations) -> list[str]:
        duplicates = seen.duplicates(self._interface.addresses)
        found.set(HOSTS, float(len(seen.macs)), self.target)
        found.set(DUPLICATES, float(len(duplicates)), self.target)
        addresses = {mac: address for address, macs in seen.hosts.items() for mac in macs}
        for mac in self._seen.meet(seen.macs, self._clock.true()):
            log.info("new host on the local network", extra={"interface": self.target, "address": addresses[mac], "mac": mac})
        return [f"{address} is used by {_who(address, macs, self._interface)}" for address, macs in sorted(duplicates.items())]

    def _servers(self, answer: Offers, found: Observations) -> list[str]:
        from collectors.probe.lan import lease_faults, rogue_offers  # noqa: PLC0415

        rogues = rogue_offers(answer.offers, self._gateway, self._settings.allowed_dhcp_servers)
        found.set(DHCP_SERVERS, float(len(answer.offers)), self.target)
        found.set(ROGUES, float(len(rogues)), self.target)
        facts = [f"DHCP server {one.server} ({one.mac}) does not belong here" for one in rogues]
        for offer in answer.offers:
            facts += [f"DHCP server {offer.server} ({offer.mac}) {fault}" for fault in lease_faults(offer, self._gateway)]
        return facts

    def _tell(self, facts: list[str]) -> None:
        """One line when something is found and one when it is gone, not one a scan."""
        now = frozenset(facts)
        for fact in sorted(now - self._told):
            log.warning("local network", extra={"interface": self.target, "found": fact})
        for fact in sorted(self._told - now):
            log.info("local network", extra={"interface": self.target, "gone": fact})
        self._told = now


def _who(address: str, macs: tuple[str, ...], interface: Interface) -> str:
    ours = any(text.partition("/")[0] == address for text in interface.addresses)
    return " and ".join((*(("this computer",) if ours else ()), *macs))


def build(settings: LanSettings, context: Context) -> list[Collector]:
    """One collector per interface in a private subnet that is not a link of the state or of a mobile carrier."""
    from collectors.probe.lan import is_local_network  # noqa: PLC0415

    if not (settings.arp or settings.dhcp):
        return []
    foreign = {uplink.interface for uplink in context.uplinks if uplink.settings.kind in FOREIGN_KINDS}
    return [
        LanCollector(interface, _gateway(context, interface.name), settings, context)
        for interface in context.surroundings.interfaces
        if interface.name not in foreign and is_local_network(interface)
    ]


def _gateway(context: Context, interface: str) -> str | None:
    routes = sorted(context.surroundings.routes, key=lambda route: route.metric)
    return next((route.gateway for route in routes if route.family == 4 and route.interface == interface), None)
