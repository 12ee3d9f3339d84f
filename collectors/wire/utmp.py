"""wtmp: the log of boots and orderly shutdowns that Linux distributions kept up to utmp's retirement (utmp(5)).

Only the kind of each record is read. The record's size differs between ABIs (384 octets where session and time are
32-bit fields, 400 where they are 64-bit), so that the size which fits the file is taken.
"""

from __future__ import annotations

import enum

RUN_LVL = 1
BOOT_TIME = 2
SIZES = (384, 400)
_USER = slice(44, 76)


class Event(enum.Enum):
    """What a record says of the machine."""

    BOOT = "boot"
    SHUTDOWN = "shutdown"


def parse_events(data: bytes) -> list[Event]:
    """Boots and shutdowns in the order of the file; empty for a file of another format."""
    for size in SIZES:
        records = [data[start : start + size] for start in range(0, len(data) - size + 1, size)]
        if records and len(data) % size == 0 and all(0 <= int.from_bytes(record[:2], "little") <= 9 for record in records):
            return [event for record in records if (event := _event(record)) is not None]
    return []


def _event(record: bytes) -> Event | None:
    kind, user = int.from_bytes(record[:2], "little"), record[_USER].split(b"\0")[0]
    if kind == BOOT_TIME:
        return Event.BOOT
    if kind == RUN_LVL and user == b"shutdown":
        return Event.SHUTDOWN
    return None


def last_ended_orderly(events: list[Event]) -> bool | None:
    """Whether a shutdown stands between the last two boots; None when the log does not reach back to the boot before."""
    boots = [index for index, event in enumerate(events) if event is Event.BOOT]
    if len(boots) < 2:
        return None
    return Event.SHUTDOWN in events[boots[-2] : boots[-1]]
