"""Entries of the socket error queue."""

from __future__ import annotations

import socket
import struct

from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.sockerr import QueuedError, parse_queued_error


def entry(origin: int, kind: int, code: int, info: int, address: bytes) -> bytes:
    return struct.pack("@IBBBBII", 113, origin, kind, code, 0, info, 0) + address


V4 = struct.pack("@H", 2) + bytes(2) + socket.inet_pton(socket.AF_INET, "192.0.2.1") + bytes(8)
V6 = struct.pack("@H", 10) + bytes(6) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + bytes(4)


def test_who_says_what() -> None:
    exceeded = parse_queued_error(entry(2, 11, 0, 0, V4))
    assert exceeded == QueuedError(113, 2, 11, 0, 0, "192.0.2.1")
    assert exceeded.is_time_exceeded
    assert not exceeded.is_too_big
    big = parse_queued_error(entry(3, 2, 0, 1280, V6))
    assert big is not None
    assert (big.is_too_big, big.info, big.reporter) == (True, 1280, "2001:db8::1")
    needed = parse_queued_error(entry(2, 3, 4, 1400, V4))
    assert needed is not None
    assert needed.is_too_big
    for origin, kind, code, address in ((2, 3, 3, V4), (3, 1, 4, V6)):
        port = parse_queued_error(entry(origin, kind, code, 0, address))
        assert port is not None
        assert port.is_port_unreachable
    local = parse_queued_error(entry(1, 0, 0, 1500, b""))
    assert local is not None
    assert local.reporter is None


@given(st.binary(max_size=80))
def test_anything(data: bytes) -> None:
    assert (parse_queued_error(data) is None) == (len(data) < 16)
