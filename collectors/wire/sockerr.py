"""The Linux socket error queue: ancillary data to who reported what about which packet.

With IP_RECVERR a plain socket learns of ICMP errors about its own packets, and who sent them, without any privilege
(ip(7), `struct sock_extended_err` of linux/errqueue.h).
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

IP_RECVERR = 11
IPV6_RECVERR = 25
IP_MTU_DISCOVER = 10
IPV6_MTU_DISCOVER = 23
PMTUDISC_PROBE = 3
"""Set DF and ignore the kernel's idea of the path MTU, so that it can be measured."""
_ERROR = struct.Struct("@IBBBBII")
ORIGIN_LOCAL, ORIGIN_ICMP, ORIGIN_ICMP6 = 1, 2, 3


@dataclass(frozen=True, slots=True)
class QueuedError:
    """One entry of the error queue.

    Attributes:
        errno: as the socket would report it (EHOSTUNREACH, EMSGSIZE, …).
        origin: local, ICMP or ICMPv6.
        type: ICMP type.
        code: ICMP code.
        info: next-hop MTU of "too big" errors, else 0.
        reporter: address of the node that sent the error, None for local ones.
    """

    errno: int
    origin: int
    type: int
    code: int
    info: int
    reporter: str | None

    @property
    def is_time_exceeded(self) -> bool:
        """The hop limit ran out (RFC 792 type 11, RFC 4443 type 3)."""
        return (self.origin, self.type) in {(ORIGIN_ICMP, 11), (ORIGIN_ICMP6, 3)}

    @property
    def is_too_big(self) -> bool:
        """Fragmentation needed (RFC 792 type 3 code 4), or packet too big (RFC 4443 type 2)."""
        return (self.origin, self.type, self.code) == (ORIGIN_ICMP, 3, 4) or (self.origin, self.type) == (ORIGIN_ICMP6, 2)

    @property
    def is_port_unreachable(self) -> bool:
        """The probe reached the host, which has nobody at that port (RFC 792 3/3, RFC 4443 1/4)."""
        return (self.origin, self.type, self.code) in {(ORIGIN_ICMP, 3, 3), (ORIGIN_ICMP6, 1, 4)}


def parse_queued_error(data: bytes) -> QueuedError | None:
    """The data of an IP_RECVERR or IPV6_RECVERR control message; None when it is too short."""
    if len(data) < _ERROR.size:
        return None
    errno, origin, kind, code, _, info, _ = _ERROR.unpack_from(data)
    return QueuedError(errno, origin, kind, code, info, _address(data[_ERROR.size :]))


def _address(data: bytes) -> str | None:
    """A `sockaddr_in` or `sockaddr_in6` as text."""
    if len(data) < 2:
        return None
    (family,) = struct.unpack_from("@H", data)
    if family == 2 and len(data) >= 8:
        return str(ipaddress.IPv4Address(data[4:8]))
    if family == 10 and len(data) >= 24:
        return str(ipaddress.IPv6Address(data[8:24]))
    return None
