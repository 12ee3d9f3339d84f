"""The ledger of intervals without data: each has a reason, so that silence in a graph is explained.

The agent notes every few seconds that it is alive. What lies between the last such note and the next start was the
agent stopped, the machine off, or the power lost; what lies between two ticks that the processor slept through was
suspend; what the receiver refused or the spool had to drop is told by those who did it. Times are kept on the
monotonic clock of their boot until true time is known, as in the spool.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from sqlite3 import Connection

from agent import selfmon
from agent.clock import TrueClock
from agent.forward.keeper import Keeper, open_to_read
from collectors.model import Observations

FILE = "gaps.db"
REASONS = ("agent_stopped", "machine_off", "power_lost", "suspended", "refused", "expired")
SHORTEST = 1.0
SHORTEST_SUSPEND = 5.0
TOGETHER = 600.0
"""Losses for one reason that are less than this many seconds apart are one gap."""
KEPT = 400 * 86400.0
_ABSENT = "reason IN ('agent_stopped', 'machine_off', 'power_lost', 'suspended') AND begin_boot IS NULL AND end_boot IS NULL"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS gap(
    id INTEGER PRIMARY KEY, begin REAL NOT NULL, begin_boot TEXT, end REAL NOT NULL, end_boot TEXT,
    reason TEXT NOT NULL, detail TEXT NOT NULL, counted REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS alive(id INTEGER PRIMARY KEY CHECK (id = 1), note TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """One interval without data, in seconds since 1970."""

    begin: float
    end: float
    reason: str
    detail: str = ""

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class _Alive:
    boot: str
    monotonic: float
    base: float | None
    wall_base: float
    clean: bool


def suspended_seconds() -> float:
    """Time that this computer has slept since its boot; 0 where the system does not tell."""
    if sys.platform == "linux":
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC))
    return 0.0


class Ledger:
    """The gaps of one agent.

    Args:
        directory: the state directory; None remembers only this process's gaps.
        clock: the agent's clock.
        boot: what tells this boot from others.
        suspended: time slept since the boot.
        power_lost: asks the system whether the last boot ended without a shutdown; None where it does not know.
        note_every: seconds between notes on the disk that the agent lives, where flash is to be spared.
    """

    def __init__(
        self,
        directory: Path | None,
        clock: TrueClock,
        boot: str,
        *,
        suspended: Callable[[], float] = suspended_seconds,
        power_lost: Callable[[], bool | None] = lambda: None,
        note_every: float = 0.0,
    ) -> None:
        self._clock = clock
        self._boot = boot
        self._suspended = suspended
        self._slept = suspended()
        self._power_lost = power_lost
        self._note_every = note_every
        self._noted = float("-inf")
        self._kept = Keeper(None if directory is None else directory / FILE, _SCHEMA)

    def begin(self) -> None:
        """At the start: explain the time since the agent was last alive."""
        self._kept.write(self._begin)

    def _begin(self, db: Connection) -> None:
        row = db.execute("SELECT note FROM alive").fetchone()
        if row is not None:
            self._explain(db, _Alive(**json.loads(row[0])))
        self._alive(db, clean=False)

    def _explain(self, db: Connection, last: _Alive) -> None:
        now = self._clock.monotonic()
        if last.boot == self._boot:
            if now - last.monotonic >= SHORTEST:
                _insert(db, last.monotonic, self._boot, now, self._boot, "agent_stopped", "")
            return
        shift, boot = self._settle(db, last)
        unclean = self._power_lost()
        lost = not last.clean if unclean is None else unclean
        _insert(db, last.monotonic + shift, boot, now, self._boot, "power_lost" if lost else "machine_off", "")

    def _settle(self, db: Connection, last: _Alive) -> tuple[float, str | None]:
        """What was left on an earlier boot's clock gets that boot's time, or waits for the present boot's (`Store.settle`).

        Returns:
            What to add to the earlier boot's monotonic time, and whose it is then: None for true time.
        """
        shift, boot = last.base, None
        if shift is None:
            shift, boot = min(last.wall_base - self._clock.wall_base, -last.monotonic), self._boot
        for side in ("begin", "end"):
            db.execute(
                f"UPDATE gap SET {side} = {side} + ?, {side}_boot = ? WHERE {side}_boot = ?",  # noqa: S608  constants
                (shift, boot, last.boot),
            )
        return shift, boot

    def _resolve(self, db: Connection) -> None:
        base = self._clock.base
        if base is None:
            return
        for side in ("begin", "end"):
            db.execute(
                f"UPDATE gap SET {side} = {side} + ?, {side}_boot = NULL WHERE {side}_boot = ?",  # noqa: S608  constants
                (base, self._boot),
            )

    def _alive(self, db: Connection, *, clean: bool) -> None:
        note = _Alive(self._boot, self._clock.monotonic(), self._clock.base, self._clock.wall_base, clean)
        db.execute("INSERT OR REPLACE INTO alive VALUES (1, ?)", (json.dumps(asdict(note)),))

    def tick(self) -> None:
        """Every few seconds: note that the agent lives, and notice suspend."""
        slept, now = self._suspended(), self._clock.monotonic()
        if slept - self._slept < SHORTEST_SUSPEND and now - self._noted < self._note_every:
            return
        self._kept.write(lambda db: self._tick(db, slept - self._slept))
        self._slept, self._noted = slept, now

    def _tick(self, db: Connection, slept: float) -> None:
        if slept >= SHORTEST_SUSPEND:
            now = self._clock.monotonic()
            _insert(db, now - slept, self._boot, now, self._boot, "suspended", "")
        self._resolve(db)
        if self._clock.base is not None:
            db.execute("DELETE FROM gap WHERE end_boot IS NULL AND end < ?", (self._clock.true() - KEPT,))
        self._alive(db, clean=False)

    def lost(self, reason: str, begin: float, end: float, detail: str = "") -> None:
        """Samples of an interval (seconds since 1970) will never reach the province; callable from any thread."""
        self._kept.write(lambda db: self._lost(db, reason, begin, end, detail))

    def _lost(self, db: Connection, reason: str, begin: float, end: float, detail: str) -> None:
        self._resolve(db)
        rows = db.execute(
            f"SELECT begin, end FROM gap WHERE {_ABSENT} AND begin < ? AND end > ? ORDER BY begin",  # noqa: S608  constants
            (end + TOGETHER, begin - TOGETHER),
        ).fetchall()
        for absent_begin, absent_end in rows:  # explained already: a second has one reason
            if begin < absent_begin < end:
                self._extend(db, reason, begin, absent_begin, detail)
            begin = max(begin, absent_end) if absent_begin < end else begin
        if begin < end or not rows:
            self._extend(db, reason, begin, end, detail)

    def _extend(self, db: Connection, reason: str, begin: float, end: float, detail: str) -> None:
        """A longer gap where there is one of that reason close by, else a new one."""
        row = db.execute(
            "SELECT id, begin, end FROM gap AS other WHERE reason = ? AND begin_boot IS NULL AND end_boot IS NULL"  # noqa: S608
            " AND begin <= ? AND end >= ? AND NOT EXISTS"
            f" (SELECT 1 FROM gap WHERE {_ABSENT} AND begin < MAX(?, other.end) AND end > MIN(?, other.begin))"
            " ORDER BY id DESC LIMIT 1",
            (reason, end + TOGETHER, begin - TOGETHER, end, begin),
        ).fetchone()
        if row is None:
            _insert(db, begin, None, end, None, reason, detail)
        else:
            merged = (min(begin, row[1]), max(end, row[2]), row[0])
            db.execute("UPDATE gap SET begin = ?, end = ? WHERE id = ?", merged)

    def gaps(self, since: float = 0.0) -> list[Gap]:
        """The gaps that ended after `since` (seconds since 1970), oldest first."""
        here = self._clock.wall_base if self._clock.base is None else self._clock.base

        def found(db: Connection) -> list[Gap]:
            self._resolve(db)
            return _gaps(db, here, since)

        return self._kept.write(found)

    def report(self, found: Observations) -> None:
        """What has come to the ledger since the last report, per reason; the state adds it up and keeps it."""
        for reason, seconds in self._kept.write(self._grown).items():
            found.add(selfmon.GAP_SECONDS, seconds, reason)

    def _grown(self, db: Connection) -> dict[str, float]:
        self._resolve(db)
        grown = dict.fromkeys(REASONS, 0.0)
        rows = db.execute(
            "SELECT id, reason, end - begin, counted FROM gap"
            " WHERE begin_boot IS NULL AND end_boot IS NULL AND end - begin > counted"
        ).fetchall()
        for number, reason, seconds, counted in rows:
            grown[reason] = grown.get(reason, 0.0) + seconds - counted
            db.execute("UPDATE gap SET counted = ? WHERE id = ?", (seconds, number))
        return grown

    def end(self) -> None:
        """A clean stop."""

        def last(db: Connection) -> None:
            self._resolve(db)
            self._alive(db, clean=True)

        self._kept.close(last)


def _insert(db: Connection, *values: float | str | None) -> None:
    db.execute("INSERT INTO gap(begin, begin_boot, end, end_boot, reason, detail) VALUES (?, ?, ?, ?, ?, ?)", values)


def read(path: Path, since: float = 0.0) -> list[Gap]:
    """The gaps in the file of an agent that does not run.

    Raises:
        sqlite3.Error: the file is not there or is no ledger.
    """
    with contextlib.closing(open_to_read(path)) as db:
        row = db.execute("SELECT note FROM alive").fetchone()
        last = _Alive(**json.loads(row[0])) if row is not None else None
        return _gaps(db, 0.0 if last is None else last.wall_base if last.base is None else last.base, since)


def _gaps(db: Connection, here: float, since: float) -> list[Gap]:
    """Gaps that ended after `since`, oldest first; `here` is UTC minus the monotonic time in which some are still told."""
    rows = db.execute("SELECT begin, begin_boot, end, end_boot, reason, detail FROM gap")
    found = [
        Gap(begin + here * (begin_boot is not None), end + here * (end_boot is not None), reason, detail)
        for begin, begin_boot, end, end_boot, reason, detail in rows
    ]
    return sorted((gap for gap in found if gap.end > since), key=lambda gap: gap.begin)
