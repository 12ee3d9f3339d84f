"""Stories of how a session of the computer ended, and what the agent makes of them after the next boot."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.machine import Machine
from collectors.probe import boots
from collectors.probe.boots import Ending
from tests.collectors import captured


class Computer:
    """A computer that boots, shuts down and loses power; the agent's directory outlives all that."""

    def __init__(self, folder: Path, *, wtmp: bool = False, journal: bool = False) -> None:
        self.root, self.state = folder / "root", folder / "state"
        self.state.mkdir()
        self.machine = captured.machine(self.root)
        self.wtmp, self.journal = wtmp, journal
        self.session = 0
        self.boot()

    def boot(self) -> None:
        self.session += 1
        captured.write(self.root, {"proc/sys/kernel/random/boot_id": f"boot-{self.session}\n"})
        if self.wtmp:
            self._log(2, "reboot")
        if self.journal:
            captured.write(self.root, {"var/log/journal/abc/system.journal": ""})

    def shut_down(self) -> None:
        if self.wtmp:
            self._log(1, "shutdown")
        self.boot()

    def lose_power(self) -> None:
        if self.journal:  # journald finds its file unclosed and sets it aside
            captured.write(self.root, {f"var/log/journal/abc/system@{self.session:016x}-0.journal~": ""})
        self.boot()

    def _log(self, kind: int, user: str) -> None:
        record = struct.pack("<hxxi32s4s32s", kind, 1, b"~", b"~~", user.encode()).ljust(384, b"\0")
        file = self.root / "var/log/wtmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((file.read_bytes() if file.exists() else b"") + record)

    def agent_starts(self) -> boots.Boot:
        boot = boots.begin(self.machine, self.state)
        assert boot is not None
        return boot

    def agent_stops(self) -> None:
        boots.end(self.machine, self.state)


@pytest.fixture(params=[(False, False), (True, False), (False, True), (True, True)], ids=["bare", "wtmp", "journal", "both"])
def computer(request: pytest.FixtureRequest, tmp_path: Path) -> Computer:
    wtmp, journal = request.param
    return Computer(tmp_path, wtmp=wtmp, journal=journal)


def test_the_first_start_knows_nothing(computer: Computer) -> None:
    boot = computer.agent_starts()
    assert (boot.previous, boot.is_first_start) == (Ending.UNKNOWN, True)


def test_an_orderly_shutdown(computer: Computer) -> None:
    computer.agent_starts()
    computer.agent_stops()
    computer.shut_down()
    boot = computer.agent_starts()
    assert (boot.previous, boot.is_first_start, boot.agent_stopped) == (Ending.ORDERLY, True, True)


def test_the_power_fails(computer: Computer) -> None:
    computer.agent_starts()
    computer.lose_power()
    boot = computer.agent_starts()
    assert (boot.previous, boot.is_first_start, boot.agent_stopped) == (Ending.UNCLEAN, True, False)


def test_the_agent_restarts_within_a_session(computer: Computer) -> None:
    computer.agent_starts()
    computer.lose_power()
    computer.agent_starts()
    computer.agent_stops()
    boot = computer.agent_starts()
    assert (boot.previous, boot.is_first_start, boot.agent_stopped) == (Ending.UNCLEAN, False, True)


def test_the_agent_is_killed_and_started_again(computer: Computer) -> None:
    computer.agent_starts()
    boot = computer.agent_starts()
    assert (boot.is_first_start, boot.agent_stopped) == (False, False)


def test_the_agent_is_killed_and_the_computer_shut_down(computer: Computer) -> None:
    computer.agent_starts()
    computer.shut_down()
    evidence = computer.wtmp or computer.journal
    assert computer.agent_starts().previous is (Ending.ORDERLY if evidence else Ending.UNCLEAN)


def test_the_agent_is_stopped_by_hand_and_the_power_fails_later(computer: Computer) -> None:
    computer.agent_starts()
    computer.agent_stops()
    computer.lose_power()
    assert computer.agent_starts().previous is (Ending.UNCLEAN if computer.wtmp else Ending.ORDERLY)


def test_power_cuts_in_a_row_are_each_told(computer: Computer) -> None:
    computer.agent_starts()
    for _ in range(3):
        computer.lose_power()
        assert computer.agent_starts().previous is Ending.UNCLEAN
    computer.agent_stops()
    computer.shut_down()
    assert computer.agent_starts().previous is Ending.ORDERLY


def test_whoever_asks_hears_the_same_before_and_after_the_agent_began(computer: Computer) -> None:
    computer.agent_starts()
    computer.lose_power()
    before = boots.examine(computer.machine, computer.state)
    computer.agent_starts()
    after = boots.examine(computer.machine, computer.state)
    assert before is not None
    assert after is not None
    assert before.previous is after.previous is Ending.UNCLEAN


def test_nothing_to_remember_in_or_to_know_by(tmp_path: Path) -> None:
    assert boots.begin(captured.machine(tmp_path / "root"), tmp_path) is None
    assert boots.begin(Machine(), None) is None
    boots.end(Machine(), None)


@given(st.one_of(st.binary(max_size=60), st.sampled_from([b"{}", b"[]", b'{"boot_id": 1}', b'{"boot_id": "x", "previous": 3}'])))
def test_any_record_is_survived(tmp_path_factory: pytest.TempPathFactory, record: bytes) -> None:
    folder = tmp_path_factory.mktemp("boot")
    (folder / boots.RECORD).write_bytes(record)
    machine = captured.machine(folder, {"proc/sys/kernel/random/boot_id": "boot-1\n"})
    assert boots.begin(machine, folder) is not None
    again = boots.examine(machine, folder)
    assert again is not None
    assert not again.is_first_start
