"""Moves samples between stores: from memory to disk, out of a damaged file, and by hand on a stick.

A file for carrying is a whole database of the spool's own form. Rows that it holds are withheld from the line, but stay
on the site's disk until they are too old, for the case that the stick is lost.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from agent.forward import packing
from agent.forward.database import open_to_read
from agent.forward.store import SCHEMA, Store

_CARRIED = "carried:"  # eight characters, which `release` leaves out
MOST = 2**34
"""Bytes: a length beyond them is damage too."""
_COLUMNS = "form, lane, boot, carried, first, last, samples, body"


def adopt(into: Store, other: Store) -> None:
    """Take over every row of another store, in one transaction."""
    rows = other.db.execute(f"SELECT {_COLUMNS} FROM row ORDER BY id")  # noqa: S608  constants
    _take(into, other, rows)


def salvage(into: Store, damaged: Path) -> int:
    """Take over what can still be read of a damaged file; how many rows that is."""
    try:
        _lengthen(damaged)
        other = Store(damaged, check=False)
    except (sqlite3.Error, OSError):
        return 0
    try:
        return rescue(into, other)
    finally:
        other.close()


def _lengthen(damaged: Path) -> None:
    """Give a file that was cut off its length again: SQLite reads nothing of one that is shorter than its header says."""
    with damaged.open("rb+") as handle:
        head = handle.read(100)
        if head.startswith(b"SQLite format 3\0"):
            pages = int.from_bytes(head[28:32], "big")
            length = pages * int.from_bytes(head[16:18], "big")
            if handle.seek(0, os.SEEK_END) < length <= MOST:
                handle.truncate(length)


def rescue(into: Store, damaged: Store) -> int:
    """Take over every row of a damaged store that can still be read; how many rows that is."""
    try:
        return _take(into, damaged, _readable(damaged))
    except sqlite3.Error:
        return 0


def _readable(store: Store) -> Iterator[tuple[Any, ...]]:
    """Each row by its number, so that a damaged page costs only the rows on it."""
    last = 0
    for query in ("SELECT MAX(id) FROM row", "SELECT seq FROM sqlite_sequence WHERE name = 'row'"):
        try:
            last = max(last, int(store.db.execute(query).fetchone()[0] or 0))
        except (sqlite3.Error, TypeError):
            continue
    for number in range(1, last + 1):
        try:
            row = store.db.execute(f"SELECT {_COLUMNS} FROM row WHERE id = ?", (number,)).fetchone()  # noqa: S608
        except sqlite3.Error:
            continue
        if row is not None:
            yield row


def _take(into: Store, other: Store, rows: Iterable[tuple[Any, ...]]) -> int:
    count = 0
    with into.db:
        into.db.execute("BEGIN IMMEDIATE")
        for form, lane, boot, carried, first, last, _, body in rows:
            try:
                columns = packing.unpack(form, body)
            except packing.DamagedError:
                continue
            known = {number: column for number, column in columns.items() if number in other.described}
            own = {into.number(other.described[number]): column for number, column in known.items()}
            samples = sum(len(times) for times, _ in own.values())
            if not samples:
                continue
            if form == packing.BLOCK:
                again = packing.pack_block(own)
            else:
                again = packing.pack_fresh((number, values[0]) for number, (_, values) in own.items())
            into.insert(form, lane, boot, first, last, samples, again)
            if carried is not None:
                into.db.execute("UPDATE row SET carried = ? WHERE id = last_insert_rowid()", (carried,))
            count += 1
    return count


def copy_to(store: Store, path: Path) -> None:
    """Write the whole store to a file of its own, complete on return (the caller makes it durable)."""
    target = sqlite3.connect(path)
    try:
        store.db.backup(target)
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()


def fold(path: Path) -> None:
    """Move what is in a file's write-ahead log into the file."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = DELETE")


def copy_from(store: Store, path: Path) -> None:
    """Take over everything from a file that `copy_to` wrote, also from a disk that cannot be written."""
    with contextlib.closing(open_to_read(path)) as source:
        source.backup(store.db)
    store.check()
    store.db.executescript(SCHEMA)
    store.forget_numbers()


def carry(store: Store, name: str, leave: Iterable[int] = ()) -> int:
    """Withhold all rows of known time but `leave` from the line, since they go into the file `name`; how many samples that is."""
    with store.db:
        store.db.execute("BEGIN IMMEDIATE")
        store.db.execute("UPDATE row SET carried = ? WHERE carried IS NULL AND boot IS NULL", (name,))
        store.db.executemany("UPDATE row SET carried = NULL WHERE id = ? AND carried = ?", ((row, name) for row in leave))
        return int(store.db.execute("SELECT SUM(samples) FROM row WHERE carried = ?", (name,)).fetchone()[0] or 0)


def confirm(store: Store, name: str) -> None:
    """The file `name` is safe: what it holds stays withheld."""
    store.set_note(f"{_CARRIED}{name}", "1")


def release(store: Store, *, confirmed: bool = True) -> int:
    """Send what was carried by the line after all; how many samples that is.

    Args:
        store: where.
        confirmed: also what is in a file that was once safe (the stick was lost); else only what never became a file.
    """
    doomed = "carried IS NOT NULL" if confirmed else "carried NOT IN (SELECT substr(key, 9) FROM note)"
    with store.db:
        store.db.execute("BEGIN IMMEDIATE")
        samples = store.db.execute(f"SELECT SUM(samples) FROM row WHERE {doomed}").fetchone()[0]  # noqa: S608  constants
        store.db.execute(f"UPDATE row SET carried = NULL WHERE {doomed}")  # noqa: S608
    return int(samples or 0)
