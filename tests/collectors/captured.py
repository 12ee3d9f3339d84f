"""Captured computers: folders of files as /proc, /sys and /etc show them, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.machine import Machine

DEV_HEAD = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes …\n"
ROUTE_HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@dataclass
class FixedClock:
    """All three clocks as the test sets them."""

    now: float = 5000.0
    utc: float = 1_780_000_000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.utc

    def true(self) -> float:
        return self.utc

    def true_at(self, monotonic: float) -> float:
        return self.utc - (self.now - monotonic)


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            file.write_bytes(text)
        else:
            file.write_text(text, encoding="utf-8")


def machine(root: Path, *parts: Mapping[str, str | bytes], clock: FixedClock | None = None) -> Machine:
    """A Linux machine of these files."""
    for part in parts:
        write(root, part)
    return Machine(root=root, clock=clock or FixedClock(), platform="linux", environ={})


def ipv4(address: str) -> str:
    """An address as /proc/net/route prints it on a little-endian machine."""
    return "".join(f"{int(octet):02X}" for octet in reversed(address.split(".")))


def route(interface: str, network: str = "0.0.0.0", mask: str = "0.0.0.0", gateway: str = "0.0.0.0", metric: int = 0) -> str:
    flags = "0003" if gateway != "0.0.0.0" else "0001"
    return f"{interface}\t{ipv4(network)}\t{ipv4(gateway)}\t{flags}\t0\t0\t{metric}\t{ipv4(mask)}\t0\t0\t0\n"


def dev(name: str, received: tuple[int, int, int, int], sent: tuple[int, int, int, int]) -> str:
    return f"{name:>6}: {' '.join(map(str, received))} 0 0 0 0 {' '.join(map(str, sent))} 0 0 0 0\n"


def local(*addresses: str) -> str:
    return "Local:\n" + "".join(f"     |-- {address}\n        /32 host LOCAL\n" for address in addresses)


def nic(
    name: str, *, index: int, device: bool = True, operstate: str = "up", peer: int | None = None, **files: str
) -> dict[str, str | bytes]:
    folder = f"sys/class/net/{name}"
    found: dict[str, str | bytes] = {
        f"{folder}/operstate": f"{operstate}\n",
        f"{folder}/carrier": "1\n" if operstate == "up" else "0\n",
        f"{folder}/ifindex": f"{index}\n",
        f"{folder}/iflink": f"{index if peer is None else peer}\n",
        f"{folder}/uevent": f"INTERFACE={name}\nIFINDEX={index}\n",
    }
    if device:
        found[f"{folder}/device/uevent"] = "DRIVER=x\n"
    return found | {f"{folder}/{file}": f"{text}\n" for file, text in files.items()}


LOOPBACK = nic("lo", index=1, device=False, operstate="unknown")

LAPTOP: dict[str, str | bytes] = {
    **LOOPBACK,
    **nic("enp2s0", index=2, operstate="down", speed="-1", duplex="unknown"),
    **nic("wlp3s0", index=3),
    "sys/class/net/wlp3s0/wireless/status": "0\n",
    **nic("docker0", index=4, device=False),
    "sys/class/net/docker0/uevent": "DEVTYPE=bridge\nINTERFACE=docker0\nIFINDEX=4\n",
    **nic("veth12ab", index=6, device=False, peer=5),
    "sys/class/net/veth12ab/master/uevent": "DEVTYPE=bridge\n",
    "proc/net/dev": DEV_HEAD
    + dev("lo", (9, 9, 0, 0), (9, 9, 0, 0))
    + dev("enp2s0", (0, 0, 0, 0), (0, 0, 0, 0))
    + dev("wlp3s0", (5_000_000_000, 4_000_000, 1, 12), (700_000_000, 900_000, 2, 3))
    + dev("docker0", (1, 1, 0, 0), (1, 1, 0, 0))
    + dev("veth12ab", (1, 1, 0, 0), (1, 1, 0, 0)),
    "proc/net/route": ROUTE_HEAD
    + route("wlp3s0", gateway="192.168.1.1", metric=600)
    + route("wlp3s0", "192.168.1.0", "255.255.255.0", metric=600)
    + route("docker0", "172.17.0.0", "255.255.0.0"),
    "proc/net/fib_trie": local("192.168.1.23", "172.17.0.1"),
    "proc/net/if_inet6": "fe800000000000000200fffe00000001 03 40 20 80 wlp3s0\n",
    "etc/resolv.conf": "nameserver 127.0.0.53\noptions edns0 trust-ad\n",
    "run/systemd/resolve/resolv.conf": "nameserver 192.168.1.1\nnameserver fe80::1%3\n",
    "proc/stat": "cpu  4705 356 584 3699176 23060 4 1580 7 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\nbtime 1779999000\n",
    "proc/loadavg": "0.42 0.36 0.30 1/812 4242\n",
    "proc/uptime": "86400.25 300000.00\n",
    "proc/meminfo": "MemTotal:        8048836 kB\nMemFree:          400000 kB\nMemAvailable:    5123456 kB\n",
    "proc/sys/kernel/random/boot_id": "11111111-1111-4111-8111-111111111111\n",
    "proc/self/mountinfo": "22 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n"
    "23 22 0:21 / /proc rw - proc proc rw\n"
    "24 22 0:25 / /run rw - tmpfs tmpfs rw\n"
    "25 22 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw\n"
    "26 22 7:0 / /snap/core/1 ro - squashfs /dev/loop0 ro\n"
    "27 22 259:2 /var/lib/docker /var/lib/docker/overlay rw - ext4 /dev/nvme0n1p2 rw\n"
    "28 22 0:60 / /home/lan/so\\040lieu rw - nfs4 server:/export rw\n",
    "sys/class/hwmon/hwmon0/name": "coretemp\n",
    "sys/class/hwmon/hwmon0/temp1_input": "47000\n",
    "sys/class/hwmon/hwmon0/temp1_label": "Package id 0\n",
    "sys/class/hwmon/hwmon0/temp2_input": "46000\n",
    "sys/class/hwmon/hwmon1/name": "acpitz\n",
    "sys/class/hwmon/hwmon1/temp1_input": "-128000\n",
    "sys/class/hwmon/hwmon2/name": "nct6775\n",
    "sys/class/hwmon/hwmon2/temp1_input": "30000\n",
    "sys/class/hwmon/hwmon2/temp1_fault": "1\n",
    "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
    "sys/class/thermal/thermal_zone0/temp": "47000\n",
    "sys/class/power_supply/BAT0/type": "Battery\n",
    "sys/class/power_supply/BAT0/present": "1\n",
    "sys/class/power_supply/BAT0/energy_now": "30000000\n",
    "sys/class/power_supply/BAT0/energy_full": "40000000\n",
    "sys/class/power_supply/BAT1/type": "Battery\n",
    "sys/class/power_supply/BAT1/energy_now": "0\n",
    "sys/class/power_supply/BAT1/energy_full": "20000000\n",
    "sys/class/power_supply/mouse/type": "Battery\n",
    "sys/class/power_supply/mouse/scope": "Device\n",
    "sys/class/power_supply/mouse/capacity": "5\n",
    "sys/class/power_supply/AC/type": "Mains\n",
}
"""A clerk's laptop on Wi-Fi, with Docker, systemd-resolved, two batteries and a wireless mouse."""

