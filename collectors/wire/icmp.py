"""ICMP and ICMPv6 as bytes: our echo requests, the replies to them, and the errors that quote them.

An echo request carries who sent it in its payload: a 32-bit sequence number, the
number of the stream and a token (random per process, in the low half also per stream), then a fixed filler. A reply must repeat all of it, which tells our
own replies from foreign ones and intact ones from corrupt ones. Formats: RFC 792, RFC 4443, RFC 4884 (extensions are
behind what is read here).
"""

from __future__ import annotations

import ipaddress
import struct
from typing import NamedTuple

ECHO_REQUEST = {4: 8, 6: 128}
ECHO_REPLY = {4: 0, 6: 129}
ICMPV6 = 58
ICMP = 1

ECHO = struct.Struct("!BBHHHIIQ40s")
"""Type, code, checksum, identifier, sequence, long sequence, stream, token, filler: 64 bytes, as much as ping(8) sends."""
FILLER = bytes(range(0x10, 0x10 + 40))

ERROR_TYPES = (
    "network_unreachable",
    "host_unreachable",
    "protocol_unreachable",
    "port_unreachable",
    "prohibited",
    "packet_too_big",
    "ttl_exceeded",
    "reassembly_timeout",
    "parameter_problem",
    "other",
)
"""Closed vocabulary of ICMP errors, by what they mean rather than by number."""

_UNREACHABLE_4 = {
    **dict.fromkeys((0, 6, 8, 11), "network_unreachable"),
    **dict.fromkeys((1, 5, 7, 12), "host_unreachable"),
    2: "protocol_unreachable",
    3: "port_unreachable",
    4: "packet_too_big",
    **dict.fromkeys((9, 10, 13, 14, 15), "prohibited"),
}
_UNREACHABLE_6 = {
    0: "network_unreachable",
    **dict.fromkeys((1, 5, 6), "prohibited"),
    **dict.fromkeys((2, 3), "host_unreachable"),
    4: "port_unreachable",
}


class Quoted(NamedTuple):
    """The echo request that an ICMP error quotes, as far as it is quoted (RFC 792 promises 8 bytes of it)."""

    destination: str
    identifier: int
    sequence: int


def partial_sum(data: bytes | bytearray) -> int:
    """Sum of 16-bit words, not folded, of an even number of bytes (RFC 1071)."""
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def fold(total: int) -> int:
    """The Internet checksum of a sum of words (RFC 1071); exact for sums below 2**32."""
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return ~total & 0xFFFF


def echo_request(family: int, identifier: int, token: int, stream: int) -> tuple[bytearray, int]:
    """A request with sequence numbers and checksum still zero, and the sum of its words without type and code.

    `stamp` completes it for each probe; the same sum gives the checksum that the reply must have.
    """
    packet = bytearray(ECHO.size)
    ECHO.pack_into(packet, 0, ECHO_REQUEST[family], 0, 0, identifier, 0, 0, stream, token, FILLER)
    return packet, partial_sum(packet) - (ECHO_REQUEST[family] << 8)


_stamp = struct.Struct("!HHHI").pack_into
number_request = struct.Struct("!HI").pack_into
"""`number_request(packet, 6, low, sequence)`: all that changes where the kernel computes the checksum."""


def stamp(packet: bytearray, rest: int, identifier: int, sequence: int) -> None:
    """Write the sequence number (32 bits) and the ICMP checksum into an IPv4 request made by `echo_request`.

    ICMPv6 covers a pseudo-header in its checksum: there the kernel computes it (RFC 3542), as for datagram sockets.
    """
    low = sequence & 0xFFFF
    total = 0x0800 + rest + low + low + (sequence >> 16)
    total = (total >> 16) + (total & 0xFFFF)
    _stamp(packet, 2, ~(total + (total >> 16)) & 0xFFFF, identifier, low, sequence)


def reply_checksum(rest: int, sequence: int) -> int:
    """The checksum of an intact reply; type and code are zero."""
    low = sequence & 0xFFFF
    total = rest + low + low + (sequence >> 16)
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def error_type(family: int, kind: int, code: int) -> str | None:
    """The word for an ICMP error by type and code; None for messages that are no error (RFC 792, 1122, 1812, 4443)."""
    if family == 4:
        if kind == 3:
            return _UNREACHABLE_4.get(code, "other")
        if kind == 11:
            return "ttl_exceeded" if code == 0 else "reassembly_timeout"
        return {4: "other", 12: "parameter_problem"}.get(kind)
    if kind == 1:
        return _UNREACHABLE_6.get(code, "other")
    if kind == 3:
        return "ttl_exceeded" if code == 0 else "reassembly_timeout"
    if kind == 2:
        return "packet_too_big"
    if kind == 4:
        return "parameter_problem"
    return "other" if kind < 128 else None


def quoted_echo(family: int, message: bytes | memoryview) -> Quoted | None:
    """The echo request quoted by an ICMP error message (from its type byte on); None when it quotes anything else."""
    return _quoted_4(message[8:]) if family == 4 else _quoted_6(message[8:])


def _quoted_4(packet: bytes | memoryview) -> Quoted | None:
    if len(packet) < 20 or packet[0] >> 4 != 4 or packet[9] != ICMP:
        return None
    length = (packet[0] & 0x0F) * 4
    fragment = (packet[6] & 0x1F) << 8 | packet[7]
    echo = packet[length : length + 8]
    if length < 20 or fragment or len(echo) < 8 or echo[0] != ECHO_REQUEST[4]:
        return None
    return Quoted(str(ipaddress.IPv4Address(bytes(packet[16:20]))), echo[4] << 8 | echo[5], echo[6] << 8 | echo[7])


def _quoted_6(packet: bytes | memoryview) -> Quoted | None:
    if len(packet) < 48 or packet[0] >> 4 != 6 or packet[6] != ICMPV6 or packet[40] != ECHO_REQUEST[6]:
        return None
    return Quoted(str(ipaddress.IPv6Address(bytes(packet[24:40]))), packet[44] << 8 | packet[45], packet[46] << 8 | packet[47])
