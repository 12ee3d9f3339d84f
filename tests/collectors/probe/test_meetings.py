"""Meetings of an iCalendar file: once, recurring, moved, cancelled, in any time zone; and files that are none."""

from __future__ import annotations

import asyncio
import datetime
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.meetings import LARGEST_FILE, Meetings, parse

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
ONCE = "UID:1\nDTSTART;TZID=Asia/Ho_Chi_Minh:20260302T090000\nDTEND;TZID=Asia/Ho_Chi_Minh:20260302T110000"
WEEKLY = "UID:2\nDTSTART:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260330"


def calendar(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{body}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def is_due(data: bytes, moment: str, before: float = 60.0) -> bool:
    now = datetime.datetime.fromisoformat(moment).replace(tzinfo=ZONE)
    until = now + datetime.timedelta(minutes=before)
    return any(list(meeting.spans(now, until)) for meeting in parse(data, ZONE))


@pytest.mark.parametrize(
    ("event", "moment", "due"),
    [
        (ONCE, "2026-03-02T07:59", False),
        (ONCE, "2026-03-02T08:00", True),
        (ONCE, "2026-03-02T10:59", True),
        (ONCE, "2026-03-02T11:00", False),
        (WEEKLY, "2026-03-02T08:30", True),
        (WEEKLY, "2026-03-09T09:59", True),
        (WEEKLY, "2026-03-10T09:30", False),
        (WEEKLY, "2026-03-30T09:30", True),
        (WEEKLY, "2026-04-06T09:30", False),
        (WEEKLY + "\nEXDATE:20260309T090000", "2026-03-09T09:30", False),
        (WEEKLY + "\nRDATE:20260304T140000", "2026-03-04T14:30", True),
        (ONCE + "\nSTATUS:CANCELLED", "2026-03-02T09:30", False),
        ("UID:3\nDTSTART:20260302T020000Z", "2026-03-02T09:59", True),
        ("UID:3\nDTSTART:20260302T020000Z", "2026-03-02T10:00", False),
        ("UID:4\nDTSTART;VALUE=DATE:20260302", "2026-03-02T23:59", True),
        ("UID:5\nSUMMARY:no time", "2026-03-02T09:30", False),
    ],
)
def test_events(event: str, moment: str, due: bool) -> None:  # noqa: FBT001
    assert is_due(calendar(event), moment) is due


def test_one_occurrence_moved_to_another_hour() -> None:
    data = calendar(WEEKLY, "UID:2\nRECURRENCE-ID:20260309T090000\nDTSTART:20260309T150000\nDURATION:PT1H")
    assert not is_due(data, "2026-03-09T09:30")
    assert is_due(data, "2026-03-09T15:30")
    assert is_due(data, "2026-03-16T09:30")


def test_an_event_that_makes_no_sense_does_not_hide_the_others() -> None:
    data = calendar("UID:9\nDTSTART:20260302T090000\nRRULE:FREQ=SOMETIMES", ONCE)
    assert is_due(data, "2026-03-02T09:30")


async def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "meetings.ics"
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    now = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=ZONE).timestamp()
    await meetings.refresh(now, 3600)
    assert not meetings.is_due(now, 3600)
    assert meetings.fault == f"{file}: No such file or directory"
    file.write_bytes(calendar(ONCE))
    await meetings.refresh(now - 5400, 3600)
    assert meetings.is_due(now - 5400, 3600)
    assert not meetings.is_due(now - 5401, 3600)
    assert meetings.fault is None
    assert meetings.is_running(now)
    assert not meetings.is_running(now - 3600)
    file.write_bytes(b"no calendar")
    await meetings.refresh(now, 3600)
    assert meetings.fault is not None
    assert meetings.is_running(now), "what was known stays"
    file.write_bytes(calendar(WEEKLY.replace("20260302", "20270301").replace("20260330", "20270330")))
    await meetings.refresh(now, 3600)
    assert meetings.fault is None
    assert not meetings.is_due(now, 3600)


