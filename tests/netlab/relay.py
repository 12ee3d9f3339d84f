"""Holds frames back: the delay line of a cable.  Run as a script with a JSON object, standard library only.

Kernels without netem leave this to user space.  Two things make it exact.  A frame's age is counted from the kernel's
timestamp of its arrival, so the time until this process woke does not add to the delay; and it wakes a little early
and spins over the rest, because a sleeping process is always late.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import heapq
import json
import os
import random
import select
import socket
import struct
import sys
import time

ETH_P_ALL = 0x0003
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
PR_SET_TIMERSLACK = 29
EARLY = 400_000  # ns spun before a departure: an idle processor takes that long to be itself again
LIMIT = 20_000  # frames held at most; what comes on top is dropped, as a full router does


class Line:
    """What happens to each frame, decided from random numbers alone; no sockets, no clock."""

    def __init__(self, plan: dict[str, float | str | bool | None]) -> None:
        self.delay = float(plan.get("delay") or 0.0)
        self.jitter = float(plan.get("jitter") or 0.0)
        self.distribution = str(plan.get("distribution") or "uniform")
        self.reorder = bool(plan.get("reorder"))
        self.corrupt = float(plan.get("corrupt") or 0.0)
        self.duplicate = float(plan.get("duplicate") or 0.0)
        self.bad = float(plan.get("burst_start") or 0.0)  # chance that a burst of losses starts, per frame
        self.good = float(plan.get("burst_end") or 1.0)  # chance that it ends
        self.losing = False
        self.latest = 0
        seed = plan.get("seed")
        self.random = random.Random(int(seed) if isinstance(seed, (int, float)) else None)

    def departures(self, arrived: int, frame: bytes) -> list[tuple[int, bytes]]:
        """When (ns) and as what a frame that arrived at `arrived` leaves; empty when it is lost."""
        chance = self.random.random
        if self.bad:
            self.losing = chance() >= self.good if self.losing else chance() < self.bad
            if self.losing:
                return []
        due = arrived + int(self._hold() * 1e9)
        if not self.reorder:
            due = max(due, self.latest)
            self.latest = due
        if self.corrupt and chance() < self.corrupt:
            frame = self._spoil(frame)
        copies = 2 if self.duplicate and chance() < self.duplicate else 1
        return [(due, frame)] * copies

    def _hold(self) -> float:
        if not self.jitter:
            return self.delay
        if self.distribution == "normal":
            return max(0.0, self.random.gauss(self.delay, self.jitter))
        if self.distribution == "pareto":  # a long tail upwards whose mean excess is the jitter
            return self.delay + self.jitter * (self.random.paretovariate(3.0) - 1.0) * 2.0
        return max(0.0, self.delay + self.random.uniform(-self.jitter, self.jitter))

    def _spoil(self, frame: bytes) -> bytes:
        """Flip one bit behind the network header, so that a checksum and not a router notices."""
        start = 14 + (40 if frame[12:14] == b"\x86\xdd" else 20)
        if len(frame) <= start:
            return frame
        copy = bytearray(frame)
        copy[self.random.randrange(start, len(copy))] ^= 1 << self.random.randrange(8)
        return bytes(copy)


def main() -> None:
    """Move frames from the interface `source` to the interface `sink` until killed."""
    plan = json.loads(sys.argv[1])
    line = Line(plan)
    inward = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        inward.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    except PermissionError:
        inward.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
    inward.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    inward.bind((plan["source"], ETH_P_ALL))
    inward.settimeout(0)
    outward = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    outward.bind((plan["sink"], 0))
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(OSError):  # refused inside a user namespace; only a busy machine shows the difference
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    gc.disable()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    pump(line, inward, outward)


def pump(line: Line, inward: socket.socket, outward: socket.socket) -> None:
    """Read what has arrived, send what is due, sleep until either happens again."""
    held: list[tuple[int, int, bytes]] = []
    number = 0
    room = socket.CMSG_SPACE(16)
    clock = time.monotonic_ns
    while True:
        wait = (held[0][0] - EARLY - clock()) / 1e9 if held else None
        if wait is None or wait > 0:
            select.select([inward], [], [], wait)
        for _ in range(64):
            try:
                frame, ancillary, _, address = inward.recvmsg(65535, room)
            except OSError:  # nothing more, or the interface is down
                break
            if address[2] == socket.PACKET_OUTGOING or len(held) >= LIMIT:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            age = time.time_ns() - (seconds * 1_000_000_000 + nanoseconds)
            arrived = clock() - min(max(age, 0), 100_000_000)
            for due, data in line.departures(arrived, frame):
                number += 1
                heapq.heappush(held, (due, number, data))
        while held and held[0][0] - EARLY <= clock():
            due, _, data = heapq.heappop(held)
            while clock() < due:
                pass
            with contextlib.suppress(OSError):  # no carrier, or the queue behind is full: lost, as on a real cable
                outward.send(data)


if __name__ == "__main__":
    main()
