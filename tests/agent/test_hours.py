"""Service hours in local time, with holidays and extra days."""

import datetime
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.hours import parse_hours

ZONE = "Asia/Ho_Chi_Minh"


def moment(text: str, zone: str = ZONE) -> float:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()


HOURS = parse_hours(
    "Mon-Fri 07:00-11:30,13:30-17:00; Sat 07:30-11:30", ("2026-09-02",), ("2026-02-15 07:30-11:00", "2026-02-22"), ZONE
)


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-09-01 07:00", True),  # Tuesday
        ("2026-09-01 06:59:59", False),
        ("2026-09-01 11:29:59", True),
        ("2026-09-01 11:30", False),
        ("2026-09-01 13:30", True),
        ("2026-09-01 17:00", False),
        ("2026-09-02 09:00", False),  # national day
        ("2026-09-05 08:00", True),  # Saturday
        ("2026-09-05 14:00", False),
        ("2026-09-06 09:00", False),  # Sunday
        ("2026-02-15 10:59", True),  # a Sunday before Tet, opened with its own hours
        ("2026-02-15 11:00", False),
        ("2026-02-22 16:00", True),  # a Sunday with the hours of a usual day
    ],
)
def test_open(when: str, is_open: bool) -> None:  # noqa: FBT001
    assert HOURS.is_open(moment(when)) is is_open


def test_the_time_zone_is_the_sites_not_the_computers() -> None:
    assert HOURS.is_open(datetime.datetime(2026, 9, 1, 0, 30, tzinfo=datetime.UTC).timestamp())
    assert not HOURS.is_open(datetime.datetime(2026, 9, 1, 12, 0, tzinfo=datetime.UTC).timestamp())


@pytest.mark.parametrize(
    ("week", "day", "is_open"),
    [
        ("Fri-Mon 08:00-09:00", "2026-09-06", True),
        ("Fri-Mon 08:00-09:00", "2026-09-02", False),
        ("", "2026-09-01", False),
        ("Mon,Wed 08:00-09:00", "2026-09-02", True),
        ("Mon-Sun 00:00-24:00", "2026-09-06", True),
    ],
)
def test_weeks(week: str, day: str, is_open: bool) -> None:  # noqa: FBT001
    assert parse_hours(week, (), (), ZONE).is_open(moment(f"{day} 08:30")) is is_open


@pytest.mark.parametrize(
    ("week", "closed", "opened"),
    [
        ("Mo 07:00-11:00", (), ()),
        ("Mon", (), ()),
        ("Mon 7-11", (), ()),
        ("Mon 11:00-07:00", (), ()),
        ("Mon 07:00-24:30", (), ()),
        ("Mon-Fri-Sat 07:00-08:00", (), ()),
        ("", ("tomorrow",), ()),
        ("", ("2026-02-30",), ()),
        ("", (), ("2026-02-15 seven",)),
    ],
)
def test_mistakes_say_what_is_accepted(week: str, closed: tuple[str, ...], opened: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_hours(week, closed, opened, ZONE)


@given(st.text(max_size=30), st.text(max_size=12), st.text(max_size=20))
def test_no_text_does_more_than_be_refused(week: str, closed: str, opened: str) -> None:
    try:
        hours = parse_hours(week, (closed,), (opened,), ZONE)
    except ValueError:
        return
    assert hours.is_open(0) in (True, False)
