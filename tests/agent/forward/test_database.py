"""Damage where a file names its tables: what SQLite says of it is no text."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from agent.forward import gaps
from agent.forward.database import Database
from agent.forward.samples import Description, Row
from agent.forward.spool import FILE, Spool
from tests.agent.forward.test_gaps import ledger
from tests.agent.site import Hands


def damage(file: Path, table: str) -> None:
    """Hit the statement that made a table and the name beside it, which SQLite quotes."""
    name, data = table.encode(), file.read_bytes()
    for whole, hit in ((b"table" + 2 * name, b"table\xed" + name[1:] + name), (b"CREATE TABLE " + name, b"?REATE TABLE " + name)):
        assert data.count(whole) == 1
        data = data.replace(whole, hit)
    file.write_bytes(data)


@pytest.mark.parametrize("method", ["execute", "executescript"])
def test_what_is_no_text_is_told_as_damage(tmp_path: Path, method: str) -> None:
    file = tmp_path / "file.db"
    with contextlib.closing(sqlite3.connect(file)) as made:
        made.execute("CREATE TABLE series(id)")
    damage(file, "series")
    with contextlib.closing(sqlite3.connect(file, factory=Database)) as found:
        with pytest.raises(sqlite3.DatabaseError, match=r"malformed database schema \(\ufffderies\)") as told:
            getattr(found, method)("SELECT * FROM series")
        assert type(told.value) is sqlite3.DatabaseError, "set aside, not tried again as what the system refuses for now"
        with pytest.raises(sqlite3.DatabaseError, match="malformed database schema"):
            found.executemany("DELETE FROM series WHERE id = ?", [(1,)])


def test_a_spool_and_a_ledger_with_such_damage_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = Row(0, None, 1_700_000_000_000, [(Description((("__name__", "a"),)), 1.0)])
    for life in range(2):
        spool = Spool(tmp_path, max_bytes=2**20, max_age=1e12)
        book = ledger(tmp_path, Hands())
        assert asyncio.run(spool.fetch(limit=10)) is None, "a new file"
        assert book.gaps() == []
        spool.append([row])
        spool.close()
        book.lost("refused", 1000.0, 1500.0, "why")
        book.end()
        if life == 0:
            damage(tmp_path / FILE, "series")
            damage(tmp_path / gaps.FILE, "gap")
            with pytest.raises(sqlite3.DatabaseError, match="malformed database schema"):
                gaps.read(tmp_path / gaps.FILE)
    assert "spool damaged, set aside and started anew" in caplog.text
    assert "gap ledger cannot be used, started anew" in caplog.text
    assert [one.reason for one in gaps.read(tmp_path / gaps.FILE)] == ["refused"]
    spool = Spool(tmp_path, max_bytes=2**20, max_age=1e12)
    assert spool.totals.samples == 1
    spool.close()
