"""One SQLite database of samples that wait for the province: rows in, rows out, nothing about threads or time.

A transaction is on the disk before `append` returns (write-ahead log, synchronous=FULL), so that neither kill -9 nor a
power cut takes back what was acknowledged. The same code on `:memory:` holds what a full or read-only disk cannot
take, and everything where flash is to be spared.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from agent.forward import packing
from agent.forward.database import Database
from agent.forward.packing import Columns
from agent.forward.samples import Batch, Column, Description, Expired, Moment, Row, Totals, in_order, merge

BLOCK_SAMPLES = 8192
"""Samples of a block, and so of the largest request: some 50 KB, seconds on a thin line."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS boot(id TEXT PRIMARY KEY, base REAL, wall_base REAL NOT NULL);
CREATE TABLE IF NOT EXISTS series(id INTEGER PRIMARY KEY, labels TEXT UNIQUE NOT NULL, metadata TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS row(
    id INTEGER PRIMARY KEY AUTOINCREMENT, form INTEGER NOT NULL, lane INTEGER NOT NULL, boot TEXT, carried TEXT,
    first INTEGER NOT NULL, last INTEGER NOT NULL, samples INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS row_by_time ON row(first);
CREATE TABLE IF NOT EXISTS note(key TEXT PRIMARY KEY, value TEXT NOT NULL);
PRAGMA user_version = 1;
"""


class Store:
    """An open database. Every method may raise `sqlite3.Error`; the caller decides what that means."""

    def __init__(self, path: Path | None, *, check: bool = True) -> None:
        self.path = path
        self._numbers: dict[Description, int] = {}
        self.described: dict[int, Description] = {}
        self.db = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=5.0, factory=Database
        )
        try:
            self.db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = FULL")
            self.db.execute("PRAGMA journal_size_limit = 1048576")
            self.db.execute("PRAGMA cache_size = -512")
            if check:
                self.check()
            self.db.executescript(SCHEMA)
            self._load_series(check=check)
        except BaseException:
            self.db.close()
            raise

    def check(self) -> None:
        """Raise `sqlite3.DatabaseError` where the file is damaged."""
        verdict = self.db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            message = f"damaged: {verdict}"
            raise sqlite3.DatabaseError(message)

    def _load_series(self, *, check: bool = True) -> None:
        for number, labels, metadata in self.db.execute("SELECT id, CAST(labels AS BLOB), CAST(metadata AS BLOB) FROM series"):
            try:
                description = Description(tuple((name, value) for name, value in json.loads(labels)), *json.loads(metadata))
            except (ValueError, TypeError) as error:
                if check:
                    message = f"damaged: series {number}: {error}"
                    raise sqlite3.DatabaseError(message) from None
                continue
            self._numbers[description] = number
            self.described[number] = description

    def close(self) -> None:
        """Close; the write-ahead log is folded into the file."""
        self.db.close()

    def append(self, rows: Iterable[Row]) -> None:
        """Write rows in one transaction; on return they are on the disk."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            for row in rows:
                body = packing.pack_fresh((self.number(description), value) for description, value in row.values)
                self.insert(packing.FRESH, row.lane, row.boot, row.first, row.first, len(row.values), body)

    def insert(self, *values: int | str | bytes | None) -> None:
        """Add a row (form, lane, boot, first, last, samples, body); to be called inside a transaction."""
        self.db.execute(
            "INSERT INTO row(form, lane, boot, first, last, samples, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            values,
        )

    def number(self, description: Description) -> int:
        """The number of a series, new or known; to be called inside a transaction."""
        number = self._numbers.get(description)
        if number is None:
            labels = json.dumps(description.labels, ensure_ascii=False, separators=(",", ":"))
            metadata = [description.type, description.family, description.help, description.unit]
            text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
            self.db.execute("INSERT OR IGNORE INTO series(labels, metadata) VALUES (?, ?)", (labels, text))
            number = int(self.db.execute("SELECT id FROM series WHERE labels = ?", (labels,)).fetchone()[0])
            self._numbers[description] = number
            self.described[number] = description
        return number

    def forget_numbers(self) -> None:
        """Read the dictionary of series anew, after a transaction that may have been rolled back."""
        self._numbers.clear()
        self.described.clear()
        self._load_series()

    def fetch(self, *, since: int | None, before: int | None, lane: int, limit: int, skip: Collection[int] = ()) -> Batch:
        """Rows to send, oldest first, at least one and at most about `limit` samples.

        Args:
            since: only rows whose last sample is not older (milliseconds since 1970).
            before: only rows whose last sample is older.
            lane: only rows of this lane and above.
            limit: samples.
            skip: rows to leave out.
        """
        query = "SELECT id, form, first, body, samples FROM row WHERE boot IS NULL AND carried IS NULL AND lane >= ?"
        query += " AND last >= ? AND last < ? ORDER BY first, id"
        bounds = (lane, -(2**62) if since is None else since, 2**62 if before is None else before)
        batch = Batch()
        found: dict[int, Column] = {}
        count = 0
        for row, form, first, body, samples in self.db.execute(query, bounds):
            if row in skip:
                continue
            if count and count + samples > limit:
                break
            count += samples
            batch.rows.append(row)
            merge(found, first, packing.unpack(form, body))
        for number, (times, values) in found.items():
            if number not in self.described:
                message = f"samples of the unknown series {number}"
                raise packing.DamagedError(message)
            batch.columns[self.described[number]] = in_order(times, values)
        return batch

    def oldest(self) -> Moment | None:
        """When the first row of the latest clock is from, None without any."""
        row = self.db.execute("SELECT boot, first FROM row ORDER BY boot IS NULL, first LIMIT 1").fetchone()
        return None if row is None else Moment(*row)

    def delete(self, rows: Iterable[int]) -> None:
        """Drop rows whose samples the receiver has (or will never take)."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.executemany("DELETE FROM row WHERE id = ?", ((row,) for row in rows))

    def compact(self, before: int, *, enough: int = BLOCK_SAMPLES) -> bool:
        """Rewrite the oldest fresh rows as one block if they are `enough` samples; tell whether there was something to do."""
        rows = self.db.execute(
            "SELECT id, first, body, samples FROM row WHERE form = 0 AND boot IS NULL AND carried IS NULL AND last < ?"
            " ORDER BY first, id LIMIT ?",
            (before, BLOCK_SAMPLES),
        )
        found: dict[int, Column] = {}
        ids: list[tuple[int]] = []
        begin, end, count = 0, 0, 0
        for row, first, body, samples in rows:
            if ids and (count + samples > BLOCK_SAMPLES or first - begin >= 2**32):
                break
            begin = begin if ids else first
            end, count = first, count + samples
            ids.append((row,))
            merge(found, first, packing.unpack_fresh(body))
        if count < enough // 2 or len(ids) < 2:
            return False
        columns: Columns = {}
        for number in sorted(found):
            times, values = in_order(*found[number])
            columns[number] = ([time - begin for time in times], values)
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            total = sum(len(times) for times, _ in columns.values())
            self.insert(packing.BLOCK, 0, None, begin, end, total, packing.pack_block(columns))
            self.db.executemany("DELETE FROM row WHERE id = ?", ids)
        return True

    def trim(self, max_bytes: int, oldest: int | None) -> list[Expired]:
        """Drop rows that ended before `oldest` (milliseconds since 1970), then the oldest ones until `max_bytes` hold the rest.

        Returns:
            What was dropped on the clock of each boot; what was carried by hand is not lost.
        """
        dropped: dict[str | None, Expired] = {}
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            while True:
                too_big = self.used_bytes() > max_bytes
                where = "" if too_big else "WHERE last < ? AND boot IS NULL "
                chunk = self.db.execute(
                    f"SELECT id, boot, carried, samples, first, last FROM row {where}"  # noqa: S608  constants
                    "ORDER BY boot IS NOT NULL, first, id LIMIT 16",
                    () if too_big else (-(2**62) if oldest is None else oldest,),
                ).fetchall()
                if not chunk:
                    break
                self.db.executemany("DELETE FROM row WHERE id = ?", ((row[0],) for row in chunk))
                for _, boot, carried, samples, first, last in chunk:
                    if carried is None:
                        so_far = dropped.get(boot, Expired(0, first, last, boot))
                        dropped[boot] = Expired(so_far.samples + samples, min(so_far.first, first), max(so_far.last, last), boot)
            self.db.execute("PRAGMA incremental_vacuum(256)").fetchall()
        return list(dropped.values())

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            self.db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def totals(self) -> Totals:
        """What waits to be sent."""
        samples, oldest = self.db.execute("SELECT SUM(samples), MIN(first) FROM row WHERE carried IS NULL").fetchone()
        known = self.db.execute("SELECT MIN(first) FROM row WHERE carried IS NULL AND boot IS NULL").fetchone()[0]
        return Totals(int(samples or 0), known if oldest is not None else None, self.used_bytes())

    def untimed(self) -> int:
        """How many samples wait for their true time."""
        return int(self.db.execute("SELECT SUM(samples) FROM row WHERE boot IS NOT NULL").fetchone()[0] or 0)

    def __len__(self) -> int:
        """How many series the dictionary holds."""
        return len(self._numbers)

    def prune(self) -> None:
        """Forget series that no row needs, after much has been delivered (only when nothing waits)."""
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            if self.db.execute("SELECT COUNT(*) FROM row").fetchone()[0] == 0:
                self.db.execute("DELETE FROM series")
                self._numbers.clear()
                self.described.clear()

    # The clocks of boots.

    def set_boot(self, boot: str, base: float | None, wall_base: float) -> None:
        """Note how `boot`'s monotonic clock relates to UTC; with `base` known, its rows get their true times.

        Args:
            boot: the kernel's identifier of this boot.
            base: true time minus monotonic time in seconds, None while there is no reference.
            wall_base: wall clock minus monotonic time, the last resort.
        """
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            self.db.execute(
                "INSERT INTO boot VALUES (?, ?, ?) ON CONFLICT(id) DO UPDATE SET base = COALESCE(excluded.base, base),"
                " wall_base = excluded.wall_base",
                (boot, base, wall_base),
            )
            if base is not None:
                self._shift(boot, base, None)

    def settle(self, present: str, wall_base: float) -> tuple[int, int]:
        """Give rows of earlier boots the best times that can still be known; to be called first with the present boot's first `wall_base`.

        A boot with a reference of its own has true times. One without has its wall clock, which ran on while the machine
        was off: its rows are told in the present boot's monotonic time by it, and get their true times together with
        the present boot's. Where the wall clock went back (a dead battery), nothing but the order of the boots is known,
        and the rows are put right before the present boot: they cannot be later.

        Returns:
            How many samples wait for the present boot's reference now, and how many of those could only be put in order.
        """
        by_wall = in_order = 0
        with self.db:
            self.db.execute("BEGIN IMMEDIATE")
            found = self.db.execute(
                "SELECT id, base, wall_base FROM boot WHERE id != ? ORDER BY rowid DESC", (present,)
            ).fetchall()
            for boot, base, wall in found:
                if base is not None:
                    self._shift(boot, base, None)
                    continue
                count, last = self.db.execute("SELECT SUM(samples), MAX(last) FROM row WHERE boot = ?", (boot,)).fetchone()
                if count is None:
                    continue
                shift = wall - wall_base
                if last + shift * 1000 > 0:
                    shift = -last / 1000
                    in_order += count
                by_wall += count
                self._shift(boot, shift, present)
            self.db.execute("DELETE FROM boot WHERE id != ?", (present,))
        return by_wall, in_order

    def _shift(self, boot: str, base: float, to: str | None) -> None:
        shift = round(base * 1000)
        self.db.execute("UPDATE row SET boot = ?, first = first + ?, last = last + ? WHERE boot = ?", (to, shift, shift, boot))

    # Small facts that must outlive the process.

    def note(self, key: str) -> str | None:
        """A fact noted earlier."""
        row = self.db.execute("SELECT value FROM note WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_note(self, key: str, value: str) -> None:
        """Note a fact."""
        self.db.execute("INSERT OR REPLACE INTO note VALUES (?, ?)", (key, value))
