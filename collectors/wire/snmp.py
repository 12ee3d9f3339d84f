"""The outside of an SNMP message (RFC 3412, RFC 3414): as much of BER as tells who sent it, before anything is decoded."""

from __future__ import annotations

from typing import NamedTuple

SEQUENCE = 0x30
INTEGER = 0x02
OCTET_STRING = 0x04


class Element(NamedTuple):
    """One BER element: its tag, its content, and what follows it."""

    tag: int
    content: bytes
    rest: bytes


def element(data: bytes) -> Element:
    """The first element of `data` (definite lengths, as SNMP requires; RFC 3417, section 8).

    Raises:
        ValueError: there is none that is whole.
    """
    if len(data) < 2:
        message = "no element"
        raise ValueError(message)
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        octets = length & 0x7F
        if not 0 < octets <= 4 or len(data) < 2 + octets:
            message = "length is not definite or not whole"
            raise ValueError(message)
        length = int.from_bytes(data[2 : 2 + octets], "big")
        start = 2 + octets
    if len(data) < start + length:
        message = f"{length} octets announced, {len(data) - start} there"
        raise ValueError(message)
    return Element(tag, data[start : start + length], data[start + length :])


def authoritative_engine(message: bytes) -> bytes | None:
    """The msgAuthoritativeEngineID of a version 3 message under USM; None for other versions and anything malformed."""
    try:
        version = element(element(message).content)
        if version.tag != INTEGER or version.content != b"\x03":
            return None
        header = element(version.rest)
        security = element(header.rest)
        if security.tag != OCTET_STRING:
            return None
        engine = element(element(security.content).content)
    except ValueError:
        return None
    return engine.content if engine.tag == OCTET_STRING and 5 <= len(engine.content) <= 32 else None
