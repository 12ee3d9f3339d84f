"""Generic netlink over one asyncio socket; pyroute2's message classes do the coding.

Only `pyroute2.netlink` is loaded: the package's own start imports every protocol it knows (10.8 MiB), its message
classes alone cost 0.3 MiB (docs/adr/050-wifi-netlink.md).
"""

from __future__ import annotations

import asyncio
import errno
import importlib
import importlib.util
import os
import socket
import struct
import sys
import types
from collections.abc import Callable
from typing import Any, Protocol

NLM_REQUEST, NLM_ACK, NLM_DUMP = 0x1, 0x4, 0x300
NLM_DUMP_INTERRUPTED = 0x10
_ERROR, _DONE = 2, 3
_CONTROL = 0x10
_GET_FAMILY = 3
_AF_NETLINK, _NETLINK_GENERIC = 16, 16  # named in `socket` on Linux only
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_BUFFER = 65536
_ATTEMPTS = 3
_HEADER = struct.Struct("=IHHII")
Decode = Callable[[bytes], Any]


def load_core() -> Any:
    """The module `pyroute2.netlink` without the rest of the package."""
    if "pyroute2.netlink" not in sys.modules and "pyroute2" not in sys.modules:
        found = importlib.util.find_spec("pyroute2")
        if found is not None and found.submodule_search_locations is not None:
            bare = types.ModuleType("pyroute2")
            bare.__path__ = list(found.submodule_search_locations)
            sys.modules["pyroute2"] = bare
            try:
                return importlib.import_module("pyroute2.netlink")
            except ImportError:  # a release whose core needs the package itself: take it whole
                for name in [name for name in sys.modules if name.startswith("pyroute2.")]:
                    del sys.modules[name]
            finally:
                # Whoever imports the package later gets the real one.
                sys.modules.pop("pyroute2", None)
    return importlib.import_module("pyroute2.netlink")


def split(datagram: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, sequence number and whole octets of each message of a datagram; a torn last one is left out."""
    found, offset = [], 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            break
        found.append((kind, flags, sequence, datagram[offset : offset + length]))
        offset += (length + 3) & ~3
    return found


class Wire(Protocol):
    """What carries datagrams to the kernel and back; a recording in tests."""

    def open(self) -> None:
        """Make it ready."""

    def close(self) -> None:
        """Release it; may be called twice."""

    def subscribe(self, group: int) -> None:
        """Receive a multicast group's events."""

    async def send(self, octets: bytes) -> None:
        """Send one datagram."""

    async def receive(self) -> bytes:
        """Wait for the next datagram."""


class NetlinkSocket:
    """The real `Wire`."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Open the socket."""
        self._socket = socket.socket(_AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
        self._socket.setblocking(False)  # noqa: FBT003  the socket's own signature
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * _BUFFER)
        self._socket.bind((0, 0))

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise OSError(errno.ENOTCONN, "the netlink socket is closed")
        return self._socket

    def subscribe(self, group: int) -> None:
        """Receive a multicast group's events."""
        self._opened.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    async def send(self, octets: bytes) -> None:
        """Send one datagram to the kernel."""
        await asyncio.get_running_loop().sock_sendall(self._opened, octets)

    async def receive(self) -> bytes:
        """Wait for the next datagram."""
        return await asyncio.get_running_loop().sock_recv(self._opened, _BUFFER)


class GenericNetlink:
    """One socket bound to one family.

    Args:
        family: the family's name, such as `nl80211`.
        decode: makes a message of its octets.
        wire: what carries the datagrams.

    Raises of `open` and `request`: OSError with the kernel's errno; ENOENT: the kernel does not know the family.
    """

    def __init__(self, family: str, decode: Decode, wire: Wire) -> None:
        self._name = family
        self._decode = decode
        self._wire = wire
        self._sequence = 0
        self._lock = asyncio.Lock()
        self.family = 0
        self.groups: dict[str, int] = {}

    async def open(self) -> None:
        """Open the socket and look the family up."""
        self._wire.open()
        try:
            core = load_core()
            message = core.ctrlmsg()
            message["cmd"], message["version"] = _GET_FAMILY, 1
            message["attrs"] = [["CTRL_ATTR_FAMILY_NAME", self._name]]
            answers = await self.request(message, kind=_CONTROL, flags=NLM_ACK, decode=_decoder(core.ctrlmsg))
            for answer in answers:
                self.family = int(answer.get_attr("CTRL_ATTR_FAMILY_ID"))
                for group in answer.get_attr("CTRL_ATTR_MCAST_GROUPS") or []:
                    self.groups[group.get_attr("CTRL_ATTR_MCAST_GRP_NAME")] = group.get_attr("CTRL_ATTR_MCAST_GRP_ID")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the socket."""
        self._wire.close()

    def subscribe(self, group: str) -> None:
        """Receive the events of a multicast group on this socket; it must then serve `event` only."""
        self._wire.subscribe(self.groups[group])

    async def request(self, message: Any, *, kind: int = 0, flags: int = NLM_DUMP, decode: Decode | None = None) -> list[Any]:
        """Send a request and return the messages of the answer; a dump that the kernel had to interrupt is asked again."""
        for _ in range(_ATTEMPTS):
            answer, interrupted = await self._exchange(message, kind or self.family, flags, decode or self._decode)
            if not interrupted:
                break
        return answer

    async def _exchange(self, message: Any, kind: int, flags: int, decode: Decode) -> tuple[list[Any], bool]:
        async with self._lock:
            self._sequence += 1
            header = message["header"]
            header["type"], header["sequence_number"], header["pid"] = kind, self._sequence, 0
            header["flags"] = NLM_REQUEST | flags
            message.reset()
            message.encode()
            await self._wire.send(bytes(message.data))
            found: list[Any] = []
            interrupted = False
            while True:
                for kind_, flags_, sequence, octets in split(await self._wire.receive()):
                    if sequence != self._sequence:
                        continue  # an answer that a cancelled request did not wait for
                    interrupted = interrupted or bool(flags_ & NLM_DUMP_INTERRUPTED)
                    if kind_ in {_ERROR, _DONE}:
                        _raise(octets, self._name)
                        return found, interrupted
                    found.append(decode(octets))

    async def event(self) -> list[Any]:
        """The next events of the groups subscribed to."""
        return [self._decode(octets) for kind, _, _, octets in split(await self._wire.receive()) if kind == self.family]


def _decoder(kind: Any) -> Decode:
    def decode(octets: bytes) -> Any:
        message = kind(octets)
        message.decode()
        return message

    return decode


def _raise(octets: bytes, family: str) -> None:
    code = -int(struct.unpack_from("=i", octets, 16)[0]) if len(octets) >= 20 else 0
    if code > 0:
        raise OSError(code, f"{family}: {os.strerror(code)}")
