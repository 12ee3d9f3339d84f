"""Meetings of an iCalendar file: once, recurring, moved, cancelled, in any time zone; and files that are none."""

from __future__ import annotations

import datetime
import os
import zoneinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.meetings import Meetings, parse

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
ONCE = "UID:1\nDTSTART;TZID=Asia/Ho_Chi_Minh:20260302T090000\nDTEND;TZID=Asia/Ho_Chi_Minh:20260302T110000"
WEEKLY = "UID:2\nDTSTART:20260302T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20260330"


def calendar(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\nDTSTAMP:20260101T000000Z\n{event}\nEND:VEVENT\n" for event in events)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n{body}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def is_due(data: bytes, moment: str, before: float = 60.0) -> bool:
    now = datetime.datetime.fromisoformat(moment).replace(tzinfo=ZONE)
    return any(meeting.is_within(now, datetime.timedelta(minutes=before)) for meeting in parse(data, ZONE))


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


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "meetings.ics"
    meetings = Meetings(file, "Asia/Ho_Chi_Minh")
    now = datetime.datetime(2026, 3, 2, 9, 30, tzinfo=ZONE).timestamp()
    assert not meetings.is_due(now, 3600)
    assert meetings.fault == f"{file}: No such file or directory"
    file.write_bytes(calendar(ONCE))
    assert meetings.is_due(now - 7200 + 1800, 3600)
    assert meetings.fault is None
    assert meetings.is_running(now)
    assert not meetings.is_running(now - 3600)
    file.write_bytes(calendar(WEEKLY.replace("20260302", "20270301").replace("20260330", "20270330")))
    os.utime(file, (1, 1))
    assert not meetings.is_due(now, 3600)
    file.write_bytes(b"no calendar")
    meetings.is_due(now, 3600)
    assert meetings.fault is not None


@given(st.binary(max_size=200) | st.text(max_size=60).map(lambda text: calendar(f"UID:1\nDTSTART:{text}")))
def test_anything(data: bytes) -> None:
    try:
        found = list(parse(data, ZONE))
    except ValueError:
        return
    assert all(meeting.begin.tzinfo is not None for meeting in found)
