"""Where the spool's rows lie: on the disk while it can be written, else in memory, and back again.

A full or read-only disk, a damaged file, and routers whose flash must be spared are told apart here; the spool above
only appends, fetches and deletes. Everything here runs in the spool's one thread.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from agent.forward import carry
from agent.forward.samples import Batch, Expired, Moment, Row, Totals
from agent.forward.store import Store

log = logging.getLogger(__name__)
RETRY_DISK = 60.0
COMPACT_AFTER = 1_800_000
"""Milliseconds for which rows stay as they were written: most are delivered before."""
HEADROOM = 6 * 2**20
"""Bytes kept free under the bound for the write-ahead log."""
MEMORY_BYTES = 32 * 2**20
MANY_SERIES = 5000


class Disks:
    """The stores of one spool.

    Args:
        path: the file, None for memory only.
        checkpoint: None writes every row at once; seconds hold rows in memory and write the file that often.
    """

    def __init__(self, path: Path | None, max_bytes: int, checkpoint: float | None) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._checkpoint = checkpoint if path is not None else None
        self._written_at = time.monotonic()
        self._retry_at = 0.0
        self._disk: Store | None = None
        self._memory: Store | None = None
        self._gone: set[int] = set()
        self._damage: Exception | None = None
        self._boot: tuple[str, float | None, float] | None = None
        self.trouble: str | None = None
        """What is wrong with the disk, None when nothing is."""
        self.unsaved: Moment | None = None
        """Since when what waits is in memory alone, though there is a disk; None when nothing is."""

    def open(self) -> None:
        """Open the file, or memory in its place."""
        if self._path is None:
            self._memory = Store(None)
        elif self._checkpoint is not None:
            self._memory = Store(None)
            self._restore(self._path)
        else:
            try:
                self._disk = self._open_disk(self._path)
            except (sqlite3.Error, OSError) as error:
                self.fail(error)

    @property
    def stores(self) -> list[Store]:
        """The stores that hold something, the disk's first."""
        return [store for store in (self._disk, self._memory) if store is not None]

    def _restore(self, path: Path) -> None:
        """Begin with the last checkpoint, or with what can be read of it: the next one takes its place."""
        if self._memory is None or not path.exists():
            return
        try:
            carry.copy_from(self._memory, path)
        except (sqlite3.Error, OSError) as error:
            self._memory = Store(None)
            aside = path
            with contextlib.suppress(OSError):
                aside = self._set_aside(path, error)
            self._salvage(self._memory, aside)

    def _open_disk(self, path: Path) -> Store:
        """The file, or a new one with what can be read of it: also damage that only shows in use (`_damage`) counts."""
        try:
            if self._damage is None:
                return Store(path)
            aside = self._set_aside(path, self._damage)
            self._damage = None
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = self._set_aside(path, error)
        store = Store(path)
        self._salvage(store, aside)
        return store

    def _salvage(self, store: Store, aside: Path) -> None:
        rows = carry.salvage(store, aside)
        if rows:
            log.warning("readings saved from the damaged spool", extra={"rows": rows})

    def _set_aside(self, path: Path, error: Exception) -> Path:
        aside = path.with_suffix(".damaged")
        facts = {"file": str(path), "kept_as": str(aside), "error": str(error)}
        log.error("spool damaged, set aside and started anew", extra=facts)
        path.replace(aside)
        for suffix in ("-wal", "-shm"):
            Path(f"{aside}{suffix}").unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                Path(f"{path}{suffix}").replace(f"{aside}{suffix}")
        return aside

    def fail(self, error: Exception, store: Store | None = None) -> None:
        """The disk cannot be written or read: hold what comes in memory, and try again later.

        A damaged store (`store`, else the disk's) is given up for a new one with what can still be read of it.
        """
        if self.trouble is None:
            log.error("spool cannot be written, holding readings in memory", extra={"file": str(self._path), "error": str(error)})
        self.trouble = str(error)
        self._retry_at = time.monotonic() + RETRY_DISK
        if self._memory is None:
            self._memory = Store(None)
            self._tell_boot(self._memory)
        if isinstance(error, sqlite3.OperationalError | OSError):
            return
        if store is not None and store is self._memory:
            self._memory = Store(None)
            self._tell_boot(self._memory)
            carry.rescue(self._memory, store)
            store.close()
        elif self._disk is not None:
            self._damage = error
            self._disk.close()
            self._disk = None
            self._gone.clear()
            self._retry_at = 0.0

    def recover(self) -> None:
        """Move what memory holds to the disk, once the disk can be written again."""
        if self.trouble is None or self._path is None or self._checkpoint is not None or time.monotonic() < self._retry_at:
            return
        try:
            if self._disk is None:
                self._disk = self._open_disk(self._path)
                self._tell_boot(self._disk)
            if self._gone:
                self._disk.delete(self._gone)
                self._gone.clear()
            if self._memory is not None:
                carry.adopt(self._disk, self._memory)
                self._memory.close()
                self._memory = self.unsaved = None
        except (sqlite3.Error, OSError) as error:
            if self._disk is not None:
                self._disk.forget_numbers()
            self.fail(error)
        else:
            self.trouble = None
            log.info("spool is written again", extra={"file": str(self._path)})

    def append(self, rows: list[Row]) -> None:
        """Keep rows, on the disk where that can be."""
        self.recover()
        if self._disk is not None and self._memory is None:
            try:
                self._disk.append(rows)
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._disk.forget_numbers()
                self.fail(error)
            else:
                return
        if self._memory is not None:
            self._memory.append(rows)
            if self.unsaved is None and rows and self._path is not None:
                self.unsaved = Moment(rows[0].boot, rows[0].first)

    def fetch(self, *, since: int | None, before: int | None, lane: int, limit: int) -> tuple[Store, Batch] | None:
        """As `Store.fetch`, from the first store that has such rows."""
        for store in self.stores:
            skip: Iterable[int] = self._gone if store is self._disk else ()
            try:
                batch = store.fetch(since=since, before=before, lane=lane, limit=limit, skip=frozenset(skip))
            except (sqlite3.Error, ValueError) as error:
                self.fail(error, store)
                continue
            if batch.rows:
                return store, batch
        return None

    def delete(self, store: Store, rows: list[int]) -> None:
        """Drop rows; those that a full disk does not let go are left out from now on."""
        if store not in self.stores:
            return
        try:
            store.delete(rows)
        except sqlite3.Error as error:
            if store is self._disk:
                self._gone.update(rows)
            self.fail(error)
            return
        if store is self._memory and self.unsaved is not None:
            oldest = store.oldest()
            if oldest is None:
                self.unsaved = None
            elif oldest.boot == self.unsaved.boot:
                self.unsaved = max(self.unsaved, oldest)

    def maintain(self, now: int | None, max_age: float) -> list[Expired]:
        """Compact, trim and checkpoint as due; what was dropped at a bound.

        Args:
            now: milliseconds since 1970; None while nobody told the time: a wrong clock makes nothing old.
            max_age: seconds.
        """
        self.recover()
        dropped: list[Expired] = []
        for store in self.stores:
            limit = self._max_bytes if store is self._disk or self._checkpoint is not None else min(MEMORY_BYTES, self._max_bytes)
            try:
                while now is not None and store.compact(now - COMPACT_AFTER):
                    pass
                if len(store) > MANY_SERIES:
                    store.prune()
                dropped += store.trim(max(limit - HEADROOM, limit // 2), None if now is None else now - round(max_age * 1000))
            except (sqlite3.Error, ValueError) as error:
                self.fail(error, store)
        if self._checkpoint is not None and time.monotonic() - self._written_at >= self._checkpoint:
            self.write_checkpoint()
        return dropped

    def write_checkpoint(self) -> None:
        """Where flash is spared: the whole memory into a new file that then takes the old one's place."""
        if self._checkpoint is None or self._memory is None or self._path is None:
            return
        self._written_at = time.monotonic()
        temporary = self._path.with_suffix(".new")
        try:
            temporary.unlink(missing_ok=True)
            if Path(f"{self._path}-wal").exists():  # of a run that wrote every reading: SQLite would take it for the new file's
                carry.fold(self._path)
            carry.copy_to(self._memory, temporary)
            make_durable(temporary, self._path)
        except (sqlite3.Error, OSError) as error:
            self.fail(error)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)  # half a file would keep a full disk full
        else:
            self.trouble = self.unsaved = None

    def set_boot(self, boot: str, base: float | None, wall_base: float) -> None:
        """As `Store.set_boot`, for these stores and those opened later."""
        self._boot = (boot, base, wall_base)
        for store in self.stores:
            try:
                self._tell_boot(store)
            except sqlite3.Error as error:
                self.fail(error)

    def _tell_boot(self, store: Store) -> None:
        if self._boot is not None:
            boot, _, wall_base = self._boot
            waiting, in_order = store.settle(boot, wall_base)
            if waiting:
                log.warning(
                    "readings of an earlier boot whose time was never known: they wait for this one's",
                    extra={"samples": waiting, "of_them_only_put_before_this_boot": in_order},
                )
            store.set_boot(*self._boot)

    def totals(self) -> Totals:
        """What waits, over all stores."""
        found = []
        for store in self.stores:
            with contextlib.suppress(sqlite3.Error):
                found.append(store.totals())
        oldest = [one.oldest for one in found if one.oldest is not None]
        return Totals(sum(one.samples for one in found), min(oldest, default=None), sum(one.bytes for one in found))

    def close(self) -> None:
        """Write what is held in memory, where there is a disk, and close."""
        self._retry_at = 0.0
        self.recover()
        self.write_checkpoint()
        for store in self.stores:
            with contextlib.suppress(sqlite3.Error):
                store.close()
        self._disk = self._memory = None


def make_durable(written: Path, final: Path) -> None:
    """Put a written file in another's place so that after a power cut there is the one or the other, whole.

    Raises:
        OSError: the disk does not let it.
    """
    with written.open("rb+") as handle:
        os.fsync(handle.fileno())
    written.replace(final)
    if os.name == "posix":  # Windows does not synchronise directories
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