async def test_series_are_laid_out_day_by_day(tmp_path: Path) -> None:
    file = tmp_path / "meetings.ics"
    file.write_bytes(calendar("UID:2\nDTSTART:20200302T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE"))
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    begin, due = datetime.datetime(2026, 3, 2, tzinfo=ZONE), []
    for hour in range(24 * 7):
        now = (begin + datetime.timedelta(hours=hour)).timestamp()
        await meetings.refresh(now, 3600)
        due += [hour] if meetings.is_due(now, 3600) else []
    assert due == [8, 9, 48 + 8, 48 + 9]


HEAVY = "UID:{}\nDTSTART:20200302T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY"
NEVER = "UID:never\nDTSTART:20260302T090000\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"


@pytest.mark.timing
async def test_a_calendar_that_takes_long_holds_nobody_up(tmp_path: Path) -> None:
    """A hundred series of six years, and one that looks for its next date until the year 9999."""
    file = tmp_path / "meetings.ics"
    file.write_bytes(calendar(*(HEAVY.format(number) for number in range(100)), NEVER))
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    now = datetime.datetime(2026, 3, 3, 9, 30, tzinfo=ZONE).timestamp()
    loop, latest = asyncio.get_running_loop(), 0.0

    async def tick() -> None:
        nonlocal latest
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            latest = max(latest, loop.time() - before - 0.01)

    ticking = loop.create_task(tick())
    longest = 0.0
    while not meetings.is_running(now):
        begin = loop.time()
        await meetings.refresh(now, 3600)
        longest = max(longest, loop.time() - begin)
    ticking.cancel()
    assert longest < 3
    assert latest < 0.5
    begin = loop.time()
    assert meetings.is_due(now, 3600)
    assert loop.time() - begin < 0.01


@pytest.mark.parametrize("often", ["SECONDLY", "MINUTELY", "HOURLY"])
def test_no_meeting_begins_that_often(often: str) -> None:
    assert not is_due(calendar(f"UID:1\nDTSTART:20260302T090000\nRRULE:FREQ={often}"), "2026-03-02T09:30")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG" + bytes(range(256)) * 400,
        calendar(ONCE).decode().encode("utf-16"),
        b"BEGIN:VCALENDAR\r\n" + b"x" * 100_000,
        b"\0" * (LARGEST_FILE + 1),
    ],
    ids=["picture", "utf-16", "long", "large"],
)
async def test_what_is_no_calendar_is_told_in_few_words(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "meetings.ics"
    file.write_bytes(data)
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    await meetings.refresh(1e9, 60)
    assert meetings.fault is not None
    assert len(meetings.fault) < len(str(file)) + 200


async def test_years_that_no_clock_shows_do_not_hide_the_others(tmp_path: Path) -> None:
    file = tmp_path / "meetings.ics"
    odd = "UID:8\nDTSTART:00010101T000000\nDTEND:99991231T235959\nRRULE:FREQ=YEARLY"
    file.write_bytes(calendar(odd, odd.replace("\nRRULE:FREQ=YEARLY", ""), ONCE))
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    now = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=ZONE).timestamp()
    await meetings.refresh(now, 60)
    assert meetings.is_running(now)


@pytest.mark.parametrize("zone", ["SE Asia Standard Time", "Asia/Saigon", "Asia/Bangkok"])
def test_names_of_the_same_time_zone(zone: str) -> None:
    assert is_due(calendar(ONCE.replace("Asia/Ho_Chi_Minh", zone)), "2026-03-02T10:59")
    assert not is_due(calendar(ONCE.replace("Asia/Ho_Chi_Minh", zone)), "2026-03-02T11:00")


def test_all_day_series_with_a_day_left_out() -> None:
    data = calendar("UID:1\nDTSTART;VALUE=DATE:20260302\nRRULE:FREQ=DAILY\nEXDATE;VALUE=DATE:20260304")
    assert [is_due(data, f"2026-03-0{day}T12:00") for day in (2, 3, 4, 5)] == [True, True, False, True]


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: calendar(f"UID:1\nDTSTART:{text}")))
def test_anything(data: bytes) -> None:
    try:
        found = list(parse(data, ZONE))
    except ValueError:
        return
    assert all(meeting.begin.tzinfo is not None for meeting in found)
