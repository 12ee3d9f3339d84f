"""NTP packets as a simple client needs them (RFC 5905 section 7.3, used as in section 14).

Only the server's two timestamps matter to a client that measures with its own monotonic clock. The request carries a
random number where the client's time of sending would be: the server returns it, so that an answer can be told from a
forged or a late one, and a wrong clock is not published.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PACKET = struct.Struct(">BBbb11I")
REQUEST_HEAD = 0x23  # no leap warning, version 4, mode 3 (client)
ERA = 2**32
UNIX_IN_NTP = 2_208_988_800
"""Seconds from 1900, where NTP counts from, to 1970."""
OLDEST = 1_600_000_000
"""No server's time is earlier than this (2020): by it the NTP era is chosen, so that 2036 brings nothing new.

What a clock between 1970 and here says, as that of a router which was never set, would be a time after `ERA` (2106) then.
"""


class MalformedError(ValueError):
    """Not a usable answer; the message says why."""


class Answer(NamedTuple):
    """What a server said: seconds since 1970 (UTC) when it received and when it answered, and its stratum."""

    received: float
    sent: float
    stratum: int


def request(cookie: int) -> bytes:
    """A client's packet; `cookie` (64 random bits) comes back in the answer."""
    return PACKET.pack(REQUEST_HEAD, 0, 0, 0, *(0,) * 9, cookie >> 32, cookie & 0xFFFFFFFF)


def parse(packet: bytes, cookie: int) -> Answer:
    """Read an answer.

    Raises:
        MalformedError: too short, not a server's answer to this request, or from a server without time itself
            (unsynchronised, or the "kiss of death" of stratum 0).
    """
    if len(packet) < PACKET.size:
        message = f"{len(packet)} bytes are too few for NTP"
        raise MalformedError(message)
    head, stratum, _, _, *words = PACKET.unpack_from(packet)
    if head & 7 != 4 or not 1 <= head >> 3 & 7 <= 4:
        raise MalformedError("not a server's answer")
    if (words[5] << 32 | words[6]) != cookie:
        raise MalformedError("an answer to another request")
    if head >> 6 == 3 or not 1 <= stratum <= 15:
        raise MalformedError("the server has no time itself")
    if not words[9] and not words[10]:
        raise MalformedError("no time of sending")
    received, sent = _unix(words[7], words[8]), _unix(words[9], words[10])
    if sent >= ERA:
        raise MalformedError("the server's clock was never set")
    if not 0 <= sent - received < 10:
        raise MalformedError("the server's times contradict each other")
    return Answer(received, sent, stratum)


def _unix(seconds: int, fraction: int) -> float:
    found = seconds - UNIX_IN_NTP + fraction / ERA
    while found < OLDEST:
        found += ERA
    return found
