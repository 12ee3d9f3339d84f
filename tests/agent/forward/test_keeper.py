"""A ledger whose disk fails goes on: real file systems that are full or read-only, files that are damaged."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.forward import gaps, keeper
from agent.forward.keeper import Keeper
from tests.agent.forward.test_gaps import ledger
from tests.agent.site import Hands

SCHEMA = "CREATE TABLE IF NOT EXISTS fact(id INTEGER PRIMARY KEY, text TEXT NOT NULL);"
START = 1_700_000_000.0
Mount = Callable[[str], None]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[tuple[Path, Mount]]:
    """A small file system of its own, and what mounts it anew with other options."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    begun = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if begun.returncode:
        pytest.skip(f"no tmpfs here: {begun.stderr.strip()}")
    try:
        yield folder, lambda options: void(subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True))
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def void(_: object) -> None:
    """Nothing."""


def fill(folder: Path) -> Path:
    """Fill the disk to its last page; removing the file makes room again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return ballast


def put(kept: Keeper, text: str) -> None:
    kept.write(lambda db: void(db.execute("INSERT INTO fact(text) VALUES (?)", (text,))))


def texts(kept: Keeper) -> list[str]:
    return kept.write(lambda db: [text for (text,) in db.execute("SELECT text FROM fact ORDER BY id")])


def test_what_a_full_disk_does_not_take_is_held_and_written_when_there_is_room(
    disk: tuple[Path, Mount], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = disk
    caplog.set_level("INFO")
    kept = Keeper(folder / "kept.db", SCHEMA)
    put(kept, "first")
    ballast = fill(folder)
    wanted = ["first", *(f"{number} {'x' * 999}" for number in range(600))]
    for text in wanted[1:]:
        put(kept, text)
    assert texts(kept) == wanted
    assert caplog.text.count("holding it in memory") == 1
    ballast.unlink()
    monkeypatch.setattr(keeper, "RETRY_DISK", 0.0)
    kept._retry_at = 0.0
    put(kept, "last")
    assert "written again" in caplog.text
    kept.close(lambda db: void(db.execute("INSERT INTO fact(text) VALUES ('end')")))
    again = Keeper(folder / "kept.db", SCHEMA)
    assert texts(again) == [*wanted, "last", "end"]
    again.close(void)


def test_a_ledger_on_a_full_disk_tells_its_gaps_and_keeps_the_old_ones(disk: tuple[Path, Mount]) -> None:
    folder, _ = disk
    hands = Hands(START)
    book = ledger(folder, hands)
    book.lost("refused", START - 9000, START - 8000, "why")
    book.end()
    ballast = fill(folder)
    for begin in (START - 7000, START - 3000):
        hands.advance(60)
        book = ledger(folder, hands)
        book.lost("expired", begin, begin + 10)
        book.tick()
        assert [gap.reason for gap in book.gaps()][:2] == ["refused", "expired"]
        if begin == START - 7000:
            book.end()
    assert not (folder / "gaps.damaged").exists(), "a full disk is no damage"
    ballast.unlink()
    book.end()
    assert [gap.reason for gap in gaps.read(folder / gaps.FILE)] == ["refused", "expired", "agent_stopped"]


def test_a_read_only_disk_stops_nothing_and_can_be_read(disk: tuple[Path, Mount]) -> None:
    folder, mount = disk
    hands = Hands(START)
    book = ledger(folder, hands)
    book.lost("refused", START - 9000, START - 8000, "why")
    book.end()
    mount("ro")
    book = ledger(folder, hands)
    book.lost("expired", START - 3010, START - 3000)
    book.tick()
    assert [gap.reason for gap in book.gaps()] == ["refused", "expired"]
    book.end()
    assert [gap.reason for gap in gaps.read(folder / gaps.FILE)] == ["refused"]
    mount("rw")


def test_damage_that_shows_in_use_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = Keeper(tmp_path / "kept.db", SCHEMA)
    put(kept, "before")

    def stumble(db: sqlite3.Connection) -> None:
        if db.execute("PRAGMA database_list").fetchone()[2]:
            message = "database disk image is malformed"
            raise sqlite3.DatabaseError(message)
        db.execute("INSERT INTO fact(text) VALUES ('after')")

    kept.write(stumble)
    assert texts(kept) == ["after"]
    kept.close(void)
    assert (tmp_path / "kept.damaged").exists()
    assert "started anew" in caplog.text
    again = Keeper(tmp_path / "kept.db", SCHEMA)
    assert texts(again) == ["after"]
    again.close(void)
