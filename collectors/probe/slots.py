"""When a site tests: moments of the day that follow from its place in the country alone, so that nobody coordinates them."""

from __future__ import annotations

import datetime
import math
import zlib

DAY = 86400.0
PLACES, STRIDE = 1480, 919
"""No two communes of a province have codes that are equal modulo this number (of 900 to 1800 the only such one for the 3,321 codes of
Decision 19/2025/QD-TTg as they stood in July 2026), and the stride, which has no factor in common with it, spreads neighbours."""


def fraction(*parts: str) -> float:
    """A number from 0 up to 1, evenly spread over all words and the same for the same words at every start."""
    return zlib.crc32("/".join(parts).encode()) / 2**32


def place_of(commune: str, site: str) -> float:
    """A site's place in the interval, 0 up to 1: of its own among the communes of its province (sites of one name), 1/1480 wide."""
    own = int(commune) * STRIDE % PLACES / PLACES if commune.isdecimal() else fraction(commune)
    return (own + fraction(site)) % 1.0


def parse_span(text: str) -> tuple[int, int]:
    """`"07:00-17:00"` to minutes of the day; an end at or before the beginning is on the next day."""
    begin, end = (int(clock[:2]) * 60 + int(clock[3:]) for clock in text.split("-"))
    return begin, end if end > begin else end + 1440


def last_slot(
    now: datetime.datetime, *, span: tuple[int, int], interval: float, place: float, key: str
) -> datetime.datetime | None:
    """The latest moment to test up to `now`, today's or last night's; None when there was none.

    Slots lie `interval` seconds apart within the span of each day, the first one `place` of the way into the interval
    (or into the span, where that is shorter). Intervals longer than a day take every n-th day.

    Args:
        now: with the site's time zone.
        span: allowed minutes of the day.
        interval: seconds between tests.
        place: 0 up to 1.
        key: decides which of several days.
    """
    found = None
    for date in (now.date() - datetime.timedelta(days=1), now.date()):
        days = max(1, round(interval / DAY))
        if (date.toordinal() + int(fraction(key) * days)) % days:
            continue
        begin = datetime.datetime.combine(date, datetime.time(), now.tzinfo) + datetime.timedelta(minutes=span[0])
        length = (span[1] - span[0]) * 60.0
        step = min(interval, length)
        first = begin + datetime.timedelta(seconds=place * step)
        if first <= now:
            count = math.floor(min((now - first).total_seconds(), length * (1 - 1e-9) - place * step) / step)
            found = first + datetime.timedelta(seconds=count * step)
    return found


def slots_a_day(span: tuple[int, int], interval: float) -> int:
    """How many tests a day can have at most."""
    return max(1, math.ceil((span[1] - span[0]) * 60.0 / interval))
