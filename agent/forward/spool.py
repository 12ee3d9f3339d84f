"""What waits for the province: durable on disk before it counts as taken, whatever disk and power do.

One thread owns the database, so that the scheduler never waits for a disk. Readings that arrive while a commit is under
way go into the next one together; `taken` counts those that are on the disk. How rows lie there is `store`'s,
what happens when the disk fails `disks`' business (docs/adr/041-spool.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.forward import carry
from agent.forward.disks import Disks
from agent.forward.samples import Batch, Expired, Moment, Row, Totals
from agent.forward.store import Store

log = logging.getLogger(__name__)
FILE = "spool.db"
EXPORT = "export-"
UNTIMED = "untimed"
"""The note in an export that tells how many samples stayed behind, since their true time is not known."""
T = TypeVar("T")


@dataclass(slots=True)
class Parcel:
    """A batch and the store that it came from."""

    store: Store
    batch: Batch


class Spool:
    """The spool of one agent.

    Args:
        directory: the state directory; None holds everything in memory.
        max_bytes: bound of the file, its log included.
        max_age: seconds after which a sample is of no use.
        checkpoint: None writes every reading at once; seconds hold readings in memory and write that often.
        expired: told what was dropped at a bound, in the spool's thread.
    """

    def __init__(
        self,
        directory: Path | None,
        *,
        max_bytes: int,
        max_age: float,
        checkpoint: float | None = None,
        expired: Callable[[Expired], None] | None = None,
    ) -> None:
        self._directory = directory
        self._max_age = max_age
        self._expired = expired
        self._disks = Disks(None if directory is None else directory / FILE, max_bytes, checkpoint)
        self._thread = ThreadPoolExecutor(1, "spool")
        self._lock = threading.Lock()
        self._waiting: list[Row] = []
        self._scheduled = False
        self._told_bound: float | None = None
        self._held: list[Parcel] = []
        self._exports: set[str] = set()
        self.taken = 0
        """Rows that are durable since the start (in memory, where memory is all there is or all that was asked for)."""
        self.totals = Totals(0, None, 0)
        self._thread.submit(self._open).result()

    def _open(self) -> None:
        self._disks.open()
        if self._directory is not None:
            for left in self._directory.glob(f"{EXPORT}*"):  # an end in the middle of an export
                with contextlib.suppress(OSError):
                    left.unlink()
        with contextlib.suppress(sqlite3.Error):
            self._release(confirmed=False)
        self.totals = self._disks.totals()

    @property
    def trouble(self) -> str | None:
        """What is wrong with the disk, None when nothing is."""
        return self._disks.trouble

    @property
    def unsaved(self) -> Moment | None:
        """Since when what waits would be lost with the power; None when nothing would, or nothing was to be saved."""
        return self._disks.unsaved

    def append(self, rows: Iterable[Row]) -> None:
        """Take rows; returns at once, `taken` tells when they are durable."""
        with self._lock:
            self._waiting += rows
            if self._scheduled:
                return
            self._scheduled = True
        self._thread.submit(self._commit)

    def _commit(self) -> None:
        with self._lock:
            rows, self._waiting, self._scheduled = self._waiting, [], False
        try:
            self._disks.append(rows)
        except Exception:
            log.exception("readings not kept", extra={"rows": len(rows)})
            return
        self.taken += len(rows)

    def flush(self) -> Future[None]:
        """Done when everything appended so far is durable."""
        return self._thread.submit(lambda: None)

    async def run(self, work: Callable[[], T]) -> T:
        """Run `work` in the spool's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def fetch(
        self, *, since: int | None = None, before: int | None = None, lane: int = 0, limit: int, hold: bool = False
    ) -> Parcel | None:
        """The oldest rows of a span, as `Store.fetch`; None when there are none.

        Rows that are held are on their way by the line: no export takes them until they are let go.
        """

        def work() -> Parcel | None:
            found = self._disks.fetch(since=since, before=before, lane=lane, limit=limit)
            parcel = None if found is None else Parcel(*found)
            if hold and parcel is not None:
                self._held.append(parcel)
            return parcel

        return await self.run(work)

    def let_go(self) -> None:
        """What was held is not on its way any more."""
        self._held.clear()

    async def delivered(self, parcel: Parcel) -> None:
        """Delete what the receiver has, or will never take."""

        def work() -> None:
            self._disks.delete(parcel.store, parcel.batch.rows)
            self._held = [held for held in self._held if held is not parcel]

        await self.run(work)

    async def maintain(self, now: float | None) -> Totals:
        """Compact, trim and checkpoint as due, refresh `totals`; `now` is true time in seconds, None while nobody told it."""
        return await self.run(lambda: self._maintain(now))

    def _maintain(self, now: float | None) -> Totals:
        dropped = self._disks.maintain(None if now is None else round(now * 1000), self._max_age)
        self.totals = self._disks.totals()
        oldest = self.totals.oldest
        age = 0.0 if oldest is None else (math.inf if now is None else now) - oldest / 1000
        if dropped:
            if self._told_bound is None:
                samples = sum(expired.samples for expired in dropped)
                log.warning("spool at its bound, the oldest samples go first", extra={"samples": samples})
            self._told_bound = max(self._told_bound or 0.0, age)
        elif self._told_bound is not None and age < self._told_bound / 2:
            self._told_bound = None  # half of it was delivered: the next time at the bound is another outage
        for expired in dropped:
            if self._expired is not None:
                self._expired(expired)
        return self.totals

    async def set_boot(self, boot: str, base: float | None, wall_base: float) -> None:
        """As `Store.set_boot`; it also holds for stores opened later."""
        await self.run(lambda: self._disks.set_boot(boot, base, wall_base))

    async def note(self, key: str) -> str | None:
        """A fact noted earlier, as `Store.note`."""
        return await self.run(
            lambda: next((found for store in self._disks.stores if (found := store.note(key)) is not None), None)
        )

    async def set_note(self, key: str, value: str) -> None:
        """Note a fact, as `Store.set_note`."""

        def work() -> None:
            for store in self._disks.stores:
                with contextlib.suppress(sqlite3.Error):
                    store.set_note(key, value)

        await self.run(work)

    async def export(self) -> tuple[str, Path]:
        """Write what waits, as far as its time is known, to a file of its own; its name for `carried`, and where it is (the caller removes it).

        Raises:
            OSError, sqlite3.Error: it cannot be written.
        """
        return await self.run(self._export)

    def _export(self) -> tuple[str, Path]:
        name = os.urandom(16).hex()
        path = (self._directory or Path.cwd()) / f"{EXPORT}{name}.db"
        try:
            with contextlib.closing(Store(path)) as whole:
                for store in self._disks.stores:
                    held = [row for parcel in self._held if parcel.store is store for row in parcel.batch.rows]
                    carry.carry(store, name, leave=held)
                    carry.adopt(whole, store)
                with whole.db:
                    whole.db.execute("DELETE FROM row WHERE carried IS NOT ?", (name,))
                    whole.db.execute("UPDATE row SET carried = NULL")
                untimed = sum(store.untimed() for store in self._disks.stores)
                whole.set_note("export", name)
                whole.set_note(UNTIMED, str(untimed))
                whole.db.execute("PRAGMA journal_mode = DELETE")
        except BaseException:
            self._release(confirmed=False)
            path.unlink(missing_ok=True)
            raise
        self._exports.add(name)
        return name, path

    async def carried(self, name: str) -> bool:
        """The file of an export is safe: what it holds stays withheld from the line, also after a restart.

        False when a restart came between: the line sends it all, and the file must not be used.
        """
        if name not in self._exports:
            return False

        def work() -> None:
            for store in self._disks.stores:
                carry.confirm(store, name)
            self._disks.write_checkpoint()

        await self.run(work)
        return True

    async def release(self, *, confirmed: bool = True) -> int:
        """As `carry.release`, over all stores."""
        return await self.run(lambda: self._release(confirmed=confirmed))

    def _release(self, *, confirmed: bool) -> int:
        samples = sum(carry.release(store, confirmed=confirmed) for store in self._disks.stores)
        if samples:
            self._disks.write_checkpoint()
        return samples

    def close(self) -> None:
        """Write what is held in memory, where there is a disk, and close."""
        self._thread.submit(self._disks.close).result()
        self._thread.shutdown()
