"""The moments at which sites test: within hours, an interval apart, spread over the province, the same at every start."""

from __future__ import annotations

import datetime
import itertools
import zoneinfo

import pytest

from collectors.probe.slots import fraction, last_slot, parse_span, slots_a_day

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
DAY = datetime.datetime(2026, 3, 2, tzinfo=ZONE)


def slots(
    begin: datetime.datetime, hours: int, *, span: str = "07:00-17:00", interval: float = 8 * 3600, place: float = 0.5
) -> list[str]:
    """Every slot that a look each minute finds, as text."""
    found: list[str] = []
    for minute in range(hours * 60):
        now = begin + datetime.timedelta(minutes=minute)
        slot = last_slot(now, span=parse_span(span), interval=interval, place=place, key="a/b/c")
        if slot is not None and slot > begin and f"{slot:%d %H:%M}" not in found:
            found.append(f"{slot:%d %H:%M}")
    return found


def test_spans() -> None:
    assert parse_span("07:00-17:00") == (420, 1020)
    assert parse_span("22:00-02:30") == (1320, 1590)
    assert parse_span("00:00-00:00") == (0, 1440)


@pytest.mark.parametrize(
    ("interval", "place", "expected"),
    [
        (8 * 3600, 0.5, ["02 11:00", "03 11:00"]),
        (8 * 3600, 0.125, ["02 08:00", "02 16:00", "03 08:00", "03 16:00"]),
        (
            2 * 3600,
            0.0,
            [
                "02 07:00",
                "02 09:00",
                "02 11:00",
                "02 13:00",
                "02 15:00",
                "03 07:00",
                "03 09:00",
                "03 11:00",
                "03 13:00",
                "03 15:00",
            ],
        ),
        (24 * 3600, 0.9, ["02 16:00", "03 16:00"]),
    ],
)
def test_an_interval_apart_within_the_hours(interval: float, place: float, expected: list[str]) -> None:
    assert slots(DAY, 48, interval=interval, place=place) == expected


def test_a_night_that_ends_tomorrow() -> None:
    assert slots(DAY, 48, span="22:00-02:00", interval=3 * 3600, place=0.5) == ["02 23:30", "03 23:30"]
    assert slots(DAY, 30, span="22:00-02:00", interval=2 * 3600, place=0.5)[-2:] == ["02 23:00", "03 01:00"]


def test_a_week_apart() -> None:
    found = slots(DAY, 24 * 21, interval=7 * 86400, place=0.5)
    assert len(found) == 3
    assert [(int(b[:2]) - int(a[:2])) % 31 for a, b in itertools.pairwise(found)] == [7, 7]


def test_the_sites_of_a_province_do_not_coincide() -> None:
    places = sorted(fraction("lam-dong", f"{24700 + number}", "main") for number in range(124))
    fullest = max(sum(place <= other < place + 1 / 124 for other in places) for place in places)
    assert fullest <= 6
    quarters = [sum(quarter / 4 <= place < (quarter + 1) / 4 for place in places) for quarter in range(4)]
    assert min(quarters) > 15


def test_how_many_a_day() -> None:
    assert slots_a_day(parse_span("07:00-17:00"), 8 * 3600) == 2
    assert slots_a_day(parse_span("07:00-17:00"), 7 * 86400) == 1
