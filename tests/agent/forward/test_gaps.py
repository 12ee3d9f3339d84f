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
    assert all(item.metric is selfmon.GAP_SECONDS and not item.add for item in found.items)
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
    assert told(second)["agent_stopped"] == 300, "counted once"
    second.end()


def test_a_counted_gap_is_there_after_kill_9_at_once(tmp_path: Path) -> None:
    """A machine whose power fails again seconds after it came back."""
    hands = Hands(1_700_000_000.0)
    ledger(tmp_path, hands).tick()
    for killed in range(1, 4):
        hands.advance(300)
        assert told(ledger(tmp_path, hands))["agent_stopped"] == 300 * killed


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


def test_gaps_are_forgotten_after_a_year_by_true_time_alone(tmp_path: Path) -> None:
    """The PC comes back five years ahead, as its clock says."""
    hands = Hands(1_700_000_000.0)
    first = ledger(tmp_path, hands)
    first.lost("expired", 1_699_990_000.0, 1_699_991_000.0)
    first.end()
    reborn = Hands(1_700_030_000.0, monotonic=20.0, offset=5 * 365 * 86400.0)
    second = ledger(tmp_path, reborn, "boot-2", known=False)
    second.tick()
    assert Gap(1_699_990_000.0, 1_699_991_000.0, "expired") in second.gaps()
    second._clock.set_base(reborn.true() - reborn.monotonic(), "ntp")
    reborn.advance(2 * gaps.KEPT)
    second.tick()
    assert [gap.reason for gap in second.gaps()] == []
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


@pytest.mark.parametrize(
    ("off", "begin"), [(30_000.0, 1_700_000_000.0), (-500.0, 1_700_030_000.0 - 20.0)], ids=["ran on", "went back"]
)
def test_a_gap_between_boots_of_unknown_time_is_corrected_when_it_is_known(tmp_path: Path, off: float, begin: float) -> None:
    """The wall clock is three years behind; over the reboot it runs on, or it is reset and nothing but the order is known."""
    year = 86400.0 * 365
    first = ledger(tmp_path, Hands(1_700_000_000.0, offset=-3 * year), known=False)
    first.tick()
    reborn = Hands(1_700_030_000.0, monotonic=20.0, offset=-3 * year + off - 30_000.0)
    second = ledger(tmp_path, reborn, "boot-2", known=False)
    assert told(second)["power_lost"] == 0
    second._clock.set_base(reborn.true() - reborn.monotonic(), "ntp")
    (gap,) = second.gaps()
    assert (gap.reason, gap.end) == ("power_lost", 1_700_030_000.0)
    assert gap.begin == pytest.approx(begin)
    assert told(second)["power_lost"] == pytest.approx(gap.seconds)
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


def test_flash_is_spared_but_a_suspend_is_noticed_as_soon(tmp_path: Path) -> None:
    hands, slept = Hands(1_700_000_000.0), Slept()
    book = ledger(tmp_path, hands, suspended=slept, note_every=300.0)
    book.report(Observations())
    log = tmp_path / "gaps.db-wal"
    written = []
    for _ in range(41):
        hands.advance(15)
        book.tick()
        book.report(Observations())
        written.append(log.stat().st_size)
    assert len(set(written)) == 3, "three notes in ten minutes, no other writes"
    hands.advance(600)
    slept.seconds += 590
    book.tick()
    (gap,) = book.gaps()
    assert (gap.reason, round(gap.seconds)) == ("suspended", 590)
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
    assert told(book) == {**dict.fromkeys(gaps.REASONS, 0.0), "refused": 800.0, "expired": 100.0}
    assert [gap.begin for gap in book.gaps(since=5000.0)] == [9000.0]
    book.end()


def test_what_was_dropped_before_the_time_was_known_is_a_gap_at_the_right_time(tmp_path: Path) -> None:
    hands = Hands(1_700_000_000.0, monotonic=900.0, offset=3 * 365 * 86400.0)
    book = ledger(tmp_path, hands, known=False)
    book.lost("expired", 100.0, 200.0, boot="boot-1")
    book.lost("expired", 200.0, 250.0, boot="boot-1")
    assert told(book)["expired"] == 0
    book._clock.set_base(hands.true() - hands.monotonic(), "ntp")
    assert book.gaps() == [Gap(1_700_000_000.0 - 800, 1_700_000_000.0 - 650, "expired")]
    assert told(book)["expired"] == 150
    book.end()


def test_a_clock_that_is_years_ahead_forgets_no_gap(tmp_path: Path) -> None:
    first = ledger(tmp_path, Hands(1_700_000_000.0))
    first.lost("refused", 1_699_990_000.0, 1_699_993_600.0)
    first.end()
    ahead = Hands(1_700_030_000.0, monotonic=20.0, offset=3 * 365 * 86400.0)
    second = ledger(tmp_path, ahead, "boot-2", known=False)
    second.tick()
    second._clock.set_base(ahead.true() - ahead.monotonic(), "ntp")
    second.tick()
    assert [(gap.reason, gap.begin) for gap in second.gaps()] == [("refused", 1_699_990_000.0), ("machine_off", 1_700_000_000.0)]
    ahead.advance(gaps.KEPT + 1)
    second.tick()
    assert second.gaps() == []
    second.end()


def test_no_second_has_two_reasons(tmp_path: Path) -> None:
    """A block of samples that expires spans the night when the computer was off; the night is explained already."""
    hands = Hands(1_700_000_000.0)
    first = ledger(tmp_path, hands)
    first.tick()
    first.end()
    hands.advance(300)
    second = ledger(tmp_path, hands)
    start = 1_700_000_000.0
    for begin, end in ((-500.0, 400.0), (-500.0, -100.0), (350.0, 900.0), (50.0, 250.0), (-900.0, -700.0)):
        second.lost("expired", start + begin, start + end)
    assert [(gap.begin - start, gap.end - start, gap.reason) for gap in second.gaps()] == [
        (-900.0, 0.0, "expired"),
        (0.0, 300.0, "agent_stopped"),
        (300.0, 900.0, "expired"),
    ]
    assert told(second) == {**dict.fromkeys(gaps.REASONS, 0.0), "expired": 1500.0, "agent_stopped": 300.0}
    second.end()


def test_clocks_that_jump_make_no_gap(tmp_path: Path) -> None:
    hands = Hands(1_700_000_000.0)
    book = ledger(tmp_path, hands)
    for offset in (7200.0, -7200.0, 3 * 365 * 86400.0, -3 * 365 * 86400.0, 0.0):
        hands.offset = offset
        hands.advance(15)
        book.tick()
        book._clock.set_base(hands.true() - hands.monotonic() + offset / 1e9, "ntp")
    assert book.gaps() == []
    assert set(told(book).values()) == {0.0}
    hands.offset = 7200.0
    book.end()
    hands.advance(30)
    again = ledger(tmp_path, hands)
    (gap,) = again.gaps()
    assert gap.reason == "agent_stopped"
    assert gap.seconds == pytest.approx(30.0, abs=1.0)
    again.end()


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
