"""ICMP echo to any number of addresses over one socket per address family and way out.

Nothing here happens per reply: probes leave in small batches on a tick, spread over the interval by a hash of the
address, and the tick before each batch reads what has arrived. The kernel stamps replies as they come in, so that
reading them late, even after the event loop was busy, does not lengthen a round trip. The tick adapts to the number
of targets, which keeps the cost of a ping flat (docs/adr/010-ping-engine.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import heapq
import math
import random
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.model import Reason
from collectors.probe.icmp_lanes import Lanes, Probe
from collectors.probe.icmp_reader import Reader
from collectors.probe.icmp_socket import Lane
from collectors.probe.icmp_stream import Stream, Window
from collectors.probe.names import is_address, resolve
from collectors.wire.icmp import number_request, stamp

BATCH = 600.0
"""Probes per tick at one a second; at more a batch shrinks with the square root of their rate, 27 at 500 a second, 13 at
2,000: a processor that is woken more often is woken warmer, and many large batches would be bursts on a thin line."""
FASTEST_TICK = 0.002
SLOWEST_TICK = 0.500
SETTLE_BURST = 0.010
"""How soon replies are read when somebody waits for a burst."""
RENEW_AFTER = 60.0
"""Without an answer for so long a target gets a new identifier: some firewalls go on blocking one they have seen."""
RENEW_MISSES = 3
"""... and after this many probes at the least."""
RESOLVE_INTERVAL = 60.0
RESOLVE_RETRY = 5.0
_BUSY = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM})


@dataclass(slots=True)
class Burst:
    """The outcome of a series of pings.

    Attributes:
        address: where they went; None when the name was not resolved.
        window: the probes and their round trips.
        errors: ICMP errors and unusable replies, by type.
        reason, detail: what kept it from being sent, None when it was sent.
    """

    address: str | None
    window: Window
    errors: dict[str, int] = field(default_factory=dict)
    reason: Reason | None = None
    detail: str = ""


class Pinger:
    """The process's one engine for ICMP echo; streams are shared by all who watch the same address by the same way.

    Args:
        wall: CLOCK_REALTIME in nanoseconds, as the kernel stamps replies.
        monotonic: a clock in nanoseconds that nobody sets.
        datagram: force datagram or raw sockets; None takes what is allowed, datagram first.
    """

    def __init__(
        self,
        wall: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], int] = time.monotonic_ns,
        *,
        datagram: bool | None = None,
    ) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._secret = random.SystemRandom().getrandbits(32)
        self._reader = Reader(wall, monotonic, self._secret)
        self._probes = self._reader.probes
        self._lanes = Lanes(datagram=datagram)
        self._shared: dict[tuple[object, ...], Probe] = {}
        self._of: dict[Stream, Probe] = {}
        self._due: list[tuple[float, int]] = []
        self._gap: float | None = None
        self._bursts = 0
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._at = 0.0
        self._names: dict[tuple[str, int], _Name] = {}

    @property
    def now(self) -> int:
        """The moment for `Stream.recent`, in nanoseconds."""
        return self._monotonic()

    @property
    def foreign(self) -> int:
        """Packets that were no reply of any stream: of other programs, forged or too corrupt to tell."""
        return self._reader.foreign

    def watch(
        self,
        host: str,
        *,
        interface: str | None = None,
        source: str | None = None,
        interval: float = 1.0,
        timeout: float = 3.0,
        family: int = 0,
    ) -> Stream:
        """Probe an address or name from now on, until `unwatch`; the same arguments share one stream.

        Never raises for the network or for missing rights: `Stream.reason` tells. Must be called in the event loop.
        """
        key = (host, interface, source, float(interval), float(timeout), family)
        probe = self._shared.get(key)
        if probe is not None:
            probe.users += 1
            return probe.stream
        probe = self._shared[key] = self._add(Stream(host, interface, interval, timeout), key, source)
        phase = zlib.crc32(f"{host}/{interface}/{source}".encode()) / 2**32
        now = asyncio.get_running_loop().time()
        probe.due = now + (phase - now / interval) % 1.0 * interval
        if is_address(host):
            self._lanes.point(probe, host)
        else:
            probe.stream.reason, probe.stream.detail = Reason.NAME_UNRESOLVED, f"{host} has not been resolved yet"
            name = self._names.get((host, family))
            if name is None:
                name = self._names[host, family] = _Name(self._lanes, host, family)
            name.add(probe)
        self._begin(probe)
        return probe.stream

    def _add(self, stream: Stream, key: tuple[object, ...], source: str | None) -> Probe:
        index = self._count = self._count + 1 & 0xFFFFFFFF
        probe = Probe(stream, key, index, self._secret << 32 | random.getrandbits(32), source)
        stream.next = random.getrandbits(16)
        self._probes[index] = self._of[stream] = probe
        self._gap = None
        return probe

    def _begin(self, probe: Probe) -> None:
        heapq.heappush(self._due, (probe.due, probe.index))
        self._schedule(probe.due)

    def unwatch(self, stream: Stream) -> None:
        """Stop probing for one of those who watch; the last one ends the stream."""
        probe = self._of.get(stream)
        if probe is None:
            return
        probe.users -= 1
        if not probe.users:
            self._remove(probe)

    def limit(self, stream: Stream, count: int) -> None:
        """Send no more than `count` probes on a stream, all that were sent included; `Stream.ended` tells."""
        probe = self._of.get(stream)
        if probe is not None and probe.left < 0:
            probe.left = max(0, count - stream.sent)
            stream.ended = not probe.left

    def _remove(self, probe: Probe) -> None:
        self._shared.pop(probe.key, None)
        self._probes.pop(probe.index, None)
        self._of.pop(probe.stream, None)
        self._gap = None
        self._lanes.leave(probe)
        for key, name in list(self._names.items()):
            if key[0] == probe.stream.host and name.remove(probe):
                del self._names[key]

    async def ping(
        self,
        host: str,
        count: int = 5,
        *,
        interval: float = 0.2,
        timeout: float = 1.0,  # noqa: ASYNC109  of each probe
        interface: str | None = None,
        source: str | None = None,
        family: int = 0,
    ) -> Burst:
        """Send a series of probes from now on and wait for its outcome.

        Takes `(count - 1) * interval` and until the last answer or `timeout`, longer on a busy event loop, and up to 5 s
        to resolve a name.
        """
        try:
            addresses = await resolve(host, family)
        except (OSError, TimeoutError) as error:
            return Burst(None, Window(0, 0, ()), {}, Reason.NAME_UNRESOLVED, _unresolved(host, error))
        loop = asyncio.get_running_loop()
        stream = Stream(addresses[0], interface, interval, timeout, remember=count)
        probe = self._add(stream, (object(),), source)
        probe.left, probe.due = count, loop.time()
        self._lanes.point(probe, addresses[0])
        self._bursts += 1
        try:
            self._begin(probe)
            last = probe.due + 2 * (count - 1) * interval + timeout + 1.0  # a busy loop skips turns
            while stream.reason is None and loop.time() < last:
                await asyncio.sleep(SETTLE_BURST)
                if not probe.left and stream.recent(math.inf, self.now).sent == stream.sent:
                    break
            return Burst(stream.address, stream.recent(math.inf, self.now), dict(stream.errors), stream.reason, stream.detail)
        finally:
            self._bursts -= 1
            self._remove(probe)

    async def close(self) -> None:
        """Close all sockets and end all lookups."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for name in self._names.values():
            name.cancel()
        self._names.clear()
        self._lanes.close()
        self._probes.clear()
        self._of.clear()
        self._shared.clear()
        self._due.clear()

    # The tick.

    def _schedule(self, when: float) -> None:
        if self._timer is not None:
            if when >= self._at:
                return
            self._timer.cancel()
        self._at = when
        self._timer = asyncio.get_running_loop().call_at(when, self._tick)

    def _tick(self) -> None:
        """Read what has arrived, send what is due, and find when to do so again."""
        self._timer = None
        for lane in self._lanes:
            self._reader.drain(lane)
        due, find, now = self._due, self._probes.get, asyncio.get_running_loop().time()
        sent = False
        while due and due[0][0] <= now:
            probe = find(due[0][1])
            if probe is None or not probe.left:
                heapq.heappop(due)
                continue
            sent = self._send(probe, now) or sent
            probe.due += probe.period
            if probe.due <= now:  # the loop was held up: the missed turns are not made up for in a burst
                probe.due += (1 + (now - probe.due) // probe.period) * probe.period
            heapq.heapreplace(due, (probe.due, probe.index))
        if self._probes:
            gap = self._pace() if self._gap is None else self._gap
            if self._bursts:
                self._schedule(now + min(gap, SETTLE_BURST))
            elif sent:
                self._schedule(now + gap)
            elif due:
                self._schedule(max(now + gap, due[0][0]))

    def _pace(self) -> float:
        """Seconds between ticks: a batch each time, but twice per interval of the fastest stream."""
        periods = [probe.period for probe in self._probes.values()]
        batch = BATCH / math.fsum(1 / period for period in periods) ** 1.5
        self._gap = min(SLOWEST_TICK, max(FASTEST_TICK, batch), min(periods) / 2)
        return self._gap

    def _send(self, probe: Probe, now: float) -> bool:
        stream, to = probe.stream, probe.to
        if to is None:
            return False
        lane = probe.lane or self._lanes.join(probe, now)
        if lane is None:
            return False
        number = stream.next
        if lane.verify:
            stamp(probe.packet, probe.rest, lane.identifier, number)
        else:
            number_request(probe.packet, 6, number & 0xFFFF, number)
        if probe.left > 0:
            probe.left -= 1
            stream.ended = not probe.left
        monotonic = self._monotonic()
        wall = self._wall()
        try:
            lane.socket.sendto(probe.packet, to)
        except OSError as error:
            self._refused(probe, lane, error.errno or 0)
            return True
        stream.sending(wall, monotonic, self._monotonic() - monotonic)
        misses = stream.misses
        if misses and misses % max(RENEW_MISSES, int(RENEW_AFTER / stream.interval)) == 0:
            self._lanes.renew(probe)
            for key, name in self._names.items():
                if key[0] == stream.host:
                    name.wake()
        return True

    def _refused(self, probe: Probe, lane: Lane, error: int) -> None:
        """The kernel did not take a probe: an earlier one's ICMP error is told here, or there is no way out at present."""
        stream = probe.stream
        if error in _BUSY:
            stream.count("send_failed")
            return
        monotonic, wall = self._monotonic(), self._wall()
        if lane.datagram and probe.to is not None and self._reader.take_errors(lane):
            with contextlib.suppress(OSError):
                lane.socket.sendto(probe.packet, probe.to)
                stream.sending(wall, monotonic)
                return
        stream.sending(wall, monotonic)
        stream.unsent("send_failed")
        if not lane.is_current:
            self._lanes.reopen(lane, self._probes.values())


class _Name:
    """Resolves a name again and again: every minute, soon after a failure, and when its target falls silent."""

    def __init__(self, lanes: Lanes, host: str, family: int) -> None:
        self._lanes = lanes
        self._host = host
        self._family = family
        self._probes: set[Probe] = set()
        self._addresses: list[str] = []
        self._woken = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"ping/resolve/{host}")

    def add(self, probe: Probe) -> None:
        """Keep a probe's address up to date."""
        self._probes.add(probe)
        if self._addresses:
            self._lanes.point(probe, self._addresses[0])

    def remove(self, probe: Probe) -> bool:
        """Forget a probe; tells whether it was the last one and the lookups have ended."""
        self._probes.discard(probe)
        if not self._probes:
            self.cancel()
        return not self._probes

    def wake(self) -> None:
        """Look it up again soon."""
        self._woken.set()

    def cancel(self) -> None:
        """End the lookups."""
        self._task.cancel()

    async def _follow(self) -> None:
        while True:
            self._woken.clear()
            pause = RESOLVE_INTERVAL
            try:
                self._addresses = await resolve(self._host, self._family)
            except (OSError, TimeoutError) as error:
                pause = RESOLVE_RETRY
                for probe in self._probes:
                    if probe.to is None:
                        probe.stream.silent(Reason.NAME_UNRESOLVED, _unresolved(self._host, error))
            else:
                for probe in self._probes:
                    if probe.stream.address not in self._addresses:
                        self._lanes.point(probe, self._addresses[0])
            await asyncio.sleep(RESOLVE_RETRY)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), pause - RESOLVE_RETRY)


def _unresolved(host: str, error: BaseException) -> str:
    said = "the resolver did not answer" if isinstance(error, TimeoutError) else getattr(error, "strerror", None) or str(error)
    return f"{host} cannot be resolved: {said}"
