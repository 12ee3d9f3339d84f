"""SQLite's connections as the spool and the ledger use them: whatever is wrong with a file is told as a `sqlite3.Error`.

Python makes an error's text of what SQLite says, and that quotes the file: where damage hit the names and statements of its
tables, it is no UTF-8, and in place of the error comes a UnicodeDecodeError, which no one who bears a damaged file expects.
"""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Database(sqlite3.Connection):
    """A connection; the `factory` of `sqlite3.connect`."""

    def execute(self, *statement: Any) -> sqlite3.Cursor:
        """As `sqlite3.Connection.execute`."""
        with _told():
            return super().execute(*statement)

    def executemany(self, *statement: Any) -> sqlite3.Cursor:
        """As `sqlite3.Connection.executemany`."""
        with _told():
            return super().executemany(*statement)

    def executescript(self, *script: Any) -> sqlite3.Cursor:
        """As `sqlite3.Connection.executescript`."""
        with _told():
            return super().executescript(*script)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError(error.object.decode(errors="replace")) from None


def open_to_read(path: Path) -> sqlite3.Connection:
    """A file as it is; also where nothing can be written beside it, as SQLite's log wants.

    Raises:
        sqlite3.Error: it is not there, or no database.
    """
    address = f"file:{urllib.parse.quote(str(path))}?mode=ro"
    database = sqlite3.connect(address, uri=True, factory=Database)
    try:
        database.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError:
        database.close()
        database = sqlite3.connect(f"{address}&immutable=1", uri=True, factory=Database)
    return database
