"""Columns: in order, each time once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.forward.samples import Batch, Description, in_order, merge


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(allow_nan=False))))
def test_times_ascend_and_the_later_written_value_counts(pairs: list[tuple[int, float]]) -> None:
    times, values = in_order([time for time, _ in pairs], [value for _, value in pairs])
    assert times == sorted({time for time, _ in pairs})
    assert dict(zip(times, values, strict=True)) == dict(pairs)


def test_rows_are_put_together_by_series() -> None:
    found: dict[int, tuple[list[int], list[float]]] = {}
    merge(found, 1000, {1: ([0, 5], [1.0, 2.0])})
    merge(found, 2000, {1: ([0], [3.0]), 2: ([0], [4.0])})
    assert found == {1: ([1000, 1005, 2000], [1.0, 2.0, 3.0]), 2: ([2000], [4.0])}


def test_a_description_is_its_labels() -> None:
    one, other = Description((("__name__", "a"),), "gauge"), Description((("__name__", "a"),), "counter", help="x")
    assert one == other
    assert Batch([1], {one: ([1, 2], [0.0, 0.0])}).samples == 2
