"""Finds the samples that a receiver cannot take, by splitting the request that it refused.

A 400 of remote write 1.0 refuses a whole request for the sake of one sample and does not say which. Halves are sent
until the culprits stand alone. By time first where the receiver complains about time, else by series. Where nothing at
all is accepted any more, the search ends after a bounded number of requests: it must neither block the queue nor
become a flood.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agent.forward.remote.client import AgainError, Answer, Outcome
from agent.forward.samples import Column, Description

Columns = dict[Description, Column]
FRUITLESS_FIRST, FRUITLESS_LATER = 300, 12
_ABOUT_TIME = ("out of order", "out of bounds", "too old", "too far", "timestamp", "out-of-order")


@dataclass(slots=True)
class Found:
    """How a search ended: samples accepted and rejected, the span (milliseconds) of the rejected ones, and the last reason."""

    accepted: int = 0
    rejected: int = 0
    span: tuple[int, int] = (2**62, -(2**62))
    detail: str = ""


class Splitter:
    """Searches; `post` sends a request and returns what was accepted, or raises when it must be sent again."""

    def __init__(self, post: Callable[[Any], Awaitable[Answer]]) -> None:
        self._post = post
        self._fruitless_limit = FRUITLESS_FIRST

    async def search(self, columns: Columns, detail: str, *, in_order: bool) -> Found:
        """Deliver what can be delivered of samples that were refused as a whole.

        Args:
            columns: the samples, per series ascending times and values.
            detail: what the receiver said.
            in_order: the receiver takes only ascending times, so the older half goes first.

        Raises:
            AgainError: the receiver cannot be asked any further now.
        """
        found = Found(detail=detail)
        pieces = [columns]
        fruitless = 0
        begin = True
        while pieces:
            piece = pieces.pop()
            if not begin:
                answer = await self._post(piece)
                count = samples_of(piece)
                if answer.outcome in {Outcome.AGAIN, Outcome.HELD}:
                    raise AgainError(answer.detail, wait=answer.wait)
                if answer.outcome is Outcome.TAKEN:
                    found.accepted += answer.accepted
                    fruitless = 0 if answer.accepted else fruitless + 1
                    if answer.accepted < count:
                        _reject(found, piece, count - answer.accepted, answer.detail)
                    continue
                found.detail = answer.detail
                fruitless += 1
                if count == 1:
                    _reject(found, piece, 1, answer.detail)
                    continue
                if fruitless >= self._fruitless_limit:
                    for rest in (piece, *pieces):
                        _reject(found, rest, samples_of(rest), answer.detail)
                    break
            begin = False
            if samples_of(piece) == 1:
                _reject(found, piece, 1, found.detail)
                continue
            older, newer = halves(piece, by_time=any(word in found.detail.lower() for word in _ABOUT_TIME))
            pieces += [newer, older] if in_order else [older, newer]
        self._fruitless_limit = FRUITLESS_FIRST if found.accepted else FRUITLESS_LATER
        return found


def samples_of(columns: Columns) -> int:
    """How many samples there are."""
    return sum(len(times) for times, _ in columns.values())


def pieces(columns: Columns, most: int) -> list[Columns]:
    """The samples in parts of at most `most`, to be sent from the last one on: series by series, as labels cost more than samples."""
    if samples_of(columns) <= most:
        return [columns]
    first, second = halves(columns, by_time=False)
    return [*pieces(second, most), *pieces(first, most)]


def halves(columns: Columns, *, by_time: bool) -> tuple[Columns, Columns]:
    """Two parts of more than one sample, neither empty: earlier and later samples, or these series and those."""
    moments = sorted({time for times, _ in columns.values() for time in times})
    if len(columns) > 1 and (not by_time or len(moments) < 2):
        items = list(columns.items())
        middle = len(items) // 2
        return dict(items[:middle]), dict(items[middle:])
    middle_time = moments[len(moments) // 2]
    older: Columns = {}
    newer: Columns = {}
    for description, (times, values) in columns.items():
        cut = sum(time < middle_time for time in times)
        if cut:
            older[description] = (times[:cut], values[:cut])
        if cut < len(times):
            newer[description] = (times[cut:], values[cut:])
    return older, newer


def _reject(found: Found, piece: Columns, count: int, detail: str) -> None:
    found.rejected += count
    found.detail = detail
    first = min(times[0] for times, _ in piece.values())
    last = max(times[-1] for times, _ in piece.values())
    found.span = min(found.span[0], first), max(found.span[1], last)
