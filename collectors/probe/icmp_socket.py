"""Opens the sockets that echo requests leave by and replies come in by, and asks the kernel to sort for us.

Datagram ICMP sockets need no capability where `net.ipv4.ping_group_range` covers our group; the kernel then delivers
only replies to our identifier. Raw sockets need CAP_NET_RAW and hear every ICMP message of the computer, so that
ICMP_FILTER / ICMP6_FILTER and a classic BPF program drop in the kernel all that is not about our identifier: the cost
of a reply does not depend on how many others are pinging.
"""

from __future__ import annotations

import errno
import ipaddress
import random
import socket
import struct
import sys
from typing import NamedTuple

from collectors.wire.icmp import ECHO, ECHO_REPLY, ECHO_REQUEST, ICMP, ICMPV6
from collectors.wire.sockerr import IP_RECVERR, IPV6_RECVERR, ORIGIN_ICMP, ORIGIN_ICMP6, parse_queued_error

# Numbers of Linux that the socket module does not name everywhere.
SO_TIMESTAMPNS = 35
SO_BINDTODEVICE = 25
SO_ATTACH_FILTER = 26
SOL_RAW, ICMP_FILTER = 255, 1
SOL_ICMPV6, ICMP6_FILTER = 58, 1
SOL_IP, IP_UNICAST_IF = 0, 50
SOL_IPV6, IPV6_UNICAST_IF = 41, 76
MSG_ERRQUEUE = 0x2000
MSG_DONTWAIT = 0x40

RECEIVE_BUFFER = 2**20
LARGEST = 2048
CONTROL_SPACE = 128
PERMISSION_HELP = (
    "no permission for ICMP sockets: grant the capability CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW) or let "
    'the group ping (sysctl net.ipv4.ping_group_range="0 2147483647")'
)
SocketAddress = tuple[str, int] | tuple[str, int, int, int]
_QUOTED = struct.Struct("!BBHHH")


class QueuedError(NamedTuple):
    """One entry of a datagram socket's error queue: an ICMP error about one of our requests."""

    kind: int
    code: int
    destination: str
    sequence: int


class Lane:
    """One socket: address family, way out, identifier.

    Attributes:
        identifier: of all echo requests through this lane.
        datagram: the kernel writes identifier and checksum, verifies replies and queues ICMP errors.
        verify: replies' checksums are ours to verify (raw IPv4; the kernel does it for all others).
        index: number of the interface when it was bound; a lane outlives neither its interface nor its number.
        users: streams that send through it.
    """

    __slots__ = ("buffer", "buffers", "datagram", "family", "identifier", "index", "interface", "socket", "users", "verify")

    def __init__(self, opened: socket.socket, family: int, identifier: int, interface: str | None, *, datagram: bool) -> None:
        self.socket = opened
        self.family = family
        self.identifier = identifier
        self.interface = interface
        self.datagram = datagram
        self.verify = family == 4 and not datagram
        self.index = _index(interface)
        self.users = 0
        self.buffer = bytearray(LARGEST)
        self.buffers = [memoryview(self.buffer)]

    @property
    def is_current(self) -> bool:
        """The interface is still the one that the socket was bound to."""
        return self.interface is None or _index(self.interface) == self.index

    def take_error(self) -> QueuedError | None:
        """Take the next ICMP error off a datagram socket's queue; None when it is empty or tells of nothing of ours."""
        if sys.platform != "linux":
            return None
        while True:
            try:
                data, ancillary, _, sender = self.socket.recvmsg(LARGEST, CONTROL_SPACE, MSG_ERRQUEUE | MSG_DONTWAIT)
            except OSError:
                return None
            for level, option, value in ancillary:
                known = (level, option) in ((SOL_IP, IP_RECVERR), (SOL_IPV6, IPV6_RECVERR))
                error = parse_queued_error(value) if known else None
                if error is None or len(data) < _QUOTED.size or not sender:
                    continue
                quoted, _, _, _, sequence = _QUOTED.unpack_from(data)
                if error.origin in (ORIGIN_ICMP, ORIGIN_ICMP6) and quoted == ECHO_REQUEST[self.family]:
                    return QueuedError(error.type, error.code, str(sender[0]).partition("%")[0], sequence)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def _index(interface: str | None) -> int:
    if interface is None:
        return 0
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def sockaddr(address: str, interface: str | None = None) -> tuple[int, SocketAddress]:
    """Family (4 or 6) and socket address of an IP address; `%zone`, else the interface, scopes link-local IPv6.

    Raises:
        ValueError: not an IP address.
    """
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return 4, (str(parsed), 0)
    zone = parsed.scope_id or (interface if parsed.is_link_local else None)
    bare = str(parsed).partition("%")[0]
    return 6, (bare, 0, 0, int(zone) if zone and zone.isdecimal() else _index(zone))


