"""The ledger: every interval without data, with the right reason, over restarts and reboots."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent import selfmon
from agent.clock import TrueClock
from agent.forward import gaps
from agent.forward.gaps import Gap, Ledger
from collectors.model import Observations
from tests.agent.site import Hands


class Slept:
    """Time slept since the boot, set by hand."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def ledger(directory: Path, hands: Hands, boot: str = "boot-1", *, known: bool = True, **how: object) -> Ledger:
    clock = TrueClock(hands)
    if known:
        clock.set_base(hands.true() - hands.monotonic(), "ntp")
    made = Ledger(directory, clock, boot, **{"suspended": Slept(), **how})  # type: ignore[arg-type]
    made.begin()
    return made


def told(book: Ledger) -> dict[str, float]:
    found = Observations()
    book.report(found)
    assert all(item.metric is selfmon.GAP_SECONDS and item.add for item in found.items)
    return {item.labels[0]: float(item.value) for item in found.items}  # type: ignore[arg-type]


def test_a_first_start_has_no_gaps_but_all_reasons(tmp_path: Path) -> None:
    book = ledger(tmp_path, Hands())
    assert book.gaps() == []
    assert told(book) == dict.fromkeys(gaps.REASONS, 0.0)
    book.end()


@pytest.mark.parametrize("clean", [True, False])
def test_a_stopped_agent(tmp_path: Path, clean: bool) -> None:  # noqa: FBT001
    hands = Hands(1_700_000_000.0)
    first = ledger(tmp_path, hands)
    first.tick()
    if clean:
        first.end()
    hands.advance(300)
    second = ledger(tmp_path, hands)
    assert second.gaps() == [Gap(1_700_000_000.0, 1_700_000_300.0, "agent_stopped")]
    assert told(second)["agent_stopped"] == 300
    assert told(second)["agent_stopped"] == 0, "counted once"
    second.end()


@pytest.mark.parametrize(
    ("clean", "system", "reason"),
    [(True, None, "machine_off"), (False, None, "power_lost"), (False, False, "machine_off"), (True, True, "power_lost")],
)
def test_a_machine_that_was_off(tmp_path: Path, clean: bool, system: bool | None, reason: str) -> None:  # noqa: FBT001
    hands = Hands(1_700_000_000.0)
    first = ledger(tmp_path, hands)
    first.tick()
    if clean:
        first.end()
    reborn = Hands(1_700_030_000.0, monotonic=20.0)
    second = ledger(tmp_path, reborn, "boot-2", power_lost=lambda: system)
    assert second.gaps() == [Gap(1_700_000_000.0, 1_700_030_000.0, reason)]
    second.end()


def test_a_gap_that_ends_in_an_unknown_time_is_corrected(tmp_path: Path) -> None:
    hands = Hands(1_700_000_000.0)
    first = ledger(tmp_path, hands)
    first.tick()
    first.end()
    reborn = Hands(1_700_030_000.0, monotonic=20.0, offset=-86400.0 * 365)
    second = ledger(tmp_path, reborn, "boot-2", known=False)
    assert told(second)["machine_off"] == 0, "not counted before it is known"
    second._clock.set_base(reborn.true() - reborn.monotonic(), "ntp")
    assert told(second)["machine_off"] == pytest.approx(30_000)
    assert second.gaps() == [Gap(1_700_000_000.0, 1_700_030_000.0, "machine_off")]
    second.end()


def test_suspend_is_noticed_by_the_processor_that_slept(tmp_path: Path) -> None:
    hands, slept = Hands(1_700_000_000.0), Slept()
    book = ledger(tmp_path, hands, suspended=slept)
    hands.advance(15)
    book.tick()
    hands.advance(3600)
    slept.seconds += 3590
    book.tick()
    (gap,) = book.gaps()
    assert gap.reason == "suspended"
    assert gap.seconds == pytest.approx(3590)
    assert gap.end == pytest.approx(1_700_003_615.0)
    book.end()


def test_losses_close_together_are_one_gap_and_grow(tmp_path: Path) -> None:
    book = ledger(tmp_path, Hands(1_700_000_000.0))
    book.lost("refused", 1000.0, 1500.0, "too old")
    assert told(book)["refused"] == 500
    book.lost("refused", 1600.0, 1700.0, "too old")
    book.lost("expired", 1600.0, 1700.0)
    book.lost("refused", 9000.0, 9100.0, "too old")
    assert [(gap.begin, gap.end, gap.reason) for gap in book.gaps()] == [
        (1000.0, 1700.0, "refused"),
        (1600.0, 1700.0, "expired"),
        (9000.0, 9100.0, "refused"),
    ]
    assert told(book) == {**dict.fromkeys(gaps.REASONS, 0.0), "refused": 300.0, "expired": 100.0}
    assert [gap.begin for gap in book.gaps(since=5000.0)] == [9000.0]
    book.end()


def test_the_file_of_a_stopped_agent_can_be_read(tmp_path: Path) -> None:
    book = ledger(tmp_path, Hands(1_700_000_000.0))
    book.lost("refused", 1000.0, 1500.0, "why")
    book.end()
    assert gaps.read(tmp_path / gaps.FILE) == [Gap(1000.0, 1500.0, "refused", "why")]


def test_a_damaged_ledger_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / gaps.FILE).write_bytes(b"nothing of the kind" * 400)
    book = ledger(tmp_path, Hands())
    assert book.gaps() == []
    book.end()
    assert (tmp_path / "gaps.damaged").exists()
    assert "started anew" in caplog.text


def test_the_system_tells_how_long_it_slept() -> None:
    assert 0 <= gaps.suspended_seconds() <= time.clock_gettime(time.CLOCK_BOOTTIME)
