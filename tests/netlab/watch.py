"""A second source: packet counters of the kernel and captures with the kernel's timestamps.

A test that compares a monitor with itself proves nothing.  These two see the same packets by other means: nftables
counts them where they pass, and a packet socket notes when the kernel handed them over.
"""

from __future__ import annotations

import itertools
import json
import select
import socket
import struct
import threading
from typing import TYPE_CHECKING, NamedTuple, Self

from .kernel import SO_TIMESTAMPNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33
SOL_PACKET = 263
PACKET_STATISTICS = 6
_numbers = itertools.count(1)


class Tally(NamedTuple):
    """What a counter has seen."""

    packets: int
    bytes: int


class Counter:
    """An nftables counter in a table of its own; `read()` at any time, gone after the block or `remove()`."""

    def __init__(self, load: Callable[[str], None], listing: Callable[[], str], match: str, hook: str) -> None:
        self._load = load
        self._listing = listing
        self._table = f"count{next(_numbers)}"
        load(
            f"table inet {self._table} {{\n counter seen {{ }}\n chain seen {{\n"
            f"  type filter hook {hook} priority 300; policy accept;\n  {match} counter name seen\n }}\n}}"
        )

    def read(self) -> Tally:
        """Packets and bytes (from the network header on) so far."""
        return tally(self._listing(), self._table, "seen")

    def remove(self) -> None:
        """Stop counting."""
        self._load(f"delete table inet {self._table}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()


def tally(listing: str, table: str, name: str) -> Tally:
    """Find one named counter in the output of `nft -j list counters`."""
    for entry in json.loads(listing)["nftables"]:
        counter = entry.get("counter", {})
        if counter.get("table") == table and counter.get("name") == name:
            return Tally(int(counter["packets"]), int(counter["bytes"]))
    message = f"no counter {name} in table {table}"
    raise LookupError(message)


class Frame(NamedTuple):
    """One captured frame: nanoseconds of the wall clock by the kernel, "in" or "out", the bytes from Ethernet on."""

    timestamp_ns: int
    direction: str
    data: bytes


class Capture:
    """Records while the block lasts; `frames` is complete after it, and may be read before."""

    def __init__(self, interface: str, match: Callable[[bytes], bool] | None = None) -> None:
        self.frames: list[Frame] = []
        self.dropped = 0
        self._match = match
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        except PermissionError:  # inside a user namespace: the largest that is allowed
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._record, name=f"capture {interface}", daemon=True)
        self._thread.start()

    def _record(self) -> None:
        while True:
            ending = self._stop.is_set()  # read first, so that what had arrived before the stop is still drained
            readable, _, _ = select.select([self._socket], [], [], 0.0 if ending else 0.05)
            if not readable:
                if ending:
                    return
                continue
            try:
                data, ancillary, _, address = self._socket.recvmsg(65535, socket.CMSG_SPACE(16))
            except (BlockingIOError, OSError):
                continue
            if self._match is not None and not self._match(data):
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            direction = "out" if address[2] == socket.PACKET_OUTGOING else "in"
            self.frames.append(Frame(seconds * 1_000_000_000 + nanoseconds, direction, data))

    def stop(self) -> list[Frame]:
        """Take what has arrived so far, end, and return all frames."""
        if not self._stop.is_set():
            self._stop.set()
            self._thread.join()
            packets_and_drops = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
            self.dropped = struct.unpack("II", packets_and_drops)[1]
            self._socket.close()
        return self.frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def icmp_echo(frame: bytes) -> tuple[str, int, int] | None:
    """("request" or "reply", identifier, sequence) of an ICMP or ICMPv6 echo without IPv6 extension headers, else None."""
    kind = frame[12:14]
    if kind == b"\x08\x00" and frame[23] == socket.IPPROTO_ICMP:
        start, names = 14 + 4 * (frame[14] & 15), {8: "request", 0: "reply"}
    elif kind == b"\x86\xdd" and frame[20] == socket.IPPROTO_ICMPV6:
        start, names = 54, {128: "request", 129: "reply"}
    else:
        return None
    name = names.get(frame[start])
    return (name, *struct.unpack("!HH", frame[start + 4 : start + 8])) if name else None


def round_trips(frames: Iterable[Frame]) -> dict[tuple[int, int], float]:
    """Seconds from each echo request sent to the first reply received, by (identifier, sequence)."""
    sent: dict[tuple[int, int], int] = {}
    times: dict[tuple[int, int], float] = {}
    for frame in frames:
        echo = icmp_echo(frame.data)
        if echo is None:
            continue
        name, key = echo[0], (echo[1], echo[2])
        if (name, frame.direction) == ("request", "out"):
            sent.setdefault(key, frame.timestamp_ns)
        elif (name, frame.direction) == ("reply", "in") and key in sent and key not in times:
            times[key] = (frame.timestamp_ns - sent[key]) / 1e9
    return times
