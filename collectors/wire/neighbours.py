"""The kernel's ARP table, /proc/net/arp (proc(5)): which neighbours have answered."""

from __future__ import annotations

import ipaddress

COMPLETE = 0x2
"""ATF_COM of linux/if_arp.h: the hardware address is known."""


def parse_arp(text: str) -> dict[str, str]:
    """IPv4 address to hardware address, of the neighbours that answered; broken lines are passed over."""
    found = {}
    for line in text.splitlines()[1:]:
        columns = line.split()
        try:
            address = str(ipaddress.IPv4Address(columns[0]))
            flags = int(columns[2], 16)
            hardware = columns[3].lower()
        except (IndexError, ValueError):
            continue
        if flags & COMPLETE and hardware.strip("0:"):
            found[address] = hardware
    return found
