"""Vietnam's public holidays, as dates on which no office is open.

Labour Code 45/2019/QH14, article 112: 1 January; five days of Tet; the tenth day of the third lunar month (Hung Kings);
30 April; 1 May; 2 September and one day beside it. Article 111(3): a holiday on a weekly day off is made up for on the next
working day. Which days beside Tet and 2 September are taken is decided each autumn; the table takes the last day of the
old lunar year and the first four of the new one, and 1 September. The inventory's `holidays` corrects it.
"""

from __future__ import annotations

import datetime

from agent.province.inventory import Holidays

_LUNAR = {2026: ("02-17", "04-26"), 2027: ("02-06", "04-16"), 2028: ("01-26", "04-04")}
"""Per year: the first day of the lunar year, and the tenth of its third month (a test computes both from the new moons)."""


def national() -> tuple[datetime.date, ...]:
    """Every national day off in the years of the table, made-up days included, in order."""
    found: set[datetime.date] = set()
    for year, (tet_text, kings_text) in _LUNAR.items():
        tet = datetime.date.fromisoformat(f"{year}-{tet_text}")
        kings = datetime.date.fromisoformat(f"{year}-{kings_text}")
        days = [datetime.date(year, 1, 1), *(tet + datetime.timedelta(days=offset) for offset in range(-1, 4)), kings]
        days += [datetime.date(year, *day) for day in ((4, 30), (5, 1), (9, 1), (9, 2))]
        found.update(days)
        for day in sorted(days):
            if day.weekday() >= 5:
                found.add(_next_working(day, found))
    return tuple(sorted(found))


def _next_working(day: datetime.date, taken: set[datetime.date]) -> datetime.date:
    while day.weekday() >= 5 or day in taken:
        day += datetime.timedelta(days=1)
    return day


def closed_days(holidays: Holidays) -> tuple[str, ...]:
    """The dates (ISO) on which the province's offices are closed, in order."""
    dates = {day.isoformat() for day in national()} if holidays.national else set()
    return tuple(sorted((dates | set(holidays.closed)) - set(holidays.open)))