TWO_UPLINKS: dict[str, str | bytes] = {
    **LOOPBACK,
    **nic("eno1", index=2, speed="1000", duplex="full"),
    **nic("enp5s0", index=3, speed="100", duplex="half"),
    **nic("ppp0", index=7, device=False, operstate="unknown"),
    "sys/class/net/ppp0/carrier": "1\n",
    **nic("wg0", index=8, device=False, operstate="unknown"),
    "sys/class/net/wg0/uevent": "DEVTYPE=wireguard\nINTERFACE=wg0\nIFINDEX=8\n",
    "proc/net/dev": DEV_HEAD
    + dev("lo", (9, 9, 0, 0), (9, 9, 0, 0))
    + dev("eno1", (1000, 10, 0, 0), (2000, 20, 0, 0))
    + dev("enp5s0", (3000, 30, 1, 0), (4000, 40, 0, 1))
    + dev("ppp0", (500, 5, 0, 0), (600, 6, 0, 0))
    + dev("wg0", (1, 1, 0, 0), (1, 1, 0, 0)),
    "proc/net/route": ROUTE_HEAD
    + route("ppp0", metric=50)
    + route("eno1", gateway="192.168.1.1", metric=100)
    + route("enp5s0", gateway="10.20.0.1", metric=200)
    + route("eno1", "192.168.1.0", "255.255.255.0", metric=100)
    + route("enp5s0", "10.20.0.0", "255.255.0.0", metric=200)
    + route("wg0", "10.99.0.0", "255.255.0.0"),
    "proc/net/ipv6_route": f"{'0' * 32} 00 {'0' * 32} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003 eno1\n"
    f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200 lo\n",
    "proc/net/fib_trie": local("192.168.1.10", "10.20.0.5", "10.99.0.2"),
    "proc/net/if_inet6": "20010db8000000000000000000000010 02 40 00 80 eno1\n",
    "etc/resolv.conf": "nameserver 192.168.1.1\nnameserver 10.0.0.53\n",
}
"""A PC with a cable to each of two routers and a PPPoE dial-up, and a VPN that is nobody's cable."""

CONTAINER: dict[str, str | bytes] = {
    **LOOPBACK,
    **nic("eth0", index=2, device=False, peer=77, speed="10000", duplex="full"),
    **nic("eth1", index=3, device=False, peer=78),
    **nic("dummy0", index=4, device=False),
    "proc/net/dev": DEV_HEAD
    + dev("lo", (0, 0, 0, 0), (0, 0, 0, 0))
    + dev("eth0", (10, 1, 0, 0), (20, 2, 0, 0))
    + dev("eth1", (10, 1, 0, 0), (20, 2, 0, 0))
    + dev("dummy0", (0, 0, 0, 0), (0, 0, 0, 0)),
    "proc/net/route": ROUTE_HEAD
    + route("eth0", gateway="10.88.0.1")
    + route("eth0", "10.88.0.0", "255.255.0.0")
    + route("eth1", "10.89.0.0", "255.255.0.0")
    + route("dummy0", "10.90.0.0", "255.255.0.0"),
    "proc/net/fib_trie": local("10.88.0.2", "10.89.0.2", "10.90.0.2"),
    "etc/resolv.conf": "nameserver 10.88.0.1\n",
    "proc/self/mountinfo": "1 0 0:50 / / rw - overlay overlay rw,lowerdir=/l\n2 1 8:1 /f /etc/hosts rw - ext4 /dev/sda1 rw\n",
}
"""A container with two networks: no hardware of its own, everything is a veth."""
