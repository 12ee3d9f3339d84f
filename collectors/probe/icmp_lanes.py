"""Which probe leaves by which socket: lanes are opened at first use, shared, renewed and closed here."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator

from collectors.model import Reason
from collectors.probe.icmp_socket import Lane, SocketAddress, open_lane, sockaddr
from collectors.probe.icmp_stream import Stream
from collectors.wire.icmp import echo_request

GENERATIONS = 4
"""Identifiers in turn for targets that stay silent; all of a generation share a socket."""
REOPEN_AFTER = 5.0
"""Seconds between attempts to open a socket that could not be opened."""


class Probe:
    """What is kept to send for one stream.

    Attributes:
        index, token: what its requests carry to be recognised by.
        to: where to send, None while the name is not resolved.
        due: when the next one leaves, in seconds of the event loop.
        left: how many more to send; negative for no end.
        users: who watches the stream.
    """

    __slots__ = (
        "due",
        "generation",
        "index",
        "key",
        "lane",
        "left",
        "packet",
        "period",
        "rest",
        "retry",
        "source",
        "stream",
        "to",
        "token",
        "users",
    )

    def __init__(self, stream: Stream, key: tuple[object, ...], index: int, token: int, source: str | None) -> None:
        self.stream = stream
        self.key = key
        self.index = index
        self.token = token
        self.source = source
        self.users = 1
        self.lane: Lane | None = None
        self.generation = 0
        self.to: SocketAddress | None = None
        self.packet = bytearray()
        self.rest = 0
        self.due = 0.0
        self.period = stream.interval
        self.left = -1
        self.retry = 0.0


class Lanes:
    """All open lanes, by address family, interface, source and generation."""

    def __init__(self, *, datagram: bool | None) -> None:
        self._datagram = datagram
        self._open: dict[tuple[int, str | None, str | None, int], Lane] = {}

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    def point(self, probe: Probe, address: str) -> None:
        """Aim a probe at an IP address from now on."""
        stream = probe.stream
        try:
            family, probe.to = sockaddr(address, stream.interface)
        except ValueError:
            return
        stream.address = address
        stream.reason, stream.detail = None, ""
        if family != stream.family:
            stream.family = family
            self.leave(probe)

    def join(self, probe: Probe, now: float) -> Lane | None:
        """The socket for a probe, opened at need; None, and the stream says why, where it cannot be opened."""
        stream = probe.stream
        key = (stream.family, stream.interface, probe.source, probe.generation)
        lane = self._open.get(key)
        if lane is None:
            if now < probe.retry:
                return None
            try:
                lane = open_lane(stream.family, stream.interface, probe.source, datagram=self._datagram)
            except PermissionError as error:
                probe.retry = now + REOPEN_AFTER
                stream.silent(Reason.NO_PERMISSION, error.strerror or str(error))
                return None
            except OSError as error:
                probe.retry = now + REOPEN_AFTER
                unsupported = error.errno == errno.ENOTSUP
                stream.silent(Reason.NOT_SUPPORTED if unsupported else Reason.NO_ADDRESS, _no_way(probe, error))
                return None
            self._open[key] = lane
        if stream.reason is not None:
            stream.reason, stream.detail = None, ""
        lane.users += 1
        probe.lane = lane
        probe.packet, probe.rest = echo_request(stream.family, lane.identifier, probe.token, probe.index)
        return lane

    def leave(self, probe: Probe) -> None:
        """Take a probe off its lane; the last one closes it."""
        lane, probe.lane = probe.lane, None
        if lane is not None:
            lane.users -= 1
            if not lane.users:
                self._close(lane)

    def renew(self, probe: Probe) -> None:
        """Another identifier for the next request."""
        self.leave(probe)
        probe.generation = (probe.generation + 1) % GENERATIONS

    def reopen(self, lane: Lane, probes: Iterable[Probe]) -> None:
        """The interface went away or came back under another number: everybody leaves the socket bound to it."""
        for probe in probes:
            if probe.lane is lane:
                probe.lane = None
                if probe.stream.address is not None:
                    self.point(probe, probe.stream.address)  # the scope of a link-local address is a number as well
        self._close(lane)

    def _close(self, lane: Lane) -> None:
        for key in [key for key, one in self._open.items() if one is lane]:
            del self._open[key]
        lane.close()

    def close(self) -> None:
        """Close them all."""
        for lane in self._open.values():
            lane.close()
        self._open.clear()


def _no_way(probe: Probe, error: OSError) -> str:
    way = probe.stream.interface or probe.source or f"IPv{probe.stream.family}"
    return f"{probe.stream.host} cannot be pinged by {way}: {error.strerror or error}"
