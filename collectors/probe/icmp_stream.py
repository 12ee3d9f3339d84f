"""What is known of one pinged address: running totals, and the last results for a look back.

A stream is written by the `Pinger` alone and read by any number of collectors; readers take totals and differences,
so that nobody resets what another counts.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from collectors.model import Reason
from collectors.wire.roundtrip import RTT_BUCKETS, SLOW_SEND, STEP_TOLERANCE, jitter, round_trip, settle

UP_PROBES = 3
"""Up means an answer among so many probes."""
SMALLEST_RING = 128
"""Results that are looked back on at the least; loss is judged from 100."""

UNKNOWABLE = frozenset({Reason.NO_PERMISSION, Reason.NOT_SUPPORTED})
"""Reasons for not sending that say nothing about the target."""

WAITING = -1.0
ERROR = -2.0
NANO = 1e-9


class Window(NamedTuple):
    """The probes of a time span whose outcome is known.

    Attributes:
        sent: how many were answered, timed out or drew an ICMP error; those still under way do not count.
        received: how many were answered in time.
        rtts: round trips in seconds, in the order of sending.
    """

    sent: int
    received: int
    rtts: tuple[float, ...]

    @property
    def loss(self) -> float | None:
        """Share of probes without an answer; None without probes."""
        return (self.sent - self.received) / self.sent if self.sent else None

    @property
    def rtt(self) -> float | None:
        """Mean round trip in seconds; None without answers."""
        return math.fsum(self.rtts) / len(self.rtts) if self.rtts else None

    @property
    def jitter(self) -> float | None:
        """Mean difference of successive round trips in seconds, to which the jitter of RFC 3550 tends; None below two answers."""
        differences = [abs(later - earlier) for earlier, later in pairwise(self.rtts)]
        return math.fsum(differences) / len(differences) if differences else None


class Stream:
    """One address probed by one way at one pace.

    Attributes:
        host: the address or name that is watched; `address` is what it is at present, None while unknown.
        interval, timeout: seconds between probes and seconds within which an answer counts.
        sent, received, errors: totals; `errors` by type (`collectors.wire.icmp.ERROR_TYPES`, and `late`,
            `duplicate`, `corrupt`, `send_failed`).
        buckets, rtt_sum: histogram of the answers' round trips, the last bucket is beyond `RTT_BUCKETS`.
        jitter: RFC 3550 jitter in seconds, None before the second answer.
        up: an answer among the last three probes; None until that is known.
        reason, detail: what keeps it from sending, None while it sends.
        ended: it has sent all that it was to send.
        changed: called whenever `up` changes.
    """

    __slots__ = (
        "_lag",
        "_mask",
        "_misses",
        "_rtts",
        "_sent_mono",
        "_sent_slack",
        "_sent_wall",
        "_timeout_ns",
        "address",
        "buckets",
        "changed",
        "detail",
        "ended",
        "errors",
        "family",
        "host",
        "interface",
        "interval",
        "jitter",
        "last_rtt",
        "next",
        "reason",
        "received",
        "rtt_sum",
        "sent",
        "timeout",
        "up",
    )

    def __init__(self, host: str, interface: str | None, interval: float, timeout: float, remember: int = 0) -> None:
        self.host = host
        self.interface = interface
        self.interval = interval
        self.timeout = timeout
        self.address: str | None = None
        self.family = 0
        self.reason: Reason | None = None
        self.detail = ""
        self.sent = 0
        self.received = 0
        self.errors: dict[str, int] = {}
        self.buckets = [0] * (len(RTT_BUCKETS) + 1)
        self.rtt_sum = 0.0
        self.jitter: float | None = None
        self.last_rtt: float | None = None
        self.up: bool | None = None
        self.changed: list[Callable[[], None]] = []
        self.ended = False
        self.next = 0
        size = 1 << (max(SMALLEST_RING, remember + 1, math.ceil(timeout / interval) + 8) - 1).bit_length()
        self._mask = size - 1
        self._rtts = array("d", [ERROR]) * size
        self._sent_wall = array("q", [0]) * size
        self._sent_mono = array("q", [0]) * size
        self._sent_slack = array("q", [0]) * size
        self._timeout_ns = int(timeout * 1e9)
        self._misses = 0
        self._lag = 1

    def count(self, error: str) -> None:
        """Count an error."""
        self.errors[error] = self.errors.get(error, 0) + 1

    def sending(self, wall: int, monotonic: int, slack: int = 0) -> None:
        """Probe number `next` left at this moment of both clocks, or up to `slack` later (nanoseconds)."""
        number = self.next
        slot = number & self._mask
        self._rtts[slot] = WAITING
        self._sent_wall[slot] = wall
        self._sent_mono[slot] = monotonic
        self._sent_slack[slot] = slack
        self.next = number + 1 & 0xFFFFFFFF
        self.sent += 1
        if self.sent > self._lag:
            if self._rtts[number - self._lag & self._mask] >= 0:
                self._misses = 0
            else:
                self._misses += 1
                if self._misses == UP_PROBES and self.up is not False:
                    self._turn(up=False)

    def unsent(self, error: str) -> None:
        """The probe just counted could not leave: it is lost at once, as a cable that is out loses everything."""
        self._rtts[self.next - 1 & self._mask] = ERROR
        self.count(error)

    def answered(self, number: int, received: int, wall: int, monotonic: int) -> None:
        """A reply to probe `number` came at `received` and is read at `wall` and `monotonic` (nanoseconds)."""
        age = self.next - number & 0xFFFFFFFF
        if not 0 < age <= self._mask or age > self.sent:
            self.count("late")
            return
        slot = number & self._mask
        if self._rtts[slot] >= 0:
            self.count("duplicate")
            return
        nanoseconds = received - self._sent_wall[slot]
        elapsed = monotonic - self._sent_mono[slot]
        step = wall - self._sent_wall[slot] - elapsed
        if not (0 <= nanoseconds <= elapsed and -STEP_TOLERANCE <= step <= STEP_TOLERANCE and self._sent_slack[slot] < SLOW_SEND):
            expected = None if self.last_rtt is None else int(self.last_rtt * 1e9)
            nanoseconds = settle(round_trip(nanoseconds, elapsed, step, expected), self._sent_slack[slot], expected)
        if nanoseconds > self._timeout_ns:
            self.count("late")
            return
        rtt = nanoseconds * NANO
        self._rtts[slot] = rtt
        self.received += 1
        self.rtt_sum += rtt
        self.buckets[bisect_left(RTT_BUCKETS, rtt)] += 1
        last = self.last_rtt
        if last is not None:
            self.jitter = jitter(self.jitter or 0.0, rtt - last)
        self.last_rtt = rtt
        if rtt > 0.5 * self.interval or self._lag > 1:
            # A path longer than the interval always has probes under way: they are not missing yet.
            self._lag = max(1, math.ceil(2 * rtt / self.interval))
        if age <= UP_PROBES + self._lag:
            self._misses = 0
            if self.up is not True:
                self._turn(up=True)

    def failed(self, sequence: int, error: str) -> bool:
        """An ICMP error about the probe whose low 16 bits are `sequence`; False when it is not ours or answered."""
        age = self.next - sequence & 0xFFFF
        if not 0 < age <= min(self._mask, self.sent):
            return False
        slot = self.next - age & self._mask
        if self._rtts[slot] != WAITING:
            return False
        self._rtts[slot] = ERROR
        self.count(error)
        return True

    @property
    def misses(self) -> int:
        """Probes in a row without an answer, up to the last one that had its time."""
        return self._misses

    def silent(self, reason: Reason, detail: str) -> None:
        """Nothing can be sent, and why: that is down as well, unless it is us who cannot measure."""
        before, up = self.up, None if reason in UNKNOWABLE else False
        changed = before is not up or self.reason is not reason
        self.reason, self.detail = reason, detail
        if changed:
            self._turn(up=up)

    def conclude(self, now: int) -> None:
        """Say whether it is up from what is known at `now`, where no further probe will tell."""
        window = self.recent(math.inf, now)
        if self.up is None and window.sent >= UP_PROBES:
            self._turn(up=window.received > 0)

    def _turn(self, *, up: bool | None) -> None:
        self.up = up
        for call in tuple(self.changed):
            call()

    def recent(self, seconds: float, now: int) -> Window:
        """The probes sent within the last `seconds` (as far back as the ring reaches) whose outcome is known at `now`.

        `now` is in nanoseconds of the pinger's monotonic clock.
        """
        rtts: list[float] = []
        lost = 0
        oldest = now - seconds * 1e9
        for age in range(1, min(self._mask, self.sent) + 1):
            slot = self.next - age & self._mask
            moment = self._sent_mono[slot]
            if moment < oldest:
                break
            rtt = self._rtts[slot]
            if rtt >= 0:
                rtts.append(rtt)
            elif rtt == ERROR or now - moment > self._timeout_ns:
                lost += 1
        return Window(len(rtts) + lost, len(rtts), tuple(reversed(rtts)))
