"""How samples lie in the spool: a row per reading while it is fresh, compressed columns once it has to wait.

Pure functions from samples to bytes and back. A fresh row is written within milliseconds of its reading and usually
deleted minutes later, so it is only packed. What waits for hours is rewritten as a block: the samples of each series
side by side, bytes of equal rank together, deflated; measured figures are in docs/adr/041-spool.md. Times are
kept relative to the row's first one, so that a row written before the true time was known is corrected by moving one
number.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

from agent.forward.samples import Column

FRESH, BLOCK = 0, 1
STALE = struct.unpack("<d", (0x7FF0000000000002).to_bytes(8, "little"))[0]
"""The staleness marker of Prometheus: one NaN out of many, recognised by its bits."""

Columns = dict[int, Column]
"""Per series number: times in milliseconds after the row's first one, ascending, and values."""


class DamagedError(ValueError):
    """A body that was not written by this module."""


def is_stale(value: float) -> bool:
    """Tell the staleness marker from other NaNs."""
    return value != value and struct.pack("<d", value) == struct.pack("<d", STALE)  # noqa: PLR0124  NaN alone differs from itself


def pack_fresh(pairs: Iterable[tuple[int, float]]) -> bytes:
    """One value for each of several series, all of one moment: numbers, then values, then CRC-32, little-endian."""
    numbers, values = array("I"), array("d")
    for number, value in pairs:
        numbers.append(number)
        values.append(value)
    body = _bytes(numbers) + _bytes(values)
    return body + zlib.crc32(body).to_bytes(4, "little")


def unpack_fresh(body: bytes) -> Columns:
    """What `pack_fresh` packed.

    Raises:
        DamagedError: the length fits no number of pairs, or the bytes are not those that were written.
    """
    count, rest = divmod(len(body) - 4, 12)
    if rest or count < 0:
        raise DamagedError("a fresh row of a length that fits no number of samples")
    if zlib.crc32(body[:-4]) != int.from_bytes(body[-4:], "little"):
        raise DamagedError("a fresh row that is not as it was written")
    numbers = _array("I", body[: 4 * count])
    values = _array("d", body[4 * count : -4])
    return {number: ([0], [value]) for number, value in zip(numbers, values, strict=True)}


def pack_block(columns: Mapping[int, Column]) -> bytes:
    """Many samples of many series, deflated: series numbers, their counts, time steps, values by rank of byte."""
    counts = array("I", (len(times) for times, _ in columns.values()))
    steps, values = array("I"), array("d")
    for times, column in columns.values():
        last = 0
        for time in times:
            steps.append(time - last)
            last = time
        values.extend(column)
    head = struct.pack("<II", len(counts), len(values))
    parts = (head, _bytes(array("I", columns)), _bytes(counts), _by_rank(_bytes(steps), 4), _by_rank(_bytes(values), 8))
    return zlib.compress(b"".join(parts), 6)


def unpack_block(body: bytes) -> Columns:
    """What `pack_block` packed.

    Raises:
        DamagedError: not deflated data, or lengths that contradict each other.
    """
    try:
        data = zlib.decompress(body)
        series, samples = struct.unpack_from("<II", data)
    except (zlib.error, struct.error) as error:
        message = f"a block that does not unpack: {error}"
        raise DamagedError(message) from None
    if len(data) != 8 + 8 * series + 12 * samples:
        raise DamagedError("a block whose lengths contradict each other")
    numbers = _array("I", data[8 : 8 + 4 * series])
    counts = _array("I", data[8 + 4 * series : 8 + 8 * series])
    middle = 8 + 8 * series + 4 * samples
    if sum(counts) != samples:
        raise DamagedError("a block whose counts contradict its length")
    steps = _array("I", _from_ranks(data[8 + 8 * series : middle], 4))
    values = _array("d", _from_ranks(data[middle:], 8)).tolist()
    columns: Columns = {}
    begin = 0
    for number, count in zip(numbers, counts, strict=True):
        end = begin + count
        columns[number] = (list(accumulate(steps[begin:end])), values[begin:end])
        begin = end
    return columns


def unpack(form: int, body: bytes) -> Columns:
    """The columns of a row of either form.

    Raises:
        DamagedError: an unknown form, or a body that is not of that form.
    """
    if form == FRESH:
        return unpack_fresh(body)
    if form == BLOCK:
        return unpack_block(body)
    message = f"a row of the unknown form {form}"
    raise DamagedError(message)


def _by_rank(data: bytes, width: int) -> bytes:
    return b"".join(data[rank::width] for rank in range(width))


def _from_ranks(data: bytes, width: int) -> bytes:
    whole = bytearray(len(data))
    count = len(data) // width
    for rank in range(width):
        whole[rank::width] = data[rank * count : (rank + 1) * count]
    return bytes(whole)


def _bytes(values: array[Any]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _array(code: str, data: bytes) -> array[Any]:
    values: array[Any] = array(code)
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return values
