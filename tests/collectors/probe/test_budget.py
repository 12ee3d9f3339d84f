"""The byte budget: by the site's day, written down before it is spent, and not renewed by restarts or wrong clocks."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from collectors.probe.budget import Budget

NOON = datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC).timestamp()
HOUR = 3600.0


def make(folder: Path) -> Budget:
    return Budget(folder / "bandwidth.json", "Asia/Ho_Chi_Minh")


def test_a_day_is_the_sites(tmp_path: Path) -> None:
    budget = make(tmp_path)
    budget.book(100, NOON)  # 19:00 in Viet Nam
    assert budget.spent(NOON + 4.9 * HOUR) == 100
    assert budget.spent(NOON + 5.1 * HOUR) == 0


def test_it_survives_a_restart(tmp_path: Path) -> None:
    make(tmp_path).book(100, NOON)
    later = make(tmp_path)
    later.book(-30, NOON)
    assert make(tmp_path).spent(NOON) == 70


def test_what_tests_moved_beyond_their_share_is_known_after_a_restart(tmp_path: Path) -> None:
    budget = make(tmp_path)
    budget.learn("hub", 900)
    budget.learn("hub", -50)
    budget.book(100, NOON)
    later = make(tmp_path)
    assert later.overshoot == {"hub": 810}
    for _ in range(100):
        later.learn("hub", -50)
    assert later.overshoot == {"hub": 0}


def test_setting_the_clock_buys_nothing(tmp_path: Path) -> None:
    budget = make(tmp_path)
    budget.book(100, NOON)
    budget.book(50, NOON + 30 * 86400)
    assert make(tmp_path).spent(NOON) == 100


def test_it_forgets_old_days(tmp_path: Path) -> None:
    budget = make(tmp_path)
    for day in range(20):
        budget.book(1, NOON + day * 86400)
    assert len(budget._spent) == 8
    assert budget.spent(NOON + 19 * 86400) == 1


@pytest.mark.parametrize("text", ["", "[]", "7", '{"2026-03-02": "x"}', '{"spent": {"2026-03-02": "x"}, "overshoot": {}}'])
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "bandwidth.json").write_text(text)
    assert make(tmp_path).spent(NOON) == 0


def test_without_a_place_to_keep_it() -> None:
    budget = Budget(None, "Asia/Ho_Chi_Minh")
    budget.book(10, NOON)
    assert budget.spent(NOON) == 10
