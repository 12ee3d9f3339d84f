"""The text files of /proc that tell of the host: processor time, memory, load, uptime and mounts (proc(5))."""

from __future__ import annotations

import re
from typing import NamedTuple

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
"""Columns of the `cpu` line; the two that follow (guest) are already contained in user and nice."""

KIB = 1024


class Mount(NamedTuple):
    """One line of mountinfo: the device as `major:minor`, what of it is mounted, where, of which type and from what."""

    device: str
    root: str
    mountpoint: str
    fstype: str
    source: str


def parse_cpu(text: str) -> dict[str, int]:
    """/proc/stat: clock ticks by mode, summed over all processors; empty where the line is missing or broken."""
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "cpu":
            try:
                return dict(zip(CPU_MODES, (int(word) for word in words[1:]), strict=False))
            except ValueError:
                return {}
    return {}


def parse_meminfo(text: str) -> dict[str, int]:
    """/proc/meminfo: octets by name."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([A-Za-z0-9_()]+):\s+(\d{1,18})( kB)?\s*", line, re.ASCII)
        if match:
            found[match[1]] = int(match[2]) * (KIB if match[3] else 1)
    return found


def parse_first_number(text: str) -> float | None:
    """The first word of /proc/loadavg (load over one minute) or /proc/uptime (seconds), None where it is no number."""
    match = re.match(r"\d{1,15}(\.\d{1,9})?(?=\s|$)", text, re.ASCII)
    return float(match[0]) if match else None


def parse_mountinfo(text: str) -> list[Mount]:
    """/proc/self/mountinfo: mounts in order; octal escapes of blanks are undone."""
    found = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        before, after = left.split(" "), right.split(" ")
        if dash and len(before) >= 6 and len(after) >= 2:
            found.append(Mount(before[2], _unescape(before[3]), _unescape(before[4]), after[0], _unescape(after[1])))
    return found


def _unescape(text: str) -> str:
    octets = re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), text.encode("utf-8", "surrogatepass"))
    return octets.decode("utf-8", "replace")
