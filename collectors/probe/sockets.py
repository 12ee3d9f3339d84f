"""What all stream and datagram probes share: names to addresses, leaving by a given uplink, and words for errors."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from collectors.model import Reason
from collectors.probe.blocking import begin


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no measurement: one word, and one sentence for a person."""

    reason: Reason
    detail: str


def explained(fault: Fault | None) -> tuple[Reason | None, str]:
    """The two last fields of a `Reading`."""
    return (None, "") if fault is None else (fault.reason, fault.detail)


class Endpoint(NamedTuple):
    """One address of a name: what `socket` needs to reach it."""

    family: socket.AddressFamily
    address: tuple[Any, ...]

    @property
    def text(self) -> str:
        """The address alone."""
        return str(self.address[0])


_UNREACHABLE = frozenset({
    errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.ENODEV, errno.EACCES, errno.EPERM,
})  # fmt: skip
_RESET = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError)


def classify(error: OSError) -> Reason:
    """The word for what the network (or a firewall on the way out: EPERM) answered."""
    if isinstance(error, ConnectionRefusedError):
        return Reason.REFUSED
    if isinstance(error, _RESET):
        return Reason.RESET
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    if isinstance(error, socket.gaierror):
        return Reason.NAME_UNRESOLVED
    if error.errno == errno.EADDRNOTAVAIL:
        return Reason.NO_ADDRESS
    return Reason.UNREACHABLE if error.errno in _UNREACHABLE else Reason.RESET


def describe(error: OSError) -> str:
    """The operating system's own words, without numbers or addresses."""
    if error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__).lower()


async def resolve(host: str, port: int, *, datagram: bool = False) -> tuple[Endpoint, ...] | Fault:
    """Addresses of a name by the system's resolver, in its order of preference (RFC 6724); a literal address is itself."""
    kind = socket.SOCK_DGRAM if datagram else socket.SOCK_STREAM
    call = partial(socket.getaddrinfo, host, port, type=kind)
    try:
        # A literal never asks anybody, so it needs no thread.
        literal = _is_literal(host)
        found = call(flags=socket.AI_NUMERICHOST) if literal else await begin(call, f"resolve {host}")
    except (OSError, UnicodeError) as error:
        detail = describe(error) if isinstance(error, OSError) else "it is no valid name"
        return Fault(Reason.NAME_UNRESOLVED, f"{host} has no address: {detail}")
    # The scope of a link-local address is the tuple's fourth item; asyncio would ask a resolver for `%eth0` once more.
    return tuple(Endpoint(family, (str(address[0]).partition("%")[0], *address[1:])) for family, _, _, _, address in found)


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False


def split_host_port(text: str, default: int | None = None) -> tuple[str, int]:
    """`host:port`, `[v6]:port`, or an address alone where there is a default port.

    Raises:
        ValueError: there is no port, or it is none.
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        if not bracket or not (rest.startswith(":") or not rest):
            message = f"{text!r} is no [address]:port"
            raise ValueError(message)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not port and default is not None:
        return host, default
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        message = f"{text!r} has no port between 1 and 65535; write host:port or [address]:port"
        raise ValueError(message)
    return host, int(port)


def leave_by(channel: socket.socket, interface: str) -> None:
    """Make a socket's packets leave by an interface, whatever the routing table prefers.

    Linux binds to the device (unprivileged since 5.7, if the socket is not bound yet); elsewhere, and where that is
    forbidden, the interface's own source address must do.

    Raises:
        OSError: there is no such interface, or it has no address of the family.
    """
    if sys.platform == "linux":
        try:
            channel.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
        except PermissionError:
            pass
        else:
            return
    import psutil  # noqa: PLC0415  only where the device cannot be named

    held = psutil.net_if_addrs().get(interface, [])
    source = next((one.address for one in held if one.family == channel.family), None)
    if source is None:
        raise OSError(errno.EADDRNOTAVAIL, f"{interface} has no address to send from")
    channel.bind((source, 0))


def open_socket(endpoint: Endpoint, kind: socket.SocketKind, interface: str | None) -> socket.socket:
    """A non-blocking socket for an endpoint, leaving by `interface` if one is given.

    Raises:
        OSError: as `leave_by`.
    """
    channel = socket.socket(endpoint.family, kind)
    try:
        channel.settimeout(0.0)
        if interface is not None:
            leave_by(channel, interface)
    except BaseException:
        channel.close()
        raise
    return channel


def one_per_family(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """The preferred endpoint of each address family."""
    chosen: dict[int, Endpoint] = {}
    for endpoint in endpoints:
        chosen.setdefault(endpoint.family, endpoint)
    return tuple(chosen.values())
