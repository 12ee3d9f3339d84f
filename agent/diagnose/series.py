"""A series of probes long enough to judge loss, and what it says."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from agent.diagnose.graph import Outcome, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import JITTER_HIGH_SECONDS, LOSS_FOUND, LOSS_PROBES, RTT_SLOW_SECONDS, interval
from agent.diagnose.words import milliseconds, percent
from collectors.probe.icmp_stream import Window
from collectors.site import Uplink

QUICK_PROBES = 5
SERIES_PROBES = 120
SERIES_INTERVAL = 0.035
SERIES_TIMEOUT = 1.5
SURELY_LOSSY = 0.01
"""Loss below `LOSS_FOUND` is told when the lower end of its interval is above this."""


async def series(ground: Ground, address: str, uplink: Uplink) -> Window:
    """At least 100 probes in about five seconds."""
    burst = await ground.pinger.ping(
        address, SERIES_PROBES, interval=SERIES_INTERVAL, timeout=SERIES_TIMEOUT, interface=uplink.interface
    )
    return burst.window


def pooled(windows: Sequence[Window]) -> list[Window]:
    """Series over the same line taken together where they tell of the same loss: twice the probes, half the chance.

    Where they differ, one of them tells of the way to its own target, and each stays as it is.
    """
    sent, received = sum(one.sent for one in windows), sum(one.received for one in windows)
    spreads = [interval(one.sent - one.received, one.sent) for one in windows]
    if max((low for low, _ in spreads), default=0.0) > min((high for _, high in spreads), default=1.0):
        return list(windows)
    return [one._replace(sent=sent, received=received) for one in windows]


def judge_series(
    window: Window, subject: str, *, lossy: str, facts: Mapping[str, str], slow: str | None = None, jittery: str | None = None
) -> Outcome:
    """Loss with its 95 % interval, delay and jitter of a series, as suspects of the named codes."""
    if window.sent < LOSS_PROBES:
        return Outcome(Status.SKIP, f"{window.sent} probes")
    lost = window.sent - window.received
    low, high = interval(lost, window.sent)
    spread = f"{percent(low)}-{percent(high)}"
    data = {"sent": window.sent, "received": window.received, "loss_interval": [round(low, 4), round(high, 4)]}
    details = [f"{percent(lost / window.sent)} loss"]
    suspects = []
    if lost / window.sent >= LOSS_FOUND:
        suspects.append(Suspect(lossy, subject, {**facts, "loss": percent(lost / window.sent), "interval": spread}))
    elif low > SURELY_LOSSY:
        suspects.append(Suspect(lossy, subject, {**facts, "loss": percent(lost / window.sent), "interval": spread}, "warning"))
    if window.rtts:
        middle = statistics.median(window.rtts)
        variation = _variation(window)
        data |= {"rtt_seconds": round(middle, 6), "jitter_seconds": round(variation, 6)}
        details.append(f"{milliseconds(middle)} ±{milliseconds(variation)}")
        if slow and middle > RTT_SLOW_SECONDS:
            suspects.append(Suspect(slow, subject, {**facts, "rtt": milliseconds(middle)}))
        if jittery and variation > JITTER_HIGH_SECONDS:
            suspects.append(Suspect(jittery, subject, {**facts, "jitter": milliseconds(variation)}))
    status = Status.FAIL if suspects else Status.WARN if lost else Status.PASS
    return Outcome(status, ", ".join(details), data, tuple(suspects), holds=True)


def _variation(window: Window) -> float:
    """The larger of RFC 3550's mean difference and half the span from the 10th to the 90th percentile.

    Probes that follow each other fast queue behind one another, which hides jitter from the first alone.
    """
    if len(window.rtts) < 10:
        return window.jitter or 0.0
    ranks = statistics.quantiles(window.rtts, n=10)
    return max(window.jitter or 0.0, (ranks[-1] - ranks[0]) / 2)
