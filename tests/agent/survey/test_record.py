import dataclasses
import errno
from pathlib import Path

import pytest

from agent.survey import record as module
from agent.survey.record import RecordError, record
from collectors.machine import Machine
from collectors.probe.station import Station
from collectors.wire.ieee80211 import Bss

UP = Station("wlan0", 3, up=True, ssid="CSC-Free", bssid="aa:00:00:00:00:01")
OWN = Bss("aa:00:00:00:00:01", "CSC-Free", 5180, -60.0)


class Radio:
    def __init__(self, station: Station | None = UP, refusal: OSError | None = None) -> None:
        self.station = station
        self.refusal = refusal
        self.scans = 0
        self.closed = False

    async def stations(self) -> list[Station]:
        return [self.station] if self.station else []

    async def scan(self, station: Station, wait: float = 20.0) -> float:
        assert station is self.station
        assert wait > 0
        self.scans += 1
        if self.refusal is not None:
            raise self.refusal
        return 0.0

    async def heard(self, station: Station) -> list[Bss]:
        assert station is self.station
        return [OWN, dataclasses.replace(OWN, bssid="aa:00:00:00:00:02", age=25.0)]

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.0)


async def test_a_spot_is_scanned_as_often_as_asked_with_progress(tmp_path: Path) -> None:
    radio, told = Radio(), list[int]()
    station, found, started = await record(
        Machine(tmp_path), 3, lambda number, heard: told.append(number + len(heard)), radio=radio
    )
    assert (station, started, radio.scans, radio.closed) == (UP, True, 3, True)
    assert told == [2, 3, 4]
    assert found == [[OWN]] * 3, "what this scan did not hear is not of this spot"


async def test_without_privilege_the_systems_results_are_read(tmp_path: Path) -> None:
    radio = Radio(refusal=PermissionError(errno.EPERM, "no"))
    _, found, started = await record(Machine(tmp_path), 2, lambda *_: None, radio=radio)
    assert (started, radio.scans) == (False, 1)
    assert len(found[0]) == 2


async def test_a_busy_radio_is_asked_again_and_then_given_up(tmp_path: Path) -> None:
    radio = Radio(refusal=OSError(errno.EBUSY, "Device or resource busy"))
    with pytest.raises(RecordError, match="busy"):
        await record(Machine(tmp_path), 2, lambda *_: None, radio=radio)
    assert (radio.scans, radio.closed) == (3, True)


@pytest.mark.parametrize(
    ("radio", "words"),
    [(Radio(None), "client mode"), (Radio(Station("wlan0", 3, up=False)), "rfkill unblock")],
)
async def test_what_hinders_is_said_with_its_remedy(tmp_path: Path, radio: Radio, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        await record(Machine(tmp_path), 1, lambda *_: None, radio=radio)


async def test_a_computer_without_wifi_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no Wi-Fi interface"):
        await record(Machine(tmp_path, platform="linux"), 1, lambda *_: None)
