"""Planned meetings from an iCalendar file (RFC 5545), recurring ones included; the file is read again when it changes.

An office's calendar may hold a thousand series that began years ago, and a rule may look for a 30th of February until the
year 9999. So a file is read and its series are laid out in a thread, a day ahead; who asks then looks at a short list.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from collectors.probe.blocking import begin

if TYPE_CHECKING:
    from dateutil.rrule import rruleset

log = logging.getLogger(__name__)
DEFAULT_LENGTH = datetime.timedelta(hours=1)
"""Of an event without end: RFC 5545 makes it a moment, but whoever writes one means a meeting."""
LARGEST_FILE = 4 * 2**20
LONGEST_WORD = 120
"""Characters of what is wrong with a file: a line of a picture that was named .ics is long."""
AHEAD = datetime.timedelta(days=1)
"""How far meetings are laid out beyond what was asked for; then again, or when the file changes."""
WAIT_SECONDS = 2.0
"""Who asks waits so long for a file that is being read; after that the meetings known before count."""
TOO_OFTEN = frozenset({"SECONDLY", "MINUTELY", "HOURLY"})


@dataclass(frozen=True, slots=True)
class Meeting:
    """One event: its first beginning, its length, and its recurrence (None: once)."""

    begin: datetime.datetime
    length: datetime.timedelta
    rule: rruleset | None = None

    def spans(self, begin: datetime.datetime, end: datetime.datetime) -> Iterator[tuple[float, float]]:
        """Beginning and end, in seconds since 1970, of each occurrence that runs between two moments."""
        first = (self.begin,) if self.rule is None else self.rule.between(begin - self.length, end, inc=True)
        for one in first:
            if one <= end and begin < one + self.length:
                yield one.timestamp(), (one + self.length).timestamp()


class _LaidOut(NamedTuple):
    """Beginnings and ends of a day's meetings, with the version of the file and the moment up to which they hold."""

    version: tuple[int, int] | None = None
    until: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()


class Meetings:
    """The meetings of one calendar file.

    Args:
        file: the calendar.
        timezone: of times without a time zone, and of whole days.

    Attributes:
        fault: why the file could not be read, None when it could.
    """

    def __init__(self, file: Path, timezone: str) -> None:
        self._file = file
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._laid_out = _LaidOut()
        self._work: asyncio.Future[_LaidOut] | None = None
        self.fault: str | None = None

    def is_due(self, now: float, before: float) -> bool:
        """A meeting runs at `now` (seconds since 1970) or begins within `before` seconds, as of the last `refresh`."""
        return any(begins - before <= now < ends for begins, ends in self._laid_out.spans)

    def is_running(self, now: float) -> bool:
        """A meeting runs at `now` (seconds since 1970)."""
        return self.is_due(now, 0.0)

    async def close(self) -> None:
        """Nothing is held open."""

    async def refresh(self, now: float, before: float) -> None:
        """Look at the file; the known meetings stay in place where it cannot be read."""
        if self._work is None:
            self._work = begin(lambda: self._look(now, before), "calendar")
        work = self._work
        await asyncio.wait({work}, timeout=WAIT_SECONDS)
        if work.done() and work is self._work:
            self._work = None
            self._take(work)

    def _take(self, work: asyncio.Future[_LaidOut]) -> None:
        before, was = self.fault, self._laid_out
        try:
            self._laid_out, self.fault = work.result(), None
        except (OSError, ValueError) as error:
            self.fault = f"{self._file}: {error.strerror if isinstance(error, OSError) else error}"
        if self.fault is not None and self.fault != before:
            log.warning("calendar not read", extra={"file": str(self._file), "error": self.fault})
        elif self._laid_out is not was:
            log.info("calendar read", extra={"file": str(self._file), "meetings": len(self._laid_out.spans)})

    def _look(self, now: float, before: float) -> _LaidOut:
        """Read the file if it is another than before, or if what was laid out ends."""
        state, known = self._file.stat(), self._laid_out
        version = (state.st_mtime_ns, state.st_size)
        if version == known.version and now + before <= known.until:
            return known
        moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
        until = moment + datetime.timedelta(seconds=before) + AHEAD
        spans: list[tuple[float, float]] = []
        with self._file.open("rb") as opened:
            for meeting in parse(opened.read(LARGEST_FILE + 1), self._zone):
                try:
                    spans += meeting.spans(moment, until)
                except (ValueError, OverflowError, TypeError) as error:  # years that no clock shows
                    log.warning("event left out", extra={"event": str(meeting.begin), "error": str(error)})
        return _LaidOut(version, until.timestamp(), tuple(spans))


