"""The kernel's answer about TCP connections: a message by hand, and anything."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.sockdiag import parse, request

INFO = struct.pack("=8B24I", *[0] * 8, *range(24)) + struct.pack("=QQQQ", 0, 0, 700, 900) + bytes(120)
DONE = struct.pack("=IHHII", 20, 3, 2, 1, 0) + bytes(4)


def message(peer: str, attributes: bytes) -> bytes:
    address = ipaddress.ip_address(peer)
    head = bytes([2 if address.version == 4 else 10, 1, 0, 0]) + bytes(4) + bytes(16) + address.packed.ljust(16, b"\0")
    body = head + bytes(4) + b"cookie!!" + bytes(20) + attributes
    return struct.pack("=IHHII", 16 + len(body), 20, 2, 1, 0) + body


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


@pytest.mark.parametrize(
    ("peer", "shown"), [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("::ffff:192.0.2.7", "192.0.2.7")]
)
def test_connections_and_the_end(peer: str, shown: str) -> None:
    found, done = parse(message(peer, attribute(8, b"x") + attribute(2, INFO)) + DONE)
    assert done
    assert [(one.peer, one.cookie, one.info.bytes_acked, one.info.bytes_received) for one in found] == [
        (shown, b"cookie!!", 700, 900)
    ]
    assert parse(message(peer, attribute(2, INFO)))[1] is False


def test_a_connection_without_figures_is_left_out() -> None:
    assert parse(message("192.0.2.7", attribute(8, b"x"))) == ([], False)


@pytest.mark.parametrize(("address", "family"), [("192.0.2.7", 2), ("2001:db8::7", 10)])
def test_the_request_names_family_and_protocol(address: str, family: int) -> None:
    octets = request(address)
    assert len(octets) == 72 == struct.unpack_from("=I", octets)[0]
    assert list(octets[16:18]) == [family, 6]


@given(st.binary(max_size=400), st.integers(0, 300))
def test_anything(data: bytes, cut: int) -> None:
    parse(data)
    parse(message("192.0.2.7", attribute(2, INFO) + data)[:cut] + data)