def open_lane(family: int, interface: str | None = None, source: str | None = None, *, datagram: bool | None = None) -> Lane:
    """Open a socket for echo requests.

    Args:
        family: 4 or 6.
        interface: leave by this interface whatever the routes say.
        source: leave from this address.
        datagram: force a kind of socket; None takes a datagram socket where allowed, else a raw one.

    Raises:
        PermissionError: neither kind is allowed; the message says what helps.
        OSError: no such interface or source, or the address family is not there.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, f"ICMP sockets are not supported on {sys.platform}")
    if datagram is None:
        try:
            return _open(family, interface, source, datagram=True)
        except PermissionError:
            datagram = False
    try:
        return _open(family, interface, source, datagram=datagram)
    except PermissionError as error:
        raise PermissionError(error.errno, PERMISSION_HELP) from error


def _open(family: int, interface: str | None, source: str | None, *, datagram: bool) -> Lane:
    domain, protocol = (socket.AF_INET, ICMP) if family == 4 else (socket.AF_INET6, ICMPV6)
    opened = socket.socket(domain, socket.SOCK_DGRAM if datagram else socket.SOCK_RAW, protocol)
    try:
        opened.settimeout(0)
        opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        if interface is not None:
            _leave_by(opened, family, interface)
        identifier = _identify(opened, source, datagram=datagram)
        if datagram:
            level, option = (SOL_IP, IP_RECVERR) if family == 4 else (SOL_IPV6, IPV6_RECVERR)
            opened.setsockopt(level, option, 1)
        else:
            _filter(opened, family, identifier)
        return Lane(opened, family, identifier, interface, datagram=datagram)
    except BaseException:
        opened.close()
        raise


def _leave_by(opened: socket.socket, family: int, interface: str) -> None:
    index = _index(interface)
    if not index:
        raise OSError(errno.ENODEV, f"there is no interface {interface}")
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
    except PermissionError:  # before Linux 5.7 only with CAP_NET_RAW; choosing the way out needs none
        level, option = (SOL_IP, IP_UNICAST_IF) if family == 4 else (SOL_IPV6, IPV6_UNICAST_IF)
        opened.setsockopt(level, option, struct.pack("!I", index))


def _identify(opened: socket.socket, source: str | None, *, datagram: bool) -> int:
    """Choose a random identifier; a datagram socket reserves it by binding."""
    address = source or ""
    if not datagram:
        if source is not None:
            opened.bind((address, 0))
        return random.randrange(1, 0x10000)  # noqa: S311  to differ, not to be secret
    for _ in range(32):
        identifier = random.randrange(1, 0x10000)  # noqa: S311
        try:
            opened.bind((address, identifier))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return identifier
    opened.bind((address, 0))
    return int(opened.getsockname()[1])


def _filter(opened: socket.socket, family: int, identifier: int) -> None:
    if family == 4:
        passed = sum(1 << kind for kind in (ECHO_REPLY[4], 3, 4, 11, 12))
        opened.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", ~passed & 0xFFFFFFFF))
    else:
        blocked = [0xFFFFFFFF] * 8
        for kind in (ECHO_REPLY[6], 1, 2, 3, 4):
            blocked[kind >> 5] &= ~(1 << (kind & 31))
        opened.setsockopt(SOL_ICMPV6, ICMP6_FILTER, struct.pack("=8I", *blocked))
    program = b"".join(struct.pack("=HBBI", *line) for line in bpf(family, identifier))
    hold = bytearray(program)
    address = _address_of(hold)
    opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(program) // 8, address))
    try:  # what was queued before the filter stood
        while True:
            opened.recv(1)
    except BlockingIOError:
        return


def _address_of(buffer: bytearray) -> int:
    import ctypes  # noqa: PLC0415  the kernel takes a pointer to the program; only raw sockets need it

    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def bpf(family: int, identifier: int) -> list[tuple[int, int, int, int]]:
    """The classic BPF program that passes replies to `identifier` and errors that quote a request of `identifier`.

    A raw IPv4 socket's packet begins at the IP header, a raw IPv6 one's at the ICMPv6 header. Reading beyond the end
    of a packet drops it.
    """
    load_byte, load_half, load_byte_x, load_half_x = 0x30, 0x28, 0x50, 0x48
    header_length, and_, shift, add_x, to_x, equal, give = 0xB1, 0x54, 0x64, 0x0C, 0x07, 0x15, 0x06
    keep, drop = (give, 0, 0, 0xFFFF), (give, 0, 0, 0)
    if family == 6:
        return [
            (load_byte, 0, 0, 0),
            (equal, 0, 2, ECHO_REPLY[6]),
            (load_half, 0, 0, 4),
            (equal, 4, 5, identifier),
            (load_byte, 0, 0, 48),
            (equal, 0, 3, ECHO_REQUEST[6]),
            (load_half, 0, 0, 52),
            (equal, 0, 1, identifier),
            keep,
            drop,
        ]
    return [
        (header_length, 0, 0, 0),
        (load_byte_x, 0, 0, 0),
        (equal, 0, 2, ECHO_REPLY[4]),
        (load_half_x, 0, 0, 4),
        (equal, 9, 10, identifier),
        (load_byte_x, 0, 0, 8),
        (and_, 0, 0, 0x0F),
        (shift, 0, 0, 2),
        (add_x, 0, 0, 0),
        (to_x, 0, 0, 0),
        (load_byte_x, 0, 0, 8),
        (equal, 0, 3, ECHO_REQUEST[4]),
        (load_half_x, 0, 0, 12),
        (equal, 0, 1, identifier),
        keep,
        drop,
    ]


assert ECHO.size <= LARGEST  # noqa: S101  a reply fits the buffer
