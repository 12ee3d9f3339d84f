"""The search for what a receiver cannot take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.forward.remote.client import AgainError, Answer, Outcome
from agent.forward.remote.split import Columns, Splitter, halves, pieces, samples_of
from agent.forward.samples import Description


def series(number: int) -> Description:
    return Description((("__name__", f"s{number}"),))


def columns(count: int, length: int) -> Columns:
    return {series(number): (list(range(length)), [float(number)] * length) for number in range(count)}


class Receiver:
    """Refuses any request that holds a bad sample."""

    def __init__(self, bad: Callable[[Description, int], bool], text: str = "bad sample") -> None:
        self.bad = bad
        self.text = text
        self.requests = 0
        self.taken: list[tuple[Description, int]] = []

    async def post(self, piece: Any) -> Answer:
        self.requests += 1
        samples = [(description, time) for description, (times, _) in piece.items() for time in times]
        if any(self.bad(*sample) for sample in samples):
            return Answer(Outcome.REFUSED, 0, self.text)
        self.taken += samples
        return Answer(Outcome.TAKEN, len(samples))


async def search(receiver: Receiver, whole: Columns, *, in_order: bool = False) -> tuple[int, int]:
    found = await Splitter(receiver.post).search(whole, receiver.text, in_order=in_order)
    assert found.accepted + found.rejected == samples_of(whole)
    return found.accepted, found.rejected


async def test_one_bad_sample_costs_itself_only() -> None:
    receiver = Receiver(lambda description, time: description == series(77) and time == 13)
    assert await search(receiver, columns(100, 50)) == (4999, 1)
    assert receiver.requests < 40


async def test_samples_that_are_too_old_are_found_by_time() -> None:
    receiver = Receiver(lambda _, time: time < 10, "too old sample")
    whole = columns(100, 50)
    assert await search(receiver, whole) == (4000, 1000)


async def test_where_nothing_is_taken_the_search_ends() -> None:
    receiver = Receiver(lambda *_: True, "out of bounds")
    splitter = Splitter(receiver.post)
    for limit in (301, 13):
        receiver.requests = 0
        found = await splitter.search(columns(100, 50), "out of bounds", in_order=False)
        assert (found.accepted, found.rejected) == (0, 5000)
        assert receiver.requests <= limit


@pytest.mark.parametrize("in_order", [True, False])
async def test_the_order_is_the_receivers(in_order: bool) -> None:  # noqa: FBT001  a parameter of the test
    receiver = Receiver(lambda _, time: time == 7, "duplicate sample for timestamp")
    assert await search(receiver, columns(1, 32), in_order=in_order) == (31, 1)
    times = [time for _, time in receiver.taken]
    assert (times == sorted(times)) is in_order


async def test_a_receiver_that_goes_away_ends_the_search_for_now() -> None:
    async def post(_: Any) -> Answer:
        return Answer(Outcome.AGAIN, wait=5.0, detail="gone")

    with pytest.raises(AgainError) as raised:
        await Splitter(post).search(columns(2, 2), "bad", in_order=False)
    assert raised.value.wait == 5.0


@given(
    st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 20), min_size=1, unique=True).map(sorted), min_size=1),
    st.booleans(),
)
def test_halves_hold_everything_once(whole: dict[int, list[int]], by_time: bool) -> None:  # noqa: FBT001
    given_columns: Columns = {series(number): (times, [1.0] * len(times)) for number, times in whole.items()}
    if samples_of(given_columns) < 2:
        return
    older, newer = halves(given_columns, by_time=by_time)
    assert older
    assert newer
    pairs = [(one, time) for half in (older, newer) for one, (times, _) in half.items() for time in times]
    assert sorted(pairs, key=repr) == sorted(
        ((one, time) for one, (times, _) in given_columns.items() for time in times), key=repr
    )


def test_pieces_keep_each_series_in_order_and_none_is_too_large() -> None:
    found = pieces(columns(3, 200), 64)
    assert max(map(samples_of, found)) <= 64
    sent: dict[Description, list[int]] = {}
    for piece in reversed(found):
        for one, (times, _) in piece.items():
            sent.setdefault(one, []).extend(times)
    assert sent == {series(number): list(range(200)) for number in range(3)}
    assert [len(piece) for piece in pieces(columns(8, 10), 20)] == [2, 2, 2, 2], "labels go once"
    assert pieces(columns(7, 100), 700) == [columns(7, 100)]
