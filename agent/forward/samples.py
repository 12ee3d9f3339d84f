"""Samples on their way to the province: what a series is called there, and how samples lie together.

Columns are the shape that everything between the spool and the receiver handles: per series its times, ascending and
each once, and its values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

Column = tuple[list[int], list[float]]
"""Times (milliseconds) and values of one series."""
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Description:
    """A series as the receiver knows it: labels in order of their names (`__name__` among them), and its metadata."""

    labels: Labels
    type: str = field(default="", compare=False)
    family: str = field(default="", compare=False)
    help: str = field(default="", compare=False)
    unit: str = field(default="", compare=False)


class Exemplar(NamedTuple):
    """One measurement behind a scraped value (OpenMetrics): labels, value, milliseconds since 1970."""

    labels: Labels
    value: float
    time: int


class Moment(NamedTuple):
    """Milliseconds since 1970, or of `boot`'s monotonic clock while that is unknown."""

    boot: str | None
    time: int


class Row(NamedTuple):
    """Values of one moment. `first` is milliseconds since 1970, or of `boot`'s monotonic clock while that is unknown."""

    lane: int
    boot: str | None
    first: int
    values: Sequence[tuple[Description, float]]


@dataclass(slots=True)
class Batch:
    """Samples to be sent together, and the rows that they came from.

    Attributes:
        columns: per series its times (milliseconds since 1970, ascending, each once) and values.
    """

    rows: list[int] = field(default_factory=list)
    columns: dict[Description, Column] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return sum(len(times) for times, _ in self.columns.values())


class Totals(NamedTuple):
    """What waits: samples, time of the oldest (milliseconds since 1970, None without any), bytes in use."""

    samples: int
    oldest: int | None
    bytes: int


class Expired(NamedTuple):
    """What was dropped at a bound: how many samples of which span (milliseconds, told as those of a `Row`)."""

    samples: int
    first: int
    last: int
    boot: str | None = None


def merge(found: dict[int, Column], first: int, columns: dict[int, Column]) -> None:
    """Add columns whose times count from `first`."""
    for number, (times, values) in columns.items():
        column = found.setdefault(number, ([], []))
        column[0].extend([first + time for time in times])
        column[1].extend(values)


def in_order(times: list[int], values: list[float]) -> Column:
    """Ascending times, each once: of two values for one time the later written one counts."""
    if all(before < after for before, after in pairwise(times)):
        return times, values
    latest = dict(zip(times, values, strict=True))
    ordered = sorted(latest)
    return ordered, [latest[time] for time in ordered]
