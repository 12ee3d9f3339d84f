"""ICMP messages: what we send, what comes back, what quotes us; and arbitrary bytes."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.icmp import (
    ECHO,
    ERROR_TYPES,
    FILLER,
    Quoted,
    echo_request,
    error_type,
    fold,
    number_request,
    partial_sum,
    quoted_echo,
    reply_checksum,
    stamp,
)


@given(st.integers(0, 0xFFFF), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_request_and_reply_have_right_checksums(identifier: int, token: int, stream: int, sequence: int) -> None:
    packet, rest = echo_request(4, identifier, token, stream)
    stamp(packet, rest, identifier, sequence)
    assert fold(partial_sum(packet)) == 0  # RFC 1071: a message with its checksum sums up to all ones
    assert ECHO.unpack(packet)[3:] == (identifier, sequence & 0xFFFF, sequence, stream, token, FILLER)
    reply = bytearray(packet)
    reply[0:4] = struct.pack("!BBH", 0, 0, reply_checksum(rest, sequence))
    assert fold(partial_sum(reply)) == 0


def test_request_is_as_long_as_that_of_ping() -> None:
    assert len(echo_request(6, 1, 2, 3)[0]) == 64
    assert echo_request(6, 1, 2, 3)[0][0] == 128


@pytest.mark.parametrize(
    ("family", "kind", "code", "word"),
    [
        (4, 3, 0, "network_unreachable"),
        (4, 3, 1, "host_unreachable"),
        (4, 3, 2, "protocol_unreachable"),
        (4, 3, 3, "port_unreachable"),
        (4, 3, 4, "packet_too_big"),
        (4, 3, 13, "prohibited"),
        (4, 3, 99, "other"),
        (4, 11, 0, "ttl_exceeded"),
        (4, 11, 1, "reassembly_timeout"),
        (4, 12, 0, "parameter_problem"),
        (4, 0, 0, None),
        (4, 5, 1, None),
        (6, 1, 0, "network_unreachable"),
        (6, 1, 1, "prohibited"),
        (6, 1, 3, "host_unreachable"),
        (6, 1, 4, "port_unreachable"),
        (6, 2, 0, "packet_too_big"),
        (6, 3, 0, "ttl_exceeded"),
        (6, 4, 1, "parameter_problem"),
        (6, 100, 0, "other"),
        (6, 129, 0, None),
    ],
)
def test_errors_have_words(family: int, kind: int, code: int, word: str | None) -> None:
    assert error_type(family, kind, code) == word


@given(st.sampled_from((4, 6)), st.integers(0, 255), st.integers(0, 255))
def test_error_vocabulary_is_closed(family: int, kind: int, code: int) -> None:
    assert error_type(family, kind, code) in {*ERROR_TYPES, None}


def ipv4(packet: bytes, options: bytes = b"", protocol: int = 1, fragment: int = 0) -> bytes:
    header = struct.pack("!BBHHHBBH4s4s", 0x45 + len(options) // 4, 0, 0, 0, fragment, 64, protocol, 0, b"\n\0\0\1", b"\n\0\0\2")
    return header + options + packet


def test_quoted_requests_are_recognised() -> None:
    packet, rest = echo_request(4, 0xABCD, 1, 2)
    stamp(packet, rest, 0xABCD, 0x12345)
    assert quoted_echo(4, bytes(8) + ipv4(bytes(packet[:8]))) == Quoted("10.0.0.2", 0xABCD, 0x2345)
    assert quoted_echo(4, bytes(8) + ipv4(bytes(packet), b"\1" * 8)) == Quoted("10.0.0.2", 0xABCD, 0x2345)
    header = struct.pack("!IHBB16s16s", 6 << 28, 64, 58, 64, bytes(16), b"\xfd" + bytes(14) + b"\2")
    packet, _ = echo_request(6, 7, 1, 2)
    number_request(packet, 6, 9, 9)
    assert quoted_echo(6, bytes(8) + header + packet[:8]) == Quoted("fd00::2", 7, 9)


@pytest.mark.parametrize("quoted", [b"", ipv4(b"\x08" + bytes(6)), ipv4(bytes(8)), ipv4(b"\x08" * 8, protocol=17)])
def test_other_quotes_are_nobodys(quoted: bytes) -> None:
    assert quoted_echo(4, bytes(8) + quoted) is None


@given(st.sampled_from((4, 6)), st.binary(max_size=200))
def test_any_bytes_are_taken(family: int, data: bytes) -> None:
    quoted = quoted_echo(family, data)
    assert quoted is None or (0 <= quoted.identifier <= 0xFFFF and 0 <= quoted.sequence <= 0xFFFF)
