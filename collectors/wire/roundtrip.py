"""Round-trip times from clock readings: which difference to believe when a clock was set, and how much they vary.

The kernel stamps a reply with the wall clock, which may be set while the probe is under way. The monotonic clock,
read beside it, tells how much it was set by and how long the round trip can have been at most.
"""

from __future__ import annotations

RTT_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.3, 0.6, 1.0, 3.0)
"""Upper bounds in seconds of the round-trip histogram."""
STEP_TOLERANCE = 1_000_000
"""Nanoseconds between two readings of the same clocks that are no step: the process was interrupted between them."""
SLOW_SEND = 300_000
"""Nanoseconds beyond which sending took so long that the process must have been interrupted."""


def round_trip(wall: int, elapsed: int, step: int, expected: int | None = None) -> int:
    """The round trip in nanoseconds, never negative and never longer than what has passed.

    Args:
        wall: the kernel's receive timestamp less the wall clock at sending.
        elapsed: monotonic time from sending until the reply was read; the reply may have waited to be read.
        step: by how much the wall clock was set in between (change of wall less monotonic).
        expected: an earlier round trip of the same target, to choose when both readings are possible.

    The clock was set either after the reply arrived (then `wall` is right) or before (then `wall - step`).
    """
    if -STEP_TOLERANCE <= step <= STEP_TOLERANCE and 0 <= wall <= elapsed:
        return wall
    possible = [one for one in (wall, wall - step) if 0 <= one <= elapsed]
    if not possible:  # set more than once: what has passed is all that is known
        return max(0, elapsed)
    if expected is None:
        return possible[0]
    return min(possible, key=lambda one: abs(one - expected))


def settle(longest: int, uncertain: int, expected: int | None) -> int:
    """The round trip when it is not known when within `uncertain` nanoseconds the probe left.

    The process may be interrupted between reading the clock and handing the packet to the network, or just after; on a
    busy computer that happens to one probe in a hundred. The truth is between `longest - uncertain` and `longest`: an
    earlier round trip within that range is the best estimate, else the nearer end of it.
    """
    if uncertain < SLOW_SEND or expected is None:
        return longest
    return min(longest, max(expected, longest - uncertain, 0))


def jitter(before: float, difference: float) -> float:
    """Interarrival jitter after one more difference of transit times, in their unit (RFC 3550, section 6.4.1)."""
    return before + (abs(difference) - before) / 16
