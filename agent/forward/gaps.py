"""The ledger of intervals without data: each has a reason, so that silence in a graph is explained.

The agent notes every few seconds that it is alive. What lies between the last such note and the next start was the
agent stopped, the machine off, or the power lost; what lies between two ticks that the processor slept through was
suspend; what the receiver refused or the spool had to drop is told by those who did it. Times are kept on the
monotonic clock of their boot until true time is known, as in the spool.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent import selfmon
from agent.clock import TrueClock
from collectors.model import Observations

log = logging.getLogger(__name__)
FILE = "gaps.db"
REASONS = ("agent_stopped", "machine_off", "power_lost", "suspended", "refused", "expired")
SHORTEST = 1.0
SHORTEST_SUSPEND = 5.0
TOGETHER = 600.0
"""Losses for one reason that are less than this many seconds apart are one gap."""
KEPT = 400 * 86400.0
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
    """

    def __init__(
        self,
        directory: Path | None,
        clock: TrueClock,
        boot: str,
        *,
        suspended: Callable[[], float] = suspended_seconds,
        power_lost: Callable[[], bool | None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._boot = boot
        self._suspended = suspended
        self._slept = suspended()
        self._power_lost = power_lost
        self._lock = threading.Lock()
        self._db = _open(None if directory is None else directory / FILE)
        self._known: float | None = None

    def begin(self) -> None:
        """At the start: explain the time since the agent was last alive."""
        with self._lock:
            row = self._db.execute("SELECT note FROM alive").fetchone()
            if row is not None:
                self._explain(_Alive(**json.loads(row[0])))
            self._db.execute("DELETE FROM gap WHERE end_boot IS NULL AND end < ?", (self._clock.true() - KEPT,))
            self._alive(clean=False)

    def _explain(self, last: _Alive) -> None:
        now = self._clock.monotonic()
        if last.boot == self._boot:
            if now - last.monotonic >= SHORTEST:
                self._insert(last.monotonic, self._boot, now, self._boot, "agent_stopped", "")
            return
        self._settle(last)
        unclean = self._power_lost()
        lost = not last.clean if unclean is None else unclean
        begin = last.monotonic + (last.wall_base if last.base is None else last.base)
        self._insert(begin, None, now, self._boot, "power_lost" if lost else "machine_off", "")

    def _insert(self, *values: float | str | None) -> None:
        self._db.execute(
            "INSERT INTO gap(begin, begin_boot, end, end_boot, reason, detail) VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )

    def _settle(self, last: _Alive) -> None:
        """What was left on an earlier boot's clock gets that boot's best known time."""
        base = last.wall_base if last.base is None else last.base
        for side in ("begin", "end"):
            self._db.execute(
                f"UPDATE gap SET {side} = {side} + ?, {side}_boot = NULL WHERE {side}_boot = ?",  # noqa: S608  constants
                (base, last.boot),
            )

    def _resolve(self) -> None:
        base = self._clock.base
        if base is None or base == self._known:
            return
        self._known = base
        for side in ("begin", "end"):
            self._db.execute(
                f"UPDATE gap SET {side} = {side} + ?, {side}_boot = NULL WHERE {side}_boot = ?",  # noqa: S608  constants
                (base, self._boot),
            )

    def _alive(self, *, clean: bool) -> None:
        note = _Alive(self._boot, self._clock.monotonic(), self._clock.base, self._clock.wall_base, clean)
        self._db.execute("INSERT OR REPLACE INTO alive VALUES (1, ?)", (json.dumps(asdict(note)),))

    def tick(self) -> None:
        """Every few seconds: note that the agent lives, and notice suspend."""
        with self._lock:
            slept = self._suspended()
            if slept - self._slept >= SHORTEST_SUSPEND:
                now = self._clock.monotonic()
                self._insert(now - (slept - self._slept), self._boot, now, self._boot, "suspended", "")
                self._known = None
            self._slept = slept
            self._resolve()
            self._alive(clean=False)

    def lost(self, reason: str, begin: float, end: float, detail: str = "") -> None:
        """Samples of an interval (seconds since 1970) will never reach the province; callable from any thread."""
        with self._lock:
            row = self._db.execute(
                "SELECT id, begin, end FROM gap WHERE reason = ? AND begin_boot IS NULL AND end_boot IS NULL"
                " AND begin <= ? AND end >= ? ORDER BY id DESC LIMIT 1",
                (reason, end + TOGETHER, begin - TOGETHER),
            ).fetchone()
            if row is None:
                self._insert(begin, None, end, None, reason, detail)
            else:
                merged = (min(begin, row[1]), max(end, row[2]), row[0])
                self._db.execute("UPDATE gap SET begin = ?, end = ? WHERE id = ?", merged)

    def gaps(self, since: float = 0.0) -> list[Gap]:
        """The gaps that ended after `since` (seconds since 1970), oldest first."""
        with self._lock:
            self._resolve()
            here = self._clock.wall_base if self._clock.base is None else self._clock.base
            rows = self._db.execute("SELECT begin, begin_boot, end, end_boot, reason, detail FROM gap").fetchall()
        found = [
            Gap(begin + here * (begin_boot is not None), end + here * (end_boot is not None), reason, detail)
            for begin, begin_boot, end, end_boot, reason, detail in rows
        ]
        return sorted((gap for gap in found if gap.end > since), key=lambda gap: gap.begin)

    def report(self, found: Observations) -> None:
        """What has come to the ledger since the last report, per reason; the state adds it up and keeps it."""
        grown = dict.fromkeys(REASONS, 0.0)
        with self._lock:
            self._resolve()
            rows = self._db.execute(
                "SELECT id, reason, end - begin, counted FROM gap"
                " WHERE begin_boot IS NULL AND end_boot IS NULL AND end - begin > counted"
            ).fetchall()
            for number, reason, seconds, counted in rows:
                grown[reason] = grown.get(reason, 0.0) + seconds - counted
                self._db.execute("UPDATE gap SET counted = ? WHERE id = ?", (seconds, number))
        for reason, seconds in grown.items():
            found.add(selfmon.GAP_SECONDS, seconds, reason)

    def end(self) -> None:
        """A clean stop."""
        with self._lock:
            self._resolve()
            self._alive(clean=True)
            self._db.close()


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if path is None:
            raise
        aside = path.with_suffix(".damaged")
        log.error(
            "gap ledger cannot be used, started anew", extra={"file": str(path), "kept_as": str(aside), "error": str(error)}
        )
    try:
        path.replace(aside)
        return _connect(path)
    except (OSError, sqlite3.Error):
        return _connect(None)


def _connect(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.executescript(_SCHEMA)
    except BaseException:
        database.close()
        raise
    return database


def read(path: Path, since: float = 0.0) -> list[Gap]:
    """The gaps in the file of an agent that does not run.

    Raises:
        sqlite3.Error: the file is not there or is no ledger.
    """
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        row = database.execute("SELECT note FROM alive").fetchone()
        last = _Alive(**json.loads(row[0])) if row is not None else None
        here = 0.0 if last is None else last.wall_base if last.base is None else last.base
        rows: list[tuple[Any, ...]] = database.execute(
            "SELECT begin, begin_boot, end, end_boot, reason, detail FROM gap"
        ).fetchall()
    finally:
        database.close()
    found = [
        Gap(begin + here * (bb is not None), end + here * (eb is not None), reason, text)
        for begin, bb, end, eb, reason, text in rows
    ]
    return sorted((gap for gap in found if gap.end > since), key=lambda gap: gap.begin)
