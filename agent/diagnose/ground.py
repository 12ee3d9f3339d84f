"""What a diagnosis stands on: settings, surroundings, shared sessions, and what the running agent tells."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.locale import N_
from agent.settings import AgentSettings
from collectors import ping
from collectors.machine import Machine
from collectors.probe import nics
from collectors.probe.filesystems import Filesystems
from collectors.probe.icmp import Pinger
from collectors.site import Context, Uplink

DEFAULT_BEACONS: Mapping[int, tuple[str, ...]] = ping.BEACONS
"""Who is asked whether a line carries anything, by IP version, when the configuration names nobody."""

NO_RESOLVER = "127.0.0.1"
QUICK_WAIT = 0.7
"""Seconds; three answers that never come, one after another, fit the quick bound."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Handed to every check.

    Attributes:
        quick: answer within 4 seconds: no long series of probes.
        running: the running agent's `/api/v1/status`, None when no agent runs here.
        filesystems: asks disks without being held up by one that hangs.
        notes: what could not be looked at, and what would help; filled by the checks.
    """

    settings: AgentSettings
    context: Context
    pinger: Pinger
    filesystems: Filesystems
    quick: bool = False
    running: Mapping[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    def wait(self, seconds: float) -> float:
        """How long to wait for one answer: not long when the diagnosis must be quick, so that what stands on it is judged."""
        return min(seconds, QUICK_WAIT) if self.quick else seconds

    def pace(self, seconds: float) -> float:
        """The pause between a few pings: half of it when the diagnosis must be quick."""
        return seconds / 2 if self.quick else seconds

    def note_privilege(self) -> None:
        """Say once what could not be looked at for want of a privilege."""
        text = N_("Without CAP_NET_RAW (run as root), duplicate addresses and rogue DHCP servers are not looked for.")
        if text not in self.notes:
            self.notes.append(text)

    def note_ping(self) -> None:
        """Say once that pings are not allowed here."""
        text = N_(
            "Pings are not allowed for this user (CAP_NET_RAW or net.ipv4.ping_group_range); loss and delay are not judged."
        )
        if text not in self.notes:
            self.notes.append(text)

    @property
    def machine(self) -> Machine:
        """The computer."""
        return self.context.machine

    def beacons(self, uplink: Uplink, family: int | None = None) -> tuple[str, ...]:
        """Whom to ask on a line: as configured, else the well-known resolvers; by IPv4 where that leads out."""
        families = {route.family for route in self.context.surroundings.routes if route.interface == uplink.interface}
        family = family or (6 if families == {6} else 4)
        configured = tuple(beacon for beacon in uplink.settings.beacons if (":" in beacon) == (family == 6))
        return configured or (DEFAULT_BEACONS[family] if uplink.settings.kind != "tslcd" else ())

    def resolvers(self) -> tuple[str, ...]:
        """The name servers in use; with none entered, programs ask this computer itself (resolv.conf(5))."""
        found = self.context.surroundings.resolvers
        return found if found or self.machine.platform != "linux" else (NO_RESOLVER,)

    def is_near(self, server: str) -> bool:
        """Is this address on the local network, so that it answers whether the line is up or not? A name is not."""
        try:
            address = ipaddress.ip_address(server.partition("%")[0])
        except ValueError:
            return False
        held = [ipaddress.ip_interface(one) for interface in self.context.surroundings.interfaces for one in interface.addresses]
        return address.is_link_local or any(address in one.network for one in held)

    def interfaces(self) -> tuple[str, ...]:
        """The interfaces that matter: those of uplinks and default routes; without any, every physical one."""
        surroundings = self.context.surroundings
        named = [uplink.interface for uplink in self.context.uplinks if uplink.interface]
        routed = [route.interface for route in surroundings.routes]
        found = tuple(dict.fromkeys(named + routed)) or tuple(one.name for one in surroundings.interfaces)
        return found or nics.candidates(self.machine)
