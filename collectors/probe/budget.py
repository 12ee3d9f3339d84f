"""The daily byte budget of active tests, which survives a restart: bytes are booked before they are spent."""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import zoneinfo
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
DAYS_KEPT = 8
"""Past and (after a clock that was wrong) future days remembered, so that setting the clock does not buy another day."""

FADING = 0.9
"""What is left of a remembered overshoot after each test that had less."""


class Budget:
    """Spent octets by day of the site's time zone; one object for all tests of an agent, which also take turns by it.

    Attributes:
        turn: held while a test runs.
        overshoot: octets by which a direction moved more than it was allowed, by target; what was once, fades.
    """

    def __init__(self, file: Path | None, timezone: str) -> None:
        self._file = file
        self._zone = zoneinfo.ZoneInfo(timezone)
        self._spent: dict[str, int] = {}
        self.overshoot: dict[str, int] = {}
        self.turn = asyncio.Lock()
        if file is not None and file.exists():
            with suppress(OSError, ValueError, TypeError, AttributeError, LookupError, OverflowError):
                held = json.loads(file.read_text(encoding="utf-8"))
                self._spent = {str(day): max(0, int(octets)) for day, octets in held["spent"].items()}
                self.overshoot = {str(name): max(0, int(octets)) for name, octets in held["overshoot"].items()}

    def local(self, now: float) -> datetime.datetime:
        """A moment (seconds since 1970) on the site's clock."""
        return datetime.datetime.fromtimestamp(now, self._zone)

    def spent(self, now: float) -> int:
        """Octets booked on the day of that moment."""
        return self._spent.get(self._day(now), 0)

    def book(self, octets: int, now: float) -> None:
        """Add to (or, negative, give back to) the day of that moment, and write it down before returning."""
        day = self._day(now)
        self._spent[day] = max(0, self._spent.get(day, 0) + octets)
        self._spent = dict(sorted(self._spent.items())[-DAYS_KEPT:])
        self._save()

    def learn(self, target: str, beyond: int) -> None:
        """Remember by how much a test of a target moved more than allowed; what is booked next writes it down."""
        self.overshoot[target] = max(int(FADING * self.overshoot.get(target, 0)), beyond, 0)

    def _save(self) -> None:
        if self._file is None:
            return
        temporary = self._file.with_suffix(".new")
        try:
            temporary.write_text(json.dumps({"spent": self._spent, "overshoot": self.overshoot}), encoding="utf-8")
            temporary.replace(self._file)
        except OSError as error:
            log.warning("byte budget not saved", extra={"file": str(self._file), "error": error.strerror})

    def _day(self, now: float) -> str:
        return self.local(now).date().isoformat()

    async def close(self) -> None:
        """Nothing is held open."""
