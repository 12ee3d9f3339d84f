"""Network interfaces of this machine: which ones are worth watching, and their state, speed and duplex.

An interface counts as physical when
- a bus device stands behind it (PCI, USB, virtio, a modem): /sys/class/net/NAME/device; or
- it carries a default route, whatever it is (ppp0 of PPPoE, a bond, a bridge or VLAN that is the uplink); or
- it is one end of a veth pair that has an address of its own and is no port of a bridge: what a container or a network
  namespace sees as its Ethernet card, unlike the ends that a container host keeps (bridge ports, no address).
Loopback, docker0, br-*, tunnels, VPNs and dummies carry no cable and are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from dataclasses import dataclass

from collectors.machine import Machine

BYTES_PER_SECOND_PER_MEGABIT = 125_000
IFF_RUNNING = 0x40
SIOCGIFFLAGS = 0x8913


@dataclass(frozen=True, slots=True)
class Nic:
    """State of an interface: `speed` in octets per second, None where the hardware does not say; so `full_duplex`."""

    up: bool
    speed: float | None
    full_duplex: bool | None


def is_physical(machine: Machine, name: str, *, routed: Collection[str], addressed: Collection[str]) -> bool:
    """Whether the interface is worth watching (see above).

    Args:
        machine: the computer.
        name: the interface.
        routed: interfaces that carry a default route.
        addressed: interfaces that have an address other than link-local.
    """
    folder = f"/sys/class/net/{name}"
    if name == "lo":
        return False
    if name in routed or machine.path(f"{folder}/device").exists():
        return True
    if name not in addressed:
        return False
    if not machine.path(folder).exists():  # the mounted sysfs is another namespace's
        return True
    kind = machine.read_or_none(f"{folder}/uevent") or ""
    index, peer = machine.read_or_none(f"{folder}/ifindex"), machine.read_or_none(f"{folder}/iflink")
    return "DEVTYPE=" not in kind and index != peer and not machine.path(f"{folder}/master").exists()


def candidates(machine: Machine) -> tuple[str, ...]:
    """Interfaces that could carry a cable, for a machine on which none is in use: no address, no route.

    Ends of veth pairs count unless they are ports of a bridge, since in a container or namespace they are the card.
    """
    found = []
    for name in machine.entries("/sys/class/net"):
        folder = f"/sys/class/net/{name}"
        virtual = "DEVTYPE=" in (machine.read_or_none(f"{folder}/uevent") or "")
        paired = machine.read_or_none(f"{folder}/ifindex") != machine.read_or_none(f"{folder}/iflink")
        card = machine.path(f"{folder}/device").exists() or (paired and not virtual)
        if name != "lo" and card and not machine.path(f"{folder}/master").exists():
            found.append(name)
    return tuple(found)


def is_wireless(machine: Machine, name: str) -> bool:
    """Whether the interface is a Wi-Fi client or access point."""
    return machine.path(f"/sys/class/net/{name}/wireless").exists() or machine.path(f"/sys/class/net/{name}/phy80211").exists()


def state(machine: Machine, name: str) -> Nic | None:
    """An interface's state, None when there is no such interface (any more)."""
    if machine.platform != "linux":
        return _psutil_state(name)
    folder = f"/sys/class/net/{name}"
    operstate = machine.read_or_none(f"{folder}/operstate")
    if operstate is None:
        return _flags_state(name) if machine.is_real else None
    carrier = machine.read_or_none(f"{folder}/carrier")
    up = operstate == "up" or (operstate == "unknown" and carrier == "1")
    megabits = machine.read_or_none(f"{folder}/speed")
    speed = int(megabits) * BYTES_PER_SECOND_PER_MEGABIT if megabits and megabits.isdecimal() and int(megabits) > 0 else None
    duplex = machine.read_or_none(f"{folder}/duplex")
    return Nic(up, speed, {"full": True, "half": False}.get(duplex or ""))


def _flags_state(name: str) -> Nic | None:
    """Up or not from the kernel itself, for a namespace whose sysfs is not mounted."""
    if sys.platform == "win32":
        return None
    import fcntl  # noqa: PLC0415  not on Windows
    import socket  # noqa: PLC0415  needed here only
    import struct  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            answer = fcntl.ioctl(channel, SIOCGIFFLAGS, struct.pack("16sH14x", name.encode()[:15], 0))
        except OSError:
            return None
    return Nic(bool(struct.unpack_from("H", answer, 16)[0] & IFF_RUNNING), None, None)


def _psutil_state(name: str) -> Nic | None:
    import psutil  # noqa: PLC0415  only where there is no /proc

    found = psutil.net_if_stats().get(name)
    if found is None:
        return None
    duplex = True if found.duplex == psutil.NIC_DUPLEX_FULL else False if found.duplex == psutil.NIC_DUPLEX_HALF else None
    return Nic(found.isup, found.speed * BYTES_PER_SECOND_PER_MEGABIT if found.speed > 0 else None, duplex)
