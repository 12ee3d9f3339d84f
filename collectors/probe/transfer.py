"""What every throughput test shares: its limits, its result, and the rate that a series of samples shows."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from collectors.machine import Clock
from collectors.probe.sockets import Fault
from collectors.wire.tcpinfo import HEADERS, LENGTH, TCP_INFO, TcpInfo, parse_tcp_info

RAMP_SECONDS = 2.0
RAMP_SHARE = 0.25
"""The beginning that is left out of the rate: two seconds, at most a quarter of the test. TCP still looks for its pace then, and
where a deep queue has overflowed for the first time, a second's worth waits behind the gap and arrives at once."""
SAMPLE_SECONDS = 0.05
WIRE_OVERHEAD = 1.08
"""Octets on the wire per octet of payload: headers of full segments 4.6 %, acknowledgements 2.3 %, TLS records 0.5 %."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a transfer in one direction ends: after `seconds`, or after `octets` of payload, whichever comes first."""

    seconds: float
    octets: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer in one direction.

    Attributes:
        rate: payload octets per second once TCP had found its pace; None when it was not measured.
        moved: payload octets in all, also of a transfer that failed.
        fault: why there is no rate.
        tcp: our kernel's figures at the end, None where it gives none.
        server: the server's own TCP_INFO figures (ndt7), times in microseconds.
    """

    rate: float | None
    moved: int
    fault: Fault | None = None
    tcp: TcpInfo | None = None
    server: dict[str, float] = field(default_factory=dict)

    @property
    def carried(self) -> int:
        """Octets on the wire: by payload, or more where the kernel counted more, since a full queue makes segments travel twice."""
        tcp, counted = self.tcp, 0
        if tcp is not None and tcp.bytes_sent is not None:
            counted = (tcp.bytes_received or 0) + tcp.bytes_sent + HEADERS * (tcp.segments_in + tcp.segments_out)
        return max(int(self.moved * WIRE_OVERHEAD), counted)


class Meter:
    """Samples of how much has been moved when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: list[tuple[float, int]] = []

    @property
    def moved(self) -> int:
        """Octets since the first sample."""
        return self._samples[-1][1] - self._samples[0][1] if self._samples else 0

    @property
    def seconds(self) -> float:
        """Since the first sample, up to now."""
        return self._clock.monotonic() - self._samples[0][0] if self._samples else 0.0

    def sample(self, total: int) -> None:
        """Note a running total; totals within `SAMPLE_SECONDS` of each other take one place."""
        now = self._clock.monotonic()
        if len(self._samples) > 1 and now - self._samples[-2][0] < SAMPLE_SECONDS:
            self._samples[-1] = (now, total)
        else:
            self._samples.append((now, total))

    def rate(self) -> float | None:
        """Octets per second after the ramp; None without two samples that differ."""
        if len(self._samples) < 2:
            return None
        (begin, _), (end, last) = self._samples[0], self._samples[-1]
        ramp = begin + min(RAMP_SECONDS, RAMP_SHARE * (end - begin))
        first = next((sample[0] for sample in self._samples if sample[0] >= ramp), begin)
        # After a gap was filled, all that waited behind it arrives at once: it belongs to the time before.
        at, count = [sample for sample in self._samples if sample[0] <= first + 2 * SAMPLE_SECONDS][-1]
        if end <= at:
            at, count = self._samples[0]
        return (last - count) / (end - at) if end > at and last > count else None


def tcp_info(channel: socket.socket | None) -> TcpInfo | None:
    """The kernel's figures of a connection; None where there are none (not Linux, or closed)."""
    if channel is None or sys.platform != "linux":
        return None
    try:
        return parse_tcp_info(channel.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LENGTH))
    except OSError:
        return None


def acknowledged(channel: socket.socket | None, handed_over: Callable[[], int]) -> int:
    """Octets that have arrived at the peer by what it confirms; where the kernel does not tell, those handed over to it."""
    info = tcp_info(channel)
    return handed_over() if info is None or info.delivered is None else info.delivered


def arrived(taken: int, info: TcpInfo | None, cut_at: float | None = None) -> int:
    """Octets that came in on a connection: those taken from it, or more where the kernel holds what nobody read.

    Where we closed it while the peer sent at `cut_at` octets per second, what was on its way comes in too: a round trip's worth.
    """
    if info is None:
        return taken
    return max(taken, info.bytes_received or 0) + int((cut_at or 0.0) * max(info.rtt, info.receive_rtt))
