"""Service hours: when the centre is open, from the week, the closed days and the extra days of a configuration."""

from __future__ import annotations

import datetime
import re
import zoneinfo
from dataclasses import dataclass

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SPAN = re.compile(r"([0-2][0-9]):([0-5][0-9])-([0-2][0-9]):([0-5][0-9])")
Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """Open spans in minutes of the day, by weekday (0 is Monday) and by date."""

    zone: zoneinfo.ZoneInfo
    week: tuple[Spans, ...]
    dates: dict[datetime.date, Spans]

    def is_open(self, when: float) -> bool:
        """Is the centre open at a moment (seconds since 1970)?"""
        local = datetime.datetime.fromtimestamp(when, self.zone)
        spans = self.dates.get(local.date(), self.week[local.weekday()])
        minute = local.hour * 60 + local.minute
        return any(begin <= minute < end for begin, end in spans)


def parse_hours(week: str, closed: tuple[str, ...], open: tuple[str, ...], timezone: str) -> Hours:  # noqa: A002
    """`"Mon-Fri 07:00-11:30,13:30-17:00; Sat 07:30-11:30"` with closed dates and extra ones (`2026-02-15 07:30-11:00`).

    Raises:
        ValueError: says what is accepted.
    """
    days: list[Spans] = [()] * 7
    for part in filter(None, (piece.strip() for piece in week.split(";"))):
        names, _, spans = part.partition(" ")
        for day in _weekdays(names):
            days[day] = _spans(spans)
    dates: dict[datetime.date, Spans] = {_date(text): () for text in closed}
    for text in open:
        day_text, _, spans = text.partition(" ")
        default = next((span for span in days if span), ())
        dates[_date(day_text)] = _spans(spans) if spans else default
    return Hours(zoneinfo.ZoneInfo(timezone), tuple(days), dates)


def _weekdays(text: str) -> list[int]:
    found = []
    for piece in text.split(","):
        first, _, last = piece.partition("-")
        if first not in _DAYS or (last and last not in _DAYS):
            message = f"{piece!r} is no weekday; write Mon to Sun, such as Mon-Fri or Mon,Sat"
            raise ValueError(message)
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found += [day % 7 for day in range(begin, end + 1 if end >= begin else end + 8)]
    return found


def _spans(text: str) -> Spans:
    found = []
    for piece in text.replace(" ", "").split(","):
        match = _SPAN.fullmatch(piece)
        begin, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
        if not begin < end <= 24 * 60:
            message = f"{piece!r} is no span of hours; write HH:MM-HH:MM, such as 07:00-11:30,13:30-17:00"
            raise ValueError(message)
        found.append((begin, end))
    return tuple(found)


def _date(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date; write YYYY-MM-DD"
        raise ValueError(message) from None
