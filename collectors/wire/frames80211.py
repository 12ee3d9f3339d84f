"""802.11 frames with what a capturing radio put before them: radiotap, PPI, or nothing.

Only what tells of a cell is read: whose it is, how strong, on which frequency, sent again or not; and the elements of
beacons and probe responses. A dissector of everything (scapy) takes 20 to 40 times as long, and a busy hour has millions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

BARE, PRISM, RADIOTAP, AVS, PPI = 105, 119, 127, 163, 192
"""Link-layer header types (www.tcpdump.org/linktypes.html)."""
LINKS = frozenset({BARE, PRISM, RADIOTAP, AVS, PPI})
MANAGEMENT, CONTROL, DATA = 0, 1, 2
PROBE_RESPONSE, BEACON, DISASSOCIATION, DEAUTHENTICATION = 5, 8, 10, 12
_FIELDS = (
    *((8, 8), (1, 1), (1, 1), (2, 4), (2, 2), (1, 1), (1, 1), (2, 2), (2, 2), (2, 2), (1, 1), (1, 1), (1, 1), (1, 1), (2, 2)),
    *((2, 2), (1, 1), (1, 1), (4, 8), (1, 3), (4, 8), (2, 12), (8, 12), (2, 12), (2, 12), (2, 6), (1, 1), (2, 4)),
)
"""Alignment and size of radiotap's fields by their bit (www.radiotap.org/fields)."""
_FLAGS, _CHANNEL, _SIGNAL, _EXTENDED_CHANNEL = 1, 3, 5, 18
_CHECKSUM, _DAMAGED = 0x10, 0x40
_PPI_COMMON = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as one radio heard it.

    Attributes:
        kind: MANAGEMENT, CONTROL or DATA.
        subtype: within its kind.
        bssid: the cell's address; empty where the frame names none.
        is_again: it was sent again, since no acknowledgement came.
        signal_dbm: at the radio, None where it was not recorded.
        frequency_mhz: the channel's that the radio listened on, 0 where it was not recorded.
        capability: capability field of a beacon or probe response.
        elements: information elements of a beacon or probe response.
    """

    kind: int
    subtype: int
    bssid: str
    is_again: bool
    signal_dbm: float | None
    frequency_mhz: int
    capability: int = 0
    elements: bytes = b""


@dataclass(frozen=True, slots=True)
class _Radio:
    length: int
    signal: int | None = None
    frequency: int = 0
    flags: int = 0


def read_frame(link: int, data: bytes) -> Frame | None:
    """The frame in a packet of a capture; None where it arrived damaged or is none."""
    try:
        radio = _HEADERS[link](data)
        if radio.flags & _DAMAGED:
            return None
        return _frame(data[radio.length : -4 if radio.flags & _CHECKSUM else None], radio)
    except (struct.error, IndexError, KeyError):
        return None


def _radiotap(data: bytes) -> _Radio:
    """The first value of each field counts: those after it are of single antennas."""
    (length,) = struct.unpack_from("<H", data, 2)
    words = [struct.unpack_from("<I", data, 4)[0]]
    while words[-1] & 1 << 31:
        words.append(struct.unpack_from("<I", data, 4 + 4 * len(words))[0])
    offset = 4 + 4 * len(words)
    found: dict[int, int] = {}
    for word in words:
        for bit, (align, size) in enumerate(_FIELDS):
            if word & 1 << bit:
                offset += -offset % align
                if offset + size <= length:
                    found.setdefault(bit, offset)
                offset += size
        if not word & 1 << 29:
            break  # the next word is a vendor's own
    signal = struct.unpack_from("b", data, found[_SIGNAL])[0] if _SIGNAL in found else None
    at = found.get(_CHANNEL) or (found[_EXTENDED_CHANNEL] + 4 if _EXTENDED_CHANNEL in found else 0)
    frequency = struct.unpack_from("<H", data, at)[0] if at else 0
    return _Radio(length, signal, frequency, data[found[_FLAGS]] if _FLAGS in found else 0)


def _ppi(data: bytes) -> _Radio:
    """CACE's Per-Packet Information, with its 802.11-Common field."""
    length, link = struct.unpack_from("<2xHI", data)
    if link != BARE:
        raise KeyError(link)
    offset = 8
    while offset + 4 <= length:
        kind, size = struct.unpack_from("<HH", data, offset)
        if kind == _PPI_COMMON and size >= 20:
            bits, frequency, signal = struct.unpack_from("<8xH2xH4xb", data, offset + 4)
            flags = (_CHECKSUM if bits & 1 else 0) | (_DAMAGED if bits & 4 else 0)
            return _Radio(length, None if signal == -128 else signal, frequency, flags)
        offset += 4 + size
    return _Radio(length)


def _bare(_data: bytes) -> _Radio:
    return _Radio(0)


def _prism(data: bytes) -> _Radio:
    """Drivers differ in what the figures of this header mean; only its length is taken."""
    return _avs(data) if data[:2] == b"\x80\x21" else _Radio(struct.unpack_from("<I", data, 4)[0])


def _avs(data: bytes) -> _Radio:
    return _Radio(struct.unpack_from(">I", data, 4)[0])


_HEADERS = {RADIOTAP: _radiotap, PPI: _ppi, BARE: _bare, PRISM: _prism, AVS: _avs}


def _frame(data: bytes, radio: _Radio) -> Frame | None:
    """The MAC header (IEEE 802.11-2020, 9.2.4); its addresses by the direction (table 9-30)."""
    control, flags = data[0], data[1]
    kind, subtype = control >> 2 & 3, control >> 4
    if control & 3 or len(data) < 10:
        return None
    bssid = ""
    if kind in {MANAGEMENT, DATA}:
        place = {0: 16, 1: 4, 2: 10}.get(flags & 3)
        address = data[place : place + 6] if place is not None else b""
        bssid = address.hex(":") if len(address) == 6 and address != b"\xff" * 6 else ""
    signal = None if radio.signal is None else float(radio.signal)
    again = bool(flags & 0x08)
    if kind != MANAGEMENT or subtype not in {BEACON, PROBE_RESPONSE}:
        return Frame(kind, subtype, bssid, again, signal, radio.frequency)
    begin = 28 if flags & 0x80 else 24  # with an HT Control field
    (capability,) = struct.unpack_from("<10xH", data, begin)
    return Frame(kind, subtype, bssid, again, signal, radio.frequency, capability, data[begin + 12 :])
