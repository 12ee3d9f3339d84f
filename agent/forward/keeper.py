"""A small database whose owner must not stop because a disk does: while its file cannot be written, memory stands in for it."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from agent.forward.database import Database, open_to_read

log = logging.getLogger(__name__)
RETRY_DISK = 60.0
T = TypeVar("T")


class Keeper:
    """One database, for any thread.

    Args:
        path: its file; None keeps everything in memory.
        schema: SQL that makes its tables where they are not there yet; may be run again and again.
    """

    def __init__(self, path: Path | None, schema: str) -> None:
        self._path = path
        self._schema = schema
        self._lock = threading.Lock()
        self._retry_at: float | None = None
        try:
            self._db = self._connect(path)
        except sqlite3.Error as error:
            self._db = self._in_memory(error, None)

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        database = sqlite3.connect(
            path or ":memory:", isolation_level=None, check_same_thread=False, timeout=5.0, factory=Database
        )
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA cache_size = -256")
            database.executescript(self._schema)
        except BaseException:
            database.close()
            raise
        return database

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do `work` in one transaction; what the file does not take is done again in memory, so it must bear being repeated."""
        with self._lock:
            self._to_disk()
            try:
                return self._transact(work)
            except sqlite3.Error as error:
                self._db = self._in_memory(error, self._db)
                return self._transact(work)

    def _transact(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return work(self._db)

    def _in_memory(self, error: sqlite3.Error, file: sqlite3.Connection | None) -> sqlite3.Connection:
        """What stands in for a file that cannot be used, with what can be read of it; a damaged one is set aside."""
        memory = self._connect(None)
        if self._path is None:
            return memory
        facts = {"file": str(self._path), "error": str(error)}
        if isinstance(error, sqlite3.OperationalError):
            self._retry_at = time.monotonic() + RETRY_DISK
            log.error("gap ledger cannot be written, holding it in memory", extra=facts)
            with contextlib.suppress(sqlite3.Error), contextlib.closing(file or open_to_read(self._path)) as readable:
                readable.backup(memory)
            memory.executescript(self._schema)
            return memory
        self._retry_at = 0.0
        aside = self._path.with_suffix(".damaged")
        log.error("gap ledger cannot be used, started anew", extra={**facts, "kept_as": str(aside)})
        if file is not None:
            file.close()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                Path(f"{self._path}{suffix}").replace(f"{aside}{suffix}")
        return memory

    def _to_disk(self) -> None:
        """Write what memory holds to the file, once that can be."""
        if self._retry_at is None or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_DISK
        with contextlib.suppress(sqlite3.Error), contextlib.ExitStack() as stack:
            file = stack.enter_context(contextlib.closing(self._connect(self._path)))
            self._db.backup(file)
            stack.pop_all()
            self._db.close()
            self._db, self._retry_at = file, None
            log.info("gap ledger is written again", extra={"file": str(self._path)})

    def close(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """The last transaction, on the disk where that can be, and the end."""
        if self._retry_at is not None:
            self._retry_at = 0.0
        self.write(work)
        self._db.close()
