"""Which Linux capabilities this process lacks, and what is lost without them: said once at the start, never fatal."""

from __future__ import annotations

from dataclasses import dataclass

from collectors.machine import Machine


@dataclass(frozen=True, slots=True)
class Capability:
    """A capability of capabilities(7): its name, its bit, and what the agent cannot do without it."""

    name: str
    bit: int
    lost: str


NET_RAW = Capability(
    "CAP_NET_RAW",
    13,
    "ping where the group is outside net.ipv4.ping_group_range, the LAN watch (ARP, DHCP), paths and MTU by ICMP",
)
NET_ADMIN = Capability("CAP_NET_ADMIN", 12, "Wi-Fi scans of our own: only what the system scanned is seen")


def held(machine: Machine) -> int | None:
    """The effective capabilities of this process as a bit set; None where the system has none."""
    for line in (machine.read_or_none("/proc/self/status") or "").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return int(value, 16)
    return None


def missing(machine: Machine, *, wireless: bool) -> list[Capability]:
    """What this process lacks of what it could use here; CAP_NET_ADMIN only where there is Wi-Fi."""
    bits = held(machine)
    if bits is None:
        return []
    useful = (NET_RAW, NET_ADMIN) if wireless else (NET_RAW,)
    return [capability for capability in useful if not bits >> capability.bit & 1]
