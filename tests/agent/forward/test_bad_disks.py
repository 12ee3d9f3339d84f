"""What disks do to a spool: full, read-only, cut off and damaged ones, and flash that is to be spared."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from agent.forward.samples import Description, Row
from agent.forward.spool import FILE, Spool
from agent.forward.store import BLOCK_SAMPLES, Store
from tests.agent.forward.test_spool import A, B, row, spool, times


def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_saved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spool(tmp_path) as found:
        for number in range(400):
            found.append(
                [
                    Row(
                        0,
                        None,
                        number * 60_000,
                        [(A, float(number)), *((Description((("__name__", f"m{i}"),)), 0.5) for i in range(40))],
                    )
                ]
            )
            found.flush().result()
    data = bytearray((tmp_path / FILE).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4096] = os.urandom(4096)
    (tmp_path / FILE).write_bytes(data)
    with spool(tmp_path) as found:
        saved = times(found)
        assert 200 < len(saved) < 401
        assert found.trouble is None
        found.append([row(10**9)])
        assert 10**9 in times(found)
    assert (tmp_path / "spool.damaged").exists()
    assert "spool damaged, set aside and started anew" in caplog.text


@pytest.mark.parametrize("checkpoint", [None, 3600.0])
@pytest.mark.parametrize("left", [0.5, 0.8, 0.99])
def test_a_file_that_was_cut_off_keeps_what_lies_before_the_cut(tmp_path: Path, left: float, checkpoint: float | None) -> None:
    """As a repair of the file system leaves it; SQLite alone reads nothing of it."""
    many = [Description((("__name__", f"m{number}"),), "gauge") for number in range(40)]
    with spool(tmp_path) as found:
        found.append(Row(0, None, moment * 60_000, [(A, 1.0), *((series, 0.5) for series in many)]) for moment in range(400))
    os.truncate(tmp_path / FILE, round((tmp_path / FILE).stat().st_size * left))
    with spool(tmp_path, checkpoint=checkpoint) as found:
        assert 400 * (left - 0.3) < len(times(found)) < 400
        assert found.trouble is None


@pytest.mark.parametrize("what", ["inside a block", "inside a fresh row", "index", "series"])
def test_damage_that_sqlite_does_not_see_costs_what_it_hit_and_stops_nothing(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A queue that stumbles over one bad block for ever would be lost as a whole."""
    moments = [number * 60_000 for number in range(4500 if what == "inside a block" else 900)]
    with spool(tmp_path) as found:
        found.append([row(moment, value=moment / 7) for moment in moments])
        if what == "inside a block":
            asyncio.run(found.maintain(1e9))
    with sqlite3.connect(tmp_path / FILE) as database:
        if what == "index":  # it leads to rows that are not there
            root = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'row_by_time'").fetchone()[0]
            database.execute("PRAGMA writable_schema = ON")
            database.execute("DELETE FROM sqlite_schema WHERE name = 'row_by_time'")
            database.commit()
        elif what == "series":
            database.execute("UPDATE series SET labels = CAST(x'5b5bff00' AS TEXT) WHERE id = 2")
        else:
            ((number, body),) = database.execute("SELECT id, body FROM row ORDER BY form DESC, id LIMIT 1").fetchall()
            middle = len(body) // 2
            worse = body[:middle] + bytes(octet ^ 0x55 for octet in body[middle : middle + 8]) + body[middle + 8 :]
            database.execute("UPDATE row SET body = ? WHERE id = ?", (worse, number))
    database.close()
    if what == "index":
        with sqlite3.connect(tmp_path / FILE) as database:
            database.execute("DELETE FROM row WHERE id % 10 = 3")
            database.execute("PRAGMA writable_schema = ON")
            sql = "CREATE INDEX row_by_time ON row(first)"
            database.execute("INSERT INTO sqlite_schema VALUES ('index', 'row_by_time', 'row', ?, ?)", (root, sql))
        database.close()
    with spool(tmp_path) as found:
        found.append([row(10**9)])
        seen: dict[Description, list[int]] = {A: [], B: []}
        for _ in range(20):
            parcel = asyncio.run(found.fetch(limit=10**6))
            if parcel is not None:
                for series, (column, _) in parcel.batch.columns.items():
                    seen[series] += column
                    if series == A:
                        assert parcel.batch.columns[A][1] == [1.0 if time == 10**9 else time / 7 for time in column]
                asyncio.run(found.delivered(parcel))
            asyncio.run(found.maintain(1e9))
        assert found.totals.samples == 0
        assert found.trouble is None
    kept = {"inside a block": (9000 - BLOCK_SAMPLES) // 2, "inside a fresh row": 899, "index": 810, "series": 900}[what]
    assert len([time for time in seen[A] if time < 10**9]) == kept
    assert seen[A][-1] == 10**9
    assert caplog.text.count("spool damaged, set aside and started anew") == 1
    assert (tmp_path / "spool.damaged").exists()


@pytest.mark.parametrize("content", [b"", b"not a database at all" * 500, b"SQLite format 3\0" + b"\xff" * 8000])
def test_any_file_can_lie_there(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with spool(tmp_path) as found:
        found.append([row(1)])
        assert times(found) == [1]


def test_damage_while_running_costs_no_new_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with spool(tmp_path) as found:
        found.append([row(1)])
        found.flush().result()

        def damaged(self: Store, rows: object) -> None:
            message = "database disk image is malformed"
            raise sqlite3.DatabaseError(message)

        with monkeypatch.context() as patch:
            patch.setattr(Store, "append", lambda self, rows: damaged(self, rows) if self.path else Store_append(self, rows))
            found.append([row(2)])
            found.flush().result()
        found.append([row(3)])
        assert times(found) == [1, 2, 3]


Store_append = Store.append


def test_a_full_disk_costs_nothing_that_memory_can_hold(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A real full disk: a small tmpfs of its own, filled up and emptied again."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        with spool(folder) as found:
            found.append([row(1)])
            found.flush().result()
            (folder / "ballast").write_bytes(b"x" * 2**19)
            with (folder / "rest").open("wb", buffering=0) as rest:
                try:
                    while True:
                        rest.write(b"x" * 4096)
                except OSError:
                    pass
            for number in range(2, 300):
                found.append(
                    [Row(0, None, number, [(A, 1.0), *((Description((("__name__", f"m{i}"),)), 0.5) for i in range(200))])]
                )
                found.flush().result()
            assert found.trouble is not None
            assert "full" in found.trouble
            parcel = asyncio.run(found.fetch(limit=2))
            assert parcel is not None
            asyncio.run(found.delivered(parcel))
            before = _drain_times(found, keep=True)
            (folder / "ballast").unlink()
            (folder / "rest").unlink()
            found._disks._retry_at = 0.0
            found.append([row(300)])
            found.flush().result()
            assert found.trouble is None
            after = _drain_times(found, keep=False)
            assert sorted(after) == [*range(2, 301)]
            assert before
        assert caplog.text.count("spool cannot be written") == 1
    finally:
        subprocess.run(["umount", folder], check=False)


def _drain_times(found: Spool, *, keep: bool) -> list[int]:
    seen: list[int] = []
    while (parcel := asyncio.run(found.fetch(limit=10**6))) is not None:
        seen += parcel.batch.columns[A][0]
        if keep:
            break
        asyncio.run(found.delivered(parcel))
    return seen


def test_a_read_only_disk_is_said_and_readings_are_still_delivered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "ro"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs here")
    try:
        with spool(folder) as found:
            found.append([row(5)])
            assert times(found) == [5]
            assert found.trouble is not None
        assert "holding readings in memory" in caplog.text
    finally:
        subprocess.run(["umount", folder], check=False)


def test_memory_first_writes_only_at_checkpoints_and_at_the_end(tmp_path: Path) -> None:
    with spool(tmp_path, checkpoint=3600.0) as found:
        found.append([row(1)])
        found.flush().result()
        asyncio.run(found.maintain(1.0))
        assert not (tmp_path / FILE).exists()
        found._disks._written_at -= 3601
        asyncio.run(found.maintain(1.0))
        assert (tmp_path / FILE).exists()
        found.append([row(2)])
    with spool(tmp_path, checkpoint=3600.0) as found:
        assert times(found) == [1, 2]
    with spool(tmp_path) as found:
        assert times(found) == [1, 2]


def test_what_would_be_lost_with_the_power_is_known(tmp_path: Path) -> None:
    with spool(None) as found:
        found.append([row(1)])
        found.flush().result()
        assert found.unsaved is None, "nothing was to be saved"
    with spool(tmp_path, checkpoint=600.0) as found:
        found.append([row(1000), row(2000), row(3000)])
        found.flush().result()
        assert found.unsaved == (None, 1000)
        parcel = asyncio.run(found.fetch(limit=2))
        assert parcel is not None
        asyncio.run(found.delivered(parcel))
        assert found.unsaved == (None, 2000), "the province has the first"
        found._disks._written_at -= 601
        asyncio.run(found.maintain(4.0))
        assert found.unsaved is None
        found.append([row(4000)])
        found.flush().result()
        assert found.unsaved == (None, 4000)
    with spool(tmp_path) as found:
        found.append([row(5000)])
        found.flush().result()
        assert found.unsaved is None
        found._disks.fail(sqlite3.OperationalError("database or disk is full"))
        found.append([row(6000, boot="boot-1")])
        found.flush().result()
        assert found.unsaved == ("boot-1", 6000)
        found._disks._retry_at = 0.0
        found.append([row(7000)])
        found.flush().result()
        assert found.unsaved is None


def test_a_damaged_checkpoint_costs_what_was_hit(tmp_path: Path) -> None:
    many = [Description((("__name__", f"m{number}"),), "gauge") for number in range(40)]
    with spool(tmp_path, checkpoint=3600.0) as found:
        found.append(Row(0, None, moment * 60_000, [(A, 1.0), *((series, 0.5) for series in many)]) for moment in range(400))
    data = bytearray((tmp_path / FILE).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = os.urandom(4096)
    (tmp_path / FILE).write_bytes(data)
    with spool(tmp_path, checkpoint=3600.0) as found:
        assert 200 < len(times(found)) < 400
    assert (tmp_path / "spool.damaged").exists()


def test_a_checkpoint_is_read_from_a_disk_that_cannot_be_written_and_not_overwritten_by_less(tmp_path: Path) -> None:
    """A router's flash that was remounted read-only after errors, and is repaired while the agent runs."""
    folder = tmp_path / "flash"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        with spool(folder, checkpoint=3600.0) as found:
            found.append([row(1), row(2)])
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with spool(folder, checkpoint=3600.0) as found:
            assert times(found) == [1, 2]
            subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
            found.append([row(3)])
        with spool(folder, checkpoint=3600.0) as found:
            assert times(found) == [1, 2, 3]
        assert not (folder / "spool.damaged").exists()
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def test_a_log_left_by_a_run_that_wrote_every_reading_is_not_taken_for_the_checkpoints(tmp_path: Path) -> None:
    """`memory_first` is switched on after a power cut."""
    state = tmp_path / "state"
    with spool(tmp_path) as found:
        found.append([row(1), row(2)])
        found.flush().result()
        state.mkdir()
        for suffix in ("", "-wal"):
            (state / f"{FILE}{suffix}").write_bytes((tmp_path / f"{FILE}{suffix}").read_bytes())
    with spool(state, checkpoint=3600.0) as found:
        assert times(found) == [1, 2]
        parcel = asyncio.run(found.fetch(limit=2))
        assert parcel is not None
        asyncio.run(found.delivered(parcel))
    assert not (state / f"{FILE}-wal").exists()
    with spool(state, checkpoint=3600.0) as found:
        assert times(found) == [2]


def test_a_checkpoint_that_does_not_fit_leaves_no_half_of_itself(tmp_path: Path) -> None:
    folder = tmp_path / "flash"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    try:
        with spool(folder, checkpoint=3600.0) as found:
            found.append(row(moment) for moment in range(20_000))
        assert list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def test_a_router_that_exported_does_not_send_it_after_a_power_cut(tmp_path: Path) -> None:
    """What memory alone knows is gone with the power: that a stick carries these rows must not be among it."""
    with spool(tmp_path, checkpoint=3600.0) as found:
        found.append([row(1), row(2)])
    with spool(tmp_path, checkpoint=3600.0) as found:
        name, _ = asyncio.run(found.export())
        assert asyncio.run(found.carried(name))
        with spool(_as_left(tmp_path, "exported"), checkpoint=3600.0) as later:
            assert times(later) == []
        asyncio.run(found.release())
        with spool(_as_left(tmp_path, "released"), checkpoint=3600.0) as later:
            assert times(later) == [1, 2]


def _as_left(folder: Path, name: str) -> Path:
    """What a power cut would leave of a folder now."""
    copy = folder / name
    copy.mkdir()
    (copy / FILE).write_bytes((folder / FILE).read_bytes())
    return copy