def parse(data: bytes, zone: datetime.tzinfo) -> Iterator[Meeting]:
    """The meetings of an iCalendar file; cancelled ones, and single occurrences moved elsewhere, count as they should.

    Raises:
        ValueError: it is no iCalendar file.
    """
    if len(data) > LARGEST_FILE:
        message = f"larger than {LARGEST_FILE} bytes"
        raise ValueError(message)
    import icalendar  # noqa: PLC0415  only where there is a calendar

    try:
        calendars = icalendar.Calendar.from_ical(data, multiple=True)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        message = f"no iCalendar file: {error}"[:LONGEST_WORD]
        raise ValueError(message) from error
    events = [event for calendar in calendars for event in calendar.walk("VEVENT")]
    moved: dict[str, list[datetime.datetime]] = {}
    for event in events:
        if (instead := event.get("RECURRENCE-ID")) is not None and not isinstance(instead, list):
            moved.setdefault(str(event.get("UID")), []).append(_moment(instead.dt, zone))
    for event in events:
        try:
            found = _meeting(event, zone, moved.get(str(event.get("UID")), []))
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
            log.warning("event left out", extra={"event": str(event.get("UID", "")), "error": str(error)})
            continue
        if found is not None:
            yield found


def _meeting(event: Any, zone: datetime.tzinfo, moved: list[datetime.datetime]) -> Meeting | None:
    if "DTSTART" not in event or str(event.get("STATUS", "")).upper() == "CANCELLED":
        return None
    start = event["DTSTART"].dt
    begin = _moment(start, zone)
    length = _length(event, start, begin, zone)
    if "RECURRENCE-ID" in event or not ({"RRULE", "RDATE"} & event.keys()):
        return Meeting(begin, length)
    from dateutil.rrule import rruleset, rrulestr  # noqa: PLC0415

    rules = rruleset()
    for rule in _listed(event.get("RRULE")):
        if TOO_OFTEN.intersection(rule.get("FREQ", ())):
            message = "no meeting begins every hour or more often"
            raise ValueError(message)
        rules.rrule(rrulestr(_rule_text(rule, zone), dtstart=begin))  # type: ignore[arg-type]  # a set only with forceset
    if "RRULE" not in event:
        rules.rdate(begin)
    for dates in _listed(event.get("RDATE")):
        for item in dates.dts:
            rules.rdate(_moment(item.dt[0] if isinstance(item.dt, tuple) else item.dt, zone))
    for dates in _listed(event.get("EXDATE")):
        for item in dates.dts:
            rules.exdate(_moment(item.dt, zone))
    for moment in moved:
        rules.exdate(moment)
    return Meeting(begin, length, rules)


def _length(event: Any, start: Any, begin: datetime.datetime, zone: datetime.tzinfo) -> datetime.timedelta:
    if "DTEND" in event:
        length = _moment(event["DTEND"].dt, zone) - begin
    elif "DURATION" in event:
        length = event["DURATION"].dt
    else:
        length = DEFAULT_LENGTH if isinstance(start, datetime.datetime) else datetime.timedelta(days=1)
    return max(length, datetime.timedelta())


def _moment(value: datetime.date, zone: datetime.tzinfo) -> datetime.datetime:
    """A date or time of the file with a time zone."""
    if not isinstance(value, datetime.datetime):
        value = datetime.datetime.combine(value, datetime.time())
    return value if value.tzinfo is not None else value.replace(tzinfo=zone)


def _rule_text(rule: Any, zone: datetime.tzinfo) -> str:
    """The rule with its end in UTC, as dateutil wants it beside a beginning with a time zone."""
    parts = [part for part in rule.to_ical().decode().split(";") if not part.upper().startswith("UNTIL=")]
    for until in rule.get("UNTIL", ()):
        last = until if isinstance(until, datetime.datetime) else datetime.datetime.combine(until, datetime.time(23, 59, 59))
        parts.append(f"UNTIL={_moment(last, zone).astimezone(datetime.UTC):%Y%m%dT%H%M%SZ}")
    return ";".join(parts)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
