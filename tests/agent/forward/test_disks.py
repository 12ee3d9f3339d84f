"""The spool against a model of itself: whatever happens in whatever order, it holds what the model holds.

Hypothesis makes up the story: readings, acknowledgements, kill -9, bounds, full and read-only disks, damaged sectors.
SQLite's own switches stand for the disks here (`max_page_count` is how it meets a full one, `query_only` a read-only
one), since a story has hundreds of steps; real file systems that are full or read-only are in test_bad_disks.py.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
from functools import partial
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.forward.samples import Description, Expired, Row
from agent.forward.spool import FILE, Parcel, Spool

SERIES = [Description((("__name__", f"commune_model_{number}"), ("target", "é" * 40)), "gauge") for number in range(12)]
MAX_BYTES = 2**18
MAX_AGE = 6 * 3600.0
SECTOR = 512
SOAK = bool(os.environ.get("SOAK"))
Samples = dict[tuple[str, int], float]
"""By series and time (milliseconds since 1970)."""


def samples_of(parcel: Parcel) -> Samples:
    return {
        (dict(series.labels)["__name__"], time): value
        for series, (times, values) in parcel.batch.columns.items()
        for time, value in zip(times, values, strict=True)
    }


class Model(RuleBasedStateMachine):
    """`waiting` is what must be delivered; what only memory holds may be lost by a kill, and by nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.life = 0
        self.now = 1_700_000_000_000
        self.waiting: Samples = {}
        self.in_memory: set[tuple[str, int]] = set()
        self.undeleted: Samples = {}
        self.expired: list[Expired] = []
        self.sick = False
        self.numbers = random.Random(5)
        self.folder.mkdir()
        self.spool = self.open()

    @property
    def folder(self) -> Path:
        return self.root / str(self.life)

    def open(self) -> Spool:
        return Spool(self.folder, max_bytes=MAX_BYTES, max_age=MAX_AGE, expired=self.expired.append)

    def teardown(self) -> None:
        self.spool.close()
        shutil.rmtree(self.root)

    def everything(self) -> Samples:
        """All that would be sent, without saying that it was: one fetch has the rows of one store."""
        found: Samples = {}
        for store in list(self.spool._disks.stores):
            gone = self.spool._disks._gone if store is self.spool._disks._disk else set()
            fetch = partial(store.fetch, since=None, before=None, lane=0, limit=10**9, skip=gone)
            found |= samples_of(Parcel(store, asyncio.run(self.spool.run(fetch))))
        return found

    def pragma(self, text: str) -> int:
        disk = self.spool._disks._disk
        assert disk is not None
        row = self.spool._thread.submit(lambda: disk.db.execute(f"PRAGMA {text}").fetchone()).result()
        return 0 if row is None else int(row[0])

    # What happens.

    @rule(count=st.integers(1, 40), width=st.integers(1, 12), lane=st.integers(0, 2), pause=st.sampled_from([0, 1, 900_000]))
    def append(self, count: int, width: int, lane: int, pause: int) -> None:
        rows = []
        for _ in range(count):
            self.now += 1000 + pause // count
            values = [(series, self.numbers.random()) for series in SERIES[:width]]
            rows.append(Row(lane, None, self.now, values))
        taken = self.spool.taken
        self.spool.append(rows)
        self.spool.flush().result()
        assert self.spool.taken == taken + count
        new = {(dict(series.labels)["__name__"], row.first): value for row in rows for series, value in row.values}
        self.waiting |= new
        if self.spool.trouble is not None:
            self.in_memory |= new.keys()

    @rule(limit=st.integers(1, 400))
    def acknowledge(self, limit: int) -> None:
        parcel = asyncio.run(self.spool.fetch(limit=limit))
        if parcel is None:
            assert not self.waiting
            return
        got = samples_of(parcel)
        assert got.items() <= self.waiting.items()
        rest = [time for key in self.waiting.keys() - got.keys() for time in (key[1],) if key not in self.in_memory]
        if parcel.store.path is not None and rest:
            assert max(time for _, time in got) <= min(rest), "the oldest goes first"
        asyncio.run(self.spool.delivered(parcel))
        for key in got:
            if self.sick and parcel.store.path is not None:
                self.undeleted[key] = self.waiting[key]
            del self.waiting[key]
            self.in_memory.discard(key)

    @rule()
    def the_answer_is_lost(self) -> None:
        asyncio.run(self.spool.fetch(limit=200))

    @rule(gentle=st.booleans())
    def restart(self, gentle: bool) -> None:  # noqa: FBT001
        """A stop that closes everything, or kill -9: the files as they are, without what closing would still write."""
        before, self.life = self.folder, self.life + 1
        if gentle:
            self.heal()
            self.spool.close()
        shutil.copytree(before, self.folder, ignore=shutil.ignore_patterns("*-shm", "*.damaged*"))
        if not gentle:
            self.spool.close()
        shutil.rmtree(before)
        self.sick = False
        self.spool = self.open()
        assert self.spool.trouble is None
        found = self.everything()
        for key, value in self.undeleted.items():
            if key in found:
                self.waiting[key] = value  # sent again rather than lost
        for key in self.in_memory - found.keys():
            del self.waiting[key]
        self.in_memory.clear()
        self.undeleted.clear()

    @rule(hours=st.sampled_from([0.0, 0.0, 1.0, 4.0]))
    def maintain(self, hours: float) -> None:
        """The bounds of bytes and age: the oldest goes first, and exactly what went is told."""
        self.now += round(hours * 3_600_000)
        self.expired.clear()
        totals = asyncio.run(self.spool.maintain(self.now / 1000))
        found = self.everything()
        dropped = self.waiting.keys() - found.keys()
        assert sum(one.samples for one in self.expired) >= len(dropped)
        if not self.sick:
            gone = {key: value for key, value in self.undeleted.items() if key not in found}
            assert sum(one.samples for one in self.expired) <= len(dropped) + len(gone)
            if dropped:
                assert len(self.expired) == 1
                assert (self.expired[0].first, self.expired[0].last) == (min(dropped, key=_time)[1], max(dropped, key=_time)[1])
            if dropped and found:
                assert max(dropped, key=_time)[1] <= min(found, key=_time)[1]
            assert totals.bytes <= MAX_BYTES
            assert totals.samples == len(found)
        for key in dropped:
            del self.waiting[key]
            self.in_memory.discard(key)

    @precondition(lambda self: not self.sick)
    @rule(how=st.sampled_from(["max_page_count = 1", "query_only = 1"]))
    def the_disk_fails(self, how: str) -> None:
        self.sick = True
        self.pragma(how)

    @precondition(lambda self: self.sick)
    @rule()
    def the_disk_is_well_again(self) -> None:
        self.heal()

    def heal(self) -> None:
        if not self.sick:
            return
        if self.spool._disks._disk is not None:
            self.pragma("max_page_count = 1000000")
            self.pragma("query_only = 0")
        self.spool._disks._retry_at = 0.0
        self.sick = False
        asyncio.run(self.spool.maintain(0.0))
        assert self.spool.trouble is None
        self.in_memory.clear()
        self.undeleted.clear()

    @precondition(lambda self: not self.sick)
    @rule(where=st.floats(0, 1, exclude_max=True), size=st.sampled_from([SECTOR, 8 * SECTOR]), seed=st.integers(0, 2**16))
    def sectors_go_bad(self, where: float, size: int, seed: int) -> None:
        """What is on them is lost; nothing else is, nothing false is sent, and new readings are kept."""
        self.spool.close()
        file = self.folder / FILE
        data = bytearray(file.read_bytes())
        begin = round(where * len(data)) // size * size
        data[begin : begin + size] = random.Random(seed).randbytes(min(size, len(data) - begin))
        file.write_bytes(data)
        self.spool = self.open()
        found: Samples = {}
        for _ in range(10**4):
            parcel = asyncio.run(self.spool.fetch(limit=300))
            if parcel is None:
                if self.spool.trouble is None:
                    break
                self.spool.append([])
                self.spool.flush().result()
                continue
            found |= samples_of(parcel)
            asyncio.run(self.spool.delivered(parcel))
        else:
            raise AssertionError("the queue does not end")
        assert found.items() <= self.waiting.items()
        self.waiting.clear()
        self.append(3, 2, 0, 0)
        assert self.spool.trouble is None

    @invariant()
    def it_holds_what_the_model_holds(self) -> None:
        assert self.everything() == self.waiting

    @initialize()
    def begin(self) -> None:
        self.append(5, 3, 0, 0)


def _time(key: tuple[str, int]) -> int:
    return key[1]


TestModel = Model.TestCase
TestModel.settings = settings(
    max_examples=150 if SOAK else 25,
    stateful_step_count=80 if SOAK else 40,
    deadline=None,
    derandomize=not SOAK,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
