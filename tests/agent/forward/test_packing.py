"""Rows and blocks: what goes in comes out, bit by bit; anything else is damage, never a crash."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.forward.packing import BLOCK, FRESH, STALE, DamagedError, is_stale, pack_block, pack_fresh, unpack
from agent.forward.samples import Column

bits = st.integers(0, 2**64 - 1).map(lambda number: struct.unpack("<d", number.to_bytes(8, "little"))[0])


def raw(value: float) -> bytes:
    return struct.pack("<d", value)


def exact(columns: dict[int, Column]) -> dict[int, tuple[list[int], list[bytes]]]:
    return {number: (times, [raw(value) for value in values]) for number, (times, values) in columns.items()}


@given(st.dictionaries(st.integers(0, 2**32 - 1), bits))
def test_fresh_rows(pairs: dict[int, float]) -> None:
    assert exact(unpack(FRESH, pack_fresh(pairs.items()))) == {number: ([0], [raw(value)]) for number, value in pairs.items()}


columns = st.dictionaries(
    st.integers(0, 2**32 - 1),
    st.lists(st.tuples(st.integers(0, 2**31), bits), max_size=20, unique_by=lambda pair: pair[0]).map(
        lambda pairs: ([time for time, _ in sorted(pairs, key=lambda pair: pair[0])], [value for _, value in pairs])
    ),
    max_size=8,
)


@given(columns)
def test_blocks(given_columns: dict[int, Column]) -> None:
    assert exact(unpack(BLOCK, pack_block(given_columns))) == exact(given_columns)


@given(st.integers(-1, 3), st.binary(max_size=200))
def test_any_bytes_are_columns_or_damage(form: int, body: bytes) -> None:
    try:
        found = unpack(form, body)
    except DamagedError:
        return
    assert all(len(times) == len(values) for times, values in found.values())


@given(st.data())
def test_a_block_with_a_changed_byte_is_what_it_was_or_damage(data: st.DataObject) -> None:
    """Bits that only fill deflate's last octet (RFC 1951) mean nothing; any other costs the block, never a wrong value."""
    columns = {1: ([0, 60_000, 120_000], [1.0, 2.0, 3.0]), 2: ([5], [0.5])}
    body = bytearray(pack_block(columns))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(BLOCK, bytes(body))
    except DamagedError:
        return
    assert found == columns


@given(st.data())
def test_a_fresh_row_with_a_changed_byte_is_damage(data: st.DataObject) -> None:
    body = bytearray(pack_fresh([(1, 1.0), (2, 0.5)]))
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedError):
        unpack(FRESH, bytes(body))


def test_the_marker_keeps_its_bits() -> None:
    (value,) = unpack(BLOCK, pack_block({1: ([0], [STALE])}))[1][1]
    assert raw(value) == (0x7FF0000000000002).to_bytes(8, "little")
    assert is_stale(value)
    assert not is_stale(float("nan"))


def test_waiting_samples_are_small() -> None:
    steady = {number: ([60_000 * n for n in range(60)], [1.0] * 60) for number in range(136)}
    assert len(pack_block(steady)) < 0.3 * 60 * 136
