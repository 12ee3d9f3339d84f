"""Round trips from clocks that are set while a probe is under way, by table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.roundtrip import jitter, round_trip, settle

MS = 1_000_000
HOUR = 3600 * 1000 * MS


@pytest.mark.parametrize(
    ("wall", "elapsed", "step", "expected", "rtt"),
    [
        (20 * MS, 40 * MS, 0, None, 20 * MS),  # undisturbed; read 20 ms after it came
        (20 * MS, 40 * MS, 300_000, None, 20 * MS),  # readings a little apart are no step
        (20 * MS + HOUR, 40 * MS, HOUR, None, 20 * MS),  # set ahead before the reply came
        (20 * MS, 40 * MS, HOUR, None, 20 * MS),  # set ahead after it came, before it was read
        (20 * MS - HOUR, 40 * MS, -HOUR, None, 20 * MS),  # set back before the reply came
        (20 * MS, 40 * MS, -HOUR, None, 20 * MS),
        (-5 * MS, 40 * MS, -25 * MS, None, 20 * MS),  # a small step back
        (30 * MS, 40 * MS, 10 * MS, 21 * MS, 20 * MS),  # both possible: the one like the last round trip
        (30 * MS, 40 * MS, 10 * MS, 29 * MS, 30 * MS),
        (30 * MS, 40 * MS, 10 * MS, None, 30 * MS),
        (7 * HOUR, 40 * MS, 3 * HOUR, None, 40 * MS),  # set twice: no more than what has passed
        (-HOUR, 40 * MS, 0, None, 40 * MS),  # set there and back
    ],
)
def test_round_trip(wall: int, elapsed: int, step: int, expected: int | None, rtt: int) -> None:
    assert round_trip(wall, elapsed, step, expected) == rtt


@given(st.integers(-(10**18), 10**18), st.integers(0, 10**12), st.integers(-(10**18), 10**18))
def test_neither_negative_nor_longer_than_what_has_passed(wall: int, elapsed: int, step: int) -> None:
    assert 0 <= round_trip(wall, elapsed, step) <= elapsed


@given(st.integers(0, 10**10), st.integers(0, 10**9), st.integers(-(10**17), 10**17), st.sampled_from((0, 1)))
def test_one_step_is_seen_through(rtt: int, waited: int, step: int, before: int) -> None:
    """A step larger than all that has passed leaves one possible answer, whichever side of the reply it fell on."""
    elapsed = rtt + waited
    if abs(step) <= elapsed:
        return
    assert round_trip(rtt + step * before, elapsed, step) == rtt


@pytest.mark.parametrize(
    ("longest", "uncertain", "expected", "rtt"),
    [
        (20 * MS, 20_000, 5 * MS, 20 * MS),  # sent at once: what was measured
        (27 * MS, 7 * MS, 21 * MS, 21 * MS),  # interrupted while sending: within what is possible, the usual
        (27 * MS, 7 * MS, 5 * MS, 20 * MS),
        (27 * MS, 7 * MS, 50 * MS, 27 * MS),
        (27 * MS, 7 * MS, None, 27 * MS),
        (2 * MS, 7 * MS, 1 * MS, 1 * MS),  # on a veth the reply is there before the send returns
    ],
)
def test_interrupted_while_sending(longest: int, uncertain: int, expected: int | None, rtt: int) -> None:
    assert settle(longest, uncertain, expected) == rtt


def test_jitter_follows_rfc_3550() -> None:
    value = 0.0
    for difference in (0.016, -0.016, 0.0):
        value = jitter(value, difference)
    assert value == pytest.approx((0.001 + 0.015 / 16) * 15 / 16)
