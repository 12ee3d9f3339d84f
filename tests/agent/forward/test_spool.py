"""The spool: what it acknowledged is there after kill -9; lanes, clocks, bounds, and what is carried by hand."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.forward.samples import Description, Expired, Row
from agent.forward.spool import Spool
from agent.forward.store import Store

ROOT = Path(__file__).parents[3]
A = Description((("__name__", "a"),), "gauge", "a", "help of a", "bytes")
B = Description((("__name__", "b"), ("x", 'é\n"')), "counter")
HOUR = 3_600_000
RUNS = 200 if os.environ.get("SOAK") else 20


def row(time: int, *, lane: int = 0, boot: str | None = None, value: float = 1.0) -> Row:
    return Row(lane, boot, time, [(A, value), (B, -value)])


@contextmanager
def spool(directory: Path | None, **settings: object) -> Iterator[Spool]:
    made = Spool(directory, **{"max_bytes": 64 * 2**20, "max_age": 1e12, **settings})  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.close()


def times(found: Spool) -> list[int]:
    """Everything that waits, by repeated fetching without deleting."""
    parcel = asyncio.run(found.fetch(limit=10**9))
    return [] if parcel is None else parcel.batch.columns[A][0]


def test_kill_9_at_random_moments_loses_nothing_acknowledged(tmp_path: Path) -> None:
    generator = random.Random(1)
    acknowledged, begin = 0, 0
    for _ in range(RUNS):
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.agent.forward.spool_child", str(tmp_path), str(begin)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert child.stdout is not None
        acknowledged = int(child.stdout.readline())
        time.sleep(generator.uniform(0, 0.08))
        child.send_signal(signal.SIGKILL)
        lines = child.stdout.read().splitlines()
        child.stdout.close()
        child.wait()
        acknowledged = int(lines[-1]) if lines and lines[-1] else acknowledged
        with spool(tmp_path) as found:
            parcel = asyncio.run(found.fetch(limit=10**9))
            assert parcel is not None
            for column, values in parcel.batch.columns.values():
                assert column[:acknowledged] == list(range(acknowledged))
                assert values[:acknowledged] == [float(number) for number in range(acknowledged)]
            begin = column[-1] + 1


def test_rows_survive_a_restart_with_names_and_metadata(tmp_path: Path) -> None:
    with spool(tmp_path) as first:
        first.append([row(1000), row(2000, value=2.5)])
        first.flush().result()
        assert first.taken == 2
    with spool(tmp_path) as second:
        assert second.totals.samples == 4
        assert second.totals.oldest == 1000
        parcel = asyncio.run(second.fetch(limit=100))
        assert parcel is not None
        assert parcel.batch.columns == {A: ([1000, 2000], [1.0, 2.5]), B: ([1000, 2000], [-1.0, -2.5])}
        found = next(description for description in parcel.batch.columns if description == A)
        assert (found.type, found.family, found.help, found.unit) == ("gauge", "a", "help of a", "bytes")
        asyncio.run(second.delivered(parcel))
        assert asyncio.run(second.fetch(limit=100)) is None


def test_lanes_and_spans_are_told_apart(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1000), row(2000, lane=1), row(3000, lane=2), row(4000)])

        def fetch(lane: int = 0, **span: int) -> list[int]:
            parcel = asyncio.run(found.fetch(since=span.get("since"), before=span.get("before"), lane=lane, limit=100))
            return [] if parcel is None else parcel.batch.columns[A][0]

        assert fetch(lane=1) == [2000, 3000]
        assert fetch(since=3000) == [3000, 4000]
        assert fetch(before=3000) == [1000, 2000]
        assert fetch(lane=2, before=3000) == []


def test_a_fetch_is_limited_but_never_empty(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1000), row(2000), row(3000)])
        for limit, expected in ((1, [1000]), (4, [1000, 2000]), (5, [1000, 2000])):
            parcel = asyncio.run(found.fetch(limit=limit))
            assert parcel is not None
            assert parcel.batch.columns[A][0] == expected


def test_times_of_an_unknown_clock_are_corrected_before_they_can_be_fetched(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-1", None, 5.0))
        found.append([row(1000, boot="boot-1")])
        assert times(found) == []
        asyncio.run(found.set_boot("boot-1", 1_700_000_000.25, 5.0))
        assert times(found) == [1_700_000_001_250]


def test_an_earlier_boot_keeps_its_own_reference(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-1", None, 500.0))
        found.append([row(1000, boot="boot-1")])
        asyncio.run(found.set_boot("boot-1", 1_700_000_000.0, 500.0))
        found.append([row(2000, boot="boot-1")])  # written while the clock was being learned
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-2", None, 900.0))
        assert times(found) == [1_700_000_001_000, 1_700_000_002_000]


def test_boots_without_a_reference_wait_for_one_and_are_corrected_by_the_clock_that_ran_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Wall clock three years behind over two reboots; the second boot was 1000 s after the first, the third 500 s later."""
    behind = 1_600_000_000.0
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-1", None, behind))
        found.append([row(1000, boot="boot-1")])
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-2", None, behind + 1000))
        found.append([row(7000, boot="boot-2")])
        assert times(found) == []
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-3", None, behind + 1500))
        found.append([row(9000, boot="boot-3")])
        assert times(found) == []
        asyncio.run(found.set_boot("boot-3", 1_700_001_500.0, 1_700_001_500.0))  # the system's clock was set meanwhile, too
        assert times(found) == [1_700_000_001_000, 1_700_001_007_000, 1_700_001_509_000]
    assert caplog.text.count("whose time was never known") == 2
    assert {getattr(one, "of_them_only_put_before_this_boot", 0) for one in caplog.records} == {0}


