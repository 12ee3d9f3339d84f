"""Reads what has arrived on a lane and tells it apart: replies, ICMP errors about our requests, and everything else."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable

from collectors.probe.icmp_lanes import Probe
from collectors.probe.icmp_socket import CONTROL_SPACE, Lane
from collectors.wire.icmp import ECHO, ECHO_REPLY, FILLER, error_type, quoted_echo, reply_checksum

DRAIN_LIMIT = 1024
"""Packets read from one socket at once: a flood must not hold up the event loop."""
_TIMESTAMP = struct.Struct("@ll")


class Reader:
    """Knows all probes by what their requests carry.

    Args:
        wall, monotonic: the two clocks in nanoseconds.

    Attributes:
        probes: by the number that requests carry.
        secret: the upper half of every token of this process.
        foreign: packets that are no reply of any stream: of other programs, forged or too corrupt to tell.
    """

    def __init__(self, wall: Callable[[], int], monotonic: Callable[[], int], secret: int) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._secret = secret.to_bytes(4, "big")
        self.probes: dict[int, Probe] = {}
        self.foreign = 0

    def drain(self, lane: Lane) -> None:
        """Read all that a socket holds, at most `DRAIN_LIMIT` packets of it."""
        if sys.platform == "win32":
            return
        receive, buffers, buffer, reply = lane.socket.recvmsg_into, lane.buffers, lane.buffer, ECHO_REPLY[lane.family]
        find, identifier, verify, unpack, length = self.probes.get, lane.identifier, lane.verify, ECHO.unpack_from, ECHO.size
        monotonic, wall = self._monotonic(), self._wall()
        start = 0
        for _ in range(DRAIN_LIMIT):
            try:
                size, ancillary, _, sender = receive(buffers, CONTROL_SPACE)
            except BlockingIOError:
                return
            except OSError:
                self.take_errors(lane)
                continue
            if verify:
                start = (buffer[0] & 0x0F) << 2
            if size - start != length:
                self._unusual(lane, start, size, sender)
                continue
            kind, code, checksum, ident, low, number, index, token, filler = unpack(buffer, start)
            probe = find(index)
            if probe is None or token != probe.token or kind != reply or code or ident != identifier:
                self._unusual(lane, start, size, sender)
                continue
            if filler != FILLER or low != number & 0xFFFF or (verify and checksum != reply_checksum(probe.rest, number)):
                probe.stream.count("corrupt")
                continue
            received = wall
            if ancillary:
                seconds, nanoseconds = _TIMESTAMP.unpack(ancillary[0][2])
                received = seconds * 1_000_000_000 + nanoseconds
            if received > wall:  # it came in while we were reading, or the clock was set back
                monotonic, wall = self._monotonic(), self._wall()
            probe.stream.answered(number, received, wall, monotonic)

    def _unusual(self, lane: Lane, start: int, size: int, sender: object) -> None:
        """Anything but an intact reply to one of our streams."""
        message = bytes(memoryview(lane.buffer)[start:size])
        if len(message) < 8:
            self.foreign += 1
            return
        if message[0] != ECHO_REPLY[lane.family]:
            error = error_type(lane.family, message[0], message[1])
            quoted = quoted_echo(lane.family, message) if error is not None else None
            if error is None or quoted is None or quoted.identifier != lane.identifier:
                self.foreign += 1
            else:
                self._blame(lane, quoted.destination, quoted.sequence, error)
            return
        address = str(sender[0]).partition("%")[0] if isinstance(sender, tuple) and sender else ""
        ours = message[16:20] == self._secret
        for probe in self.probes.values() if ours else ():
            if probe.lane is lane and probe.to is not None and probe.to[0] == address:
                probe.stream.count("corrupt")
                return
        self.foreign += 1

    def take_errors(self, lane: Lane) -> bool:
        """Empty a datagram socket's error queue; tells whether there was anything."""
        taken = False
        while (queued := lane.take_error()) is not None:
            taken = True
            error = error_type(lane.family, queued.kind, queued.code)
            if error is not None:
                self._blame(lane, queued.destination, queued.sequence, error)
        return taken

    def _blame(self, lane: Lane, destination: str, sequence: int, error: str) -> None:
        """Count an ICMP error at the stream whose request it quotes."""
        for probe in self.probes.values():
            if (
                probe.lane is lane
                and probe.to is not None
                and probe.to[0] == destination
                and probe.stream.failed(sequence, error)
            ):
                return
        self.foreign += 1
