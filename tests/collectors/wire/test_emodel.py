"""The E-model against figures of ITU-T G.107 and of the literature."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.emodel import delay_impairment, equipment_impairment, mos, mouth_to_ear, rating


@pytest.mark.parametrize(("r", "score"), [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)])
def test_mos_of_r(r: float, score: float) -> None:
    """G.107 Annex B, table B.1 (limits of the classes of user satisfaction)."""
    assert mos(r) == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize(("r", "score"), [(-20, 1.0), (0, 1.0), (100, 4.5), (130, 4.5)])
def test_mos_is_clamped(r: float, score: float) -> None:
    assert mos(r) == score


@pytest.mark.parametrize(("delay", "impairment", "tolerance"), [(0.0, 0, 0), (0.1, 2.4, 0.7), (0.2, 7.3, 3.5), (0.4, 34.1, 4)])
def test_delay(delay: float, impairment: float, tolerance: float) -> None:
    """The linear approximation of Cole and Rosenbluth (2001), 0.024 d + 0.11 (d - 177.3), at points where it is near."""
    assert delay_impairment(delay) == pytest.approx(impairment, abs=tolerance)


def test_loss() -> None:
    """G.107 (7-29) with Bpl 25.1: a loss of Bpl percent costs half of 95."""
    assert equipment_impairment(0.251) == pytest.approx(47.5)
    assert equipment_impairment(0.0) == 0


def test_one_way_delay_is_half_the_round_trip_a_packet_and_a_buffer() -> None:
    assert mouth_to_ear(0.100, 0.005) == pytest.approx(0.050 + 0.020 + 0.010)


@given(st.floats(0, 5), st.floats(0, 2), st.floats(0, 1))
def test_never_outside_the_scale_and_never_better_with_more_loss(rtt: float, jitter: float, loss: float) -> None:
    score = mos(rating(rtt, jitter, loss))
    assert 1.0 <= score <= 4.5
    assert mos(rating(rtt, jitter, min(1.0, loss + 0.1))) <= score + 1e-9
    assert mos(rating(rtt + 0.1, jitter, loss)) <= score + 1e-6