def test_a_clock_that_went_back_leaves_only_the_order_of_boots(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A dead battery: every boot begins in 2010."""
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-1", None, 1_262_304_000.0))
        found.append([row(1000, boot="boot-1"), row(61_000, boot="boot-1")])
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-2", None, 1_262_304_000.0))
        asyncio.run(found.set_boot("boot-2", 1_700_000_000.0, 1_262_304_000.0))
        assert times(found) == [1_699_999_940_000, 1_700_000_000_000]
    assert [getattr(one, "of_them_only_put_before_this_boot", None) for one in caplog.records] == [4]


def test_a_clock_that_somebody_set_right_before_the_reboot_is_believed(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-1", None, 1_262_304_000.0))
        found.append([row(1000, boot="boot-1")])
        asyncio.run(found.set_boot("boot-1", None, 1_700_000_000.0))
    with spool(tmp_path) as found:
        asyncio.run(found.set_boot("boot-2", None, 1_700_005_000.0))
        asyncio.run(found.set_boot("boot-2", 1_700_005_000.5, 1_700_005_000.0))
        assert times(found) == [1_700_000_001_500]


def test_the_byte_bound_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    dropped: list[Expired] = []
    with spool(tmp_path, max_bytes=8 * 2**20, expired=dropped.append) as found:
        generator = random.Random(3)
        many = [Description((("__name__", f"m{number}"),), "gauge") for number in range(500)]
        written = 0
        for moment in range(1300):
            found.append([Row(0, None, moment * 60_000, [(series, generator.random()) for series in many])])
            written += len(many)
            if moment % 100 == 99:
                asyncio.run(found.maintain(moment * 60.0))
        found.flush().result()
        totals = asyncio.run(found.maintain(1300 * 60.0))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 8 * 2**20
        assert totals.samples + sum(expired.samples for expired in dropped) == written
        assert dropped
        assert dropped[0].first == 0
        assert totals.oldest is not None
        assert totals.oldest > dropped[-1].first


def test_an_outage_at_the_bound_is_said_once_and_the_next_one_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dropped: list[Expired] = []
    many = [Description((("__name__", f"m{number}"),), "gauge") for number in range(500)]
    generator = random.Random(4)
    with spool(tmp_path, max_bytes=2 * 2**20, expired=dropped.append) as found:
        for outage in range(2):
            dropped.clear()
            for moment in range(outage * 500, outage * 500 + 400):
                found.append([Row(0, None, moment * 60_000, [(series, generator.random()) for series in many])])
                if moment % 5 == 4:
                    asyncio.run(found.maintain(moment * 60.0))
            assert len(dropped) > 1
            assert caplog.text.count("spool at its bound") == outage + 1
            while parcel := asyncio.run(found.fetch(limit=100_000)):
                asyncio.run(found.delivered(parcel))
            asyncio.run(found.maintain(outage * 30_000.0 + 24_000))


def test_the_age_bound_drops_what_is_older(tmp_path: Path) -> None:
    dropped: list[Expired] = []
    with spool(tmp_path, max_age=3600.0, expired=dropped.append) as found:
        found.append([row(0), row(HOUR), row(2 * HOUR)])
        asyncio.run(found.maintain(2.5 * 3600))
        assert times(found) == [2 * HOUR]
        assert [(expired.samples, expired.first, expired.last) for expired in dropped] == [(4, 0, HOUR)]


def test_a_clock_that_nobody_confirmed_makes_nothing_old(tmp_path: Path) -> None:
    dropped: list[Expired] = []
    with spool(tmp_path, max_age=3600.0, expired=dropped.append) as found:
        found.append([row(0), row(HOUR)])
        found.flush().result()
        asyncio.run(found.maintain(None))
        assert times(found) == [0, HOUR]
        assert not dropped


def test_what_is_dropped_before_the_time_is_known_keeps_its_own_clock(tmp_path: Path) -> None:
    """Beside a sample of 2023 the monotonic times of the present boot would make a gap of half a century."""
    dropped: list[Expired] = []
    many = [Description((("__name__", f"m{number}"),), "gauge") for number in range(500)]
    with spool(tmp_path, max_bytes=2**20, expired=dropped.append) as found:
        asyncio.run(found.set_boot("boot-2", None, 0.0))
        found.append([row(1_700_000_000_000)])
        found.append(Row(0, "boot-2", 1000 * moment, [(series, 1.0) for series in many]) for moment in range(5, 405))
        found.flush().result()
        asyncio.run(found.maintain(None))
    known, unknown = dropped
    assert known == Expired(2, 1_700_000_000_000, 1_700_000_000_000)
    assert (unknown.boot, unknown.first) == ("boot-2", 5000)
    assert unknown.last < 405_000


def test_what_was_carried_by_hand_does_not_expire(tmp_path: Path) -> None:
    dropped: list[Expired] = []
    with spool(tmp_path, max_age=3600.0, expired=dropped.append) as found:
        found.append([row(0)])
        name, _ = asyncio.run(found.export())
        asyncio.run(found.carried(name))
        found.append([row(HOUR)])
        found.flush().result()
        asyncio.run(found.maintain(3 * 3600.0))
        assert asyncio.run(found.release()) == 0, "it was too old to be kept for the case that the stick is lost"
    assert dropped == [Expired(2, HOUR, HOUR)]


def test_an_export_cut_short_leaves_no_copy_of_the_spool(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1)])
        _, path = asyncio.run(found.export())
        assert path.exists()
    with spool(tmp_path) as found:
        assert not path.exists()
        assert times(found) == [1]


def test_what_is_exported_is_withheld_only_when_the_file_is_safe(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1), row(2)])
        name, path = asyncio.run(found.export())
        assert times(found) == []
        found.append([row(3)])
    with spool(tmp_path) as found:
        assert times(found) == [1, 2, 3], "a file that nobody confirmed withholds nothing after a restart"
        name, path = asyncio.run(found.export())
        asyncio.run(found.carried(name))
        store = Store(path)
        assert store.fetch(since=None, before=None, lane=0, limit=100).columns[A][0] == [1, 2, 3]
        store.close()
    with spool(tmp_path) as found:
        assert times(found) == []
        assert asyncio.run(found.release()) == 6
        assert times(found) == [1, 2, 3]


def test_what_is_on_its_way_by_the_line_is_not_carried_too(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1), row(2), row(3)])
        parcel = asyncio.run(found.fetch(limit=2, hold=True))
        assert parcel is not None
        _, path = asyncio.run(found.export())
        store = Store(path)
        assert store.fetch(since=None, before=None, lane=0, limit=100).columns[A][0] == [2, 3]
        store.close()
        asyncio.run(found.delivered(parcel))
        assert times(found) == []
        found.append([row(4)])
        assert asyncio.run(found.fetch(limit=2, hold=True)) is not None
        found.let_go()
        _, path = asyncio.run(found.export())
        assert times(found) == [], "what failed to be sent is carried"


def test_an_export_that_a_restart_cut_in_two_is_not_used(tmp_path: Path) -> None:
    with spool(tmp_path) as found:
        found.append([row(1)])
        name, _ = asyncio.run(found.export())
    with spool(tmp_path) as found:
        assert not asyncio.run(found.carried(name)), "the line sends these rows already"
        assert times(found) == [1]
