"""Linux's sock_diag: what the kernel knows of TCP connections to a host, also of those of other processes (linux/inet_diag.h)."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

from collectors.wire.tcpinfo import TcpInfo, parse_tcp_info

_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI48x")
_BY_FAMILY, _DONE, _ERROR = 20, 3, 2
_REQUEST_DUMP = 0x301
_TCP = 6
_INFO = 2
_FIXED = 72
_AF_INET, _AF_INET6 = 2, 10  # the kernel's numbers, whatever platform reads a recording
_ALL_STATES = 0xFFF & ~(1 << 10)  # no listeners


@dataclass(frozen=True, slots=True)
class Connection:
    """One TCP connection: its cookie, which no other connection of this boot has, who is at the other end, its figures."""

    cookie: bytes
    peer: str
    info: TcpInfo


def request(address: str) -> bytes:
    """The message that asks for all TCP connections of an address's family with their TCP_INFO."""
    family = _AF_INET6 if ":" in address else _AF_INET
    body = _REQUEST.pack(family, _TCP, 1 << (_INFO - 1), 0, _ALL_STATES)
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST_DUMP, 1, 0) + body


def parse(datagram: bytes) -> tuple[list[Connection], bool]:
    """The connections of one datagram of the answer, and whether it was the last one."""
    found: list[Connection] = []
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, offset)
        if kind in {_DONE, _ERROR} or length < _HEADER.size or offset + length > len(datagram):
            return found, True
        if kind == _BY_FAMILY:
            one = _connection(datagram[offset + _HEADER.size : offset + length])
            found += [one] if one is not None else []
        offset += (length + 3) & ~3
    return found, False


def _connection(body: bytes) -> Connection | None:
    if len(body) < _FIXED:
        return None
    # struct inet_diag_msg: four octets, then the ports, 16 octets each for source and destination, interface, cookie.
    far = body[24:40]
    peer = ipaddress.IPv6Address(far) if body[0] == _AF_INET6 else ipaddress.IPv4Address(far[:4])
    mapped = getattr(peer, "ipv4_mapped", None)
    offset = _FIXED
    while offset + 4 <= len(body):
        length, kind = struct.unpack_from("=HH", body, offset)
        if length < 4 or offset + length > len(body):
            return None
        if kind == _INFO:
            info = parse_tcp_info(body[offset + 4 : offset + length])
            return None if info is None else Connection(body[44:52], str(mapped or peer), info)
        offset += (length + 3) & ~3
    return None
