"""Against what scapy reads in a real capture (../shared/data/wifi/pcap), and headers laid out as their documents say."""

import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.frames80211 import AVS, BARE, BEACON, DATA, LINKS, MANAGEMENT, PPI, PRISM, RADIOTAP, Frame, read_frame
from tests.shared import shared

BSSID = bytes.fromhex("020000000001")
ELEMENTS = b"\x00\x03CSC\x03\x01\x06"
BODY = bytes(8) + b"\x64\x00\x11\x04" + ELEMENTS
FRAME = b"\x80\x00\x00\x00" + b"\xff" * 6 + BSSID + BSSID + b"\x00\x00" + BODY
CHANNEL = struct.pack("<HH", 2437, 0xA0)
SIGNAL = struct.pack("b", -61)


def radiotap(present: tuple[int, ...], fields: bytes) -> bytes:
    words = b"".join(struct.pack("<I", word) for word in present)
    return struct.pack("<BBH", 0, 0, 4 + len(words) + len(fields)) + words + fields


def checked(frame: bytes) -> bytes:
    return frame + struct.pack("<I", zlib.crc32(frame))


WHOLE = Frame(MANAGEMENT, BEACON, "02:00:00:00:00:01", False, -61.0, 2437, 0x0411, ELEMENTS)  # noqa: FBT003
UNHEARD = Frame(MANAGEMENT, BEACON, "02:00:00:00:00:01", False, None, 0, 0x0411, ELEMENTS)  # noqa: FBT003
NEXT = 1 << 29 | 1 << 31
"""Another word of radiotap's own follows."""


@pytest.mark.parametrize(
    ("link", "data", "frame"),
    [
        (RADIOTAP, radiotap((1 << 3 | 1 << 5,), CHANNEL + SIGNAL) + FRAME, WHOLE),
        (RADIOTAP, radiotap((1 << 1 | 1 << 3 | 1 << 5,), b"\x10\x00" + CHANNEL + SIGNAL) + checked(FRAME), WHOLE),
        (RADIOTAP, radiotap((1 | 1 << 2 | 1 << 3 | 1 << 5,), bytes(8) + b"\x0c\x00" + CHANNEL + SIGNAL) + FRAME, WHOLE),
        (RADIOTAP, radiotap((1 << 3 | 1 << 5 | NEXT, 1 << 5 | 1 << 11), CHANNEL + SIGNAL + b"\xc4\x00") + FRAME, WHOLE),
        (RADIOTAP, radiotap((1 << 3 | NEXT, 1 << 5 | 1 << 11), CHANNEL + SIGNAL + b"\x00") + FRAME, WHOLE),
        (RADIOTAP, radiotap((1 << 3 | 1 << 5 | 1 << 30 | 1 << 31, 1 << 5), CHANNEL + SIGNAL + bytes(9)) + FRAME, WHOLE),
        (RADIOTAP, radiotap((1 << 5 | 1 << 18,), SIGNAL + bytes(3 + 4) + struct.pack("<HBB", 2437, 6, 0)) + FRAME, WHOLE),
        (RADIOTAP, radiotap((0,), b"") + FRAME, UNHEARD),
        (BARE, FRAME, UNHEARD),
        (PRISM, struct.pack("<II", 0x44, 144) + bytes(136) + FRAME, UNHEARD),
        (PRISM, struct.pack(">II", 0x80211001, 64) + bytes(56) + FRAME, UNHEARD),
        (AVS, struct.pack(">II", 0x80211001, 64) + bytes(56) + FRAME, UNHEARD),
        (
            PPI,
            struct.pack("<BBHIHHHHHH", 0, 0, 40, BARE, 30002, 4, 0, 0, 2, 20)
            + struct.pack("<QHHHHBBbb", 0, 1, 0, 2437, 0xA0, 0, 0, -61, -95)
            + checked(FRAME),
            WHOLE,
        ),
    ],
)
def test_the_frame_behind_every_header_is_the_same(link: int, data: bytes, frame: Frame) -> None:
    assert read_frame(link, data) == frame


@pytest.mark.parametrize(
    ("link", "data"),
    [
        (RADIOTAP, radiotap((1 << 1,), b"\x50") + checked(FRAME)),
        (RADIOTAP, radiotap((1 << 31,) * 3, b"")[:9]),
        (PPI, struct.pack("<BBHI", 0, 0, 8, 1) + FRAME),
        (1, FRAME),
        (BARE, b"\x81" + FRAME[1:]),
        (BARE, b""),
    ],
)
def test_what_arrived_damaged_or_is_no_frame_is_none(link: int, data: bytes) -> None:
    assert read_frame(link, data) is None


@pytest.mark.parametrize(("flags", "place"), [(0x00, 3), (0x01, 1), (0x02, 2), (0x03, None)])
def test_the_cell_is_told_by_the_direction(flags: int, place: int | None) -> None:
    addresses = [bytes([0x02, 0, 0, 0, 0, number]) for number in (1, 2, 3)]
    frame = read_frame(BARE, bytes([0x08, flags | 0x08, 0, 0]) + b"".join(addresses) + bytes(8))
    assert frame is not None
    assert (frame.kind, frame.is_again) == (DATA, True)
    assert frame.bssid == ("" if place is None else f"02:00:00:00:00:0{place}")


def test_every_frame_of_a_real_capture_is_read_as_scapy_reads_it() -> None:
    from scapy.layers import dot11
    from scapy.utils import RawPcapReader

    with RawPcapReader(str(shared("data/wifi/pcap/wltrace_trace.pcap"))) as reader:
        packets = [data for data, _told in reader]
    assert len(packets) == 318
    for data in packets:
        other: Any = dot11.RadioTap(data)
        frame = read_frame(RADIOTAP, data)
        assert frame is not None
        inner = other[dot11.Dot11]
        told = (frame.kind, frame.subtype, frame.is_again, frame.signal_dbm, frame.frequency_mhz)
        retry = bool(int(inner.FCfield) & 0x08)
        assert told == (inner.type, inner.subtype, retry, other.dBm_AntSignal, other.ChannelFrequency)
        if inner.haslayer(dot11.Dot11Beacon):
            assert frame.elements.startswith(b"\x00" + bytes([len(inner[dot11.Dot11Elt].info)]) + inner[dot11.Dot11Elt].info)


@given(st.sampled_from(sorted(LINKS)), st.binary(max_size=200))
def test_any_octets_are_read_without_an_error(link: int, data: bytes) -> None:
    read_frame(link, data)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.binary(max_size=80))
def test_any_fields_of_radiotap_are_read_without_an_error(present: list[int], fields: bytes) -> None:
    read_frame(RADIOTAP, radiotap(tuple(present), fields) + FRAME)
