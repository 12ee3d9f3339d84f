"""The Wi-Fi check on radios that say what a test wants; the real radio speaks in tests/wifilab."""

import dataclasses

import pytest

from agent.diagnose.checks.wifi import judge_link, look
from agent.diagnose.graph import Outcome, Status
from collectors.probe.station import Station
from collectors.wire.ieee80211 import Bss

JOINED = Station("wlan0", 3, up=True, ssid="CSC-Free", bssid="aa:00:00:00:00:01", signal_dbm=-50.0)
OWN = Bss("aa:00:00:00:00:01", "CSC-Free", 2437, -50.0, load=0.3)
NEIGHBOUR = Bss("bb:00:00:00:00:09", "Quán cà phê", 2437, -70.0)
ELSEWHERE = Bss("bb:00:00:00:00:10", "Khách", 5180, -70.0)


class Air:
    """A `Radio` that hears what it was made with, and must not be asked to scan."""

    def __init__(self, *heard: Bss, station: Station | None = JOINED) -> None:
        self._station = station
        self._heard = list(heard)

    async def stations(self) -> list[Station]:
        return [self._station] if self._station else []

    async def heard(self, station: Station) -> list[Bss]:
        assert station is self._station
        return self._heard

    async def scan(self, station: Station, wait: float = 20.0) -> float:
        raise AssertionError(station, wait)

    async def close(self) -> None:
        pass


def codes(outcome: Outcome) -> list[str]:
    return [suspect.code for suspect in outcome.suspects]


async def test_a_good_link_passes_with_its_figures() -> None:
    outcome = await look(Air(OWN, NEIGHBOUR, ELSEWHERE), "wlan0", dead_dbm=-75)
    assert (outcome.status, outcome.detail) == (Status.PASS, "CSC-Free, -50 dBm, 30% busy")
    assert outcome.data["networks_on_channel"] == 1


@pytest.mark.parametrize(("up", "detail"), [(True, "not connected"), (False, "switched off")])
async def test_a_radio_without_a_network_is_no_signal(*, up: bool, detail: str) -> None:
    radio = Air(station=Station("wlan0", 3, up=up))
    outcome = await look(radio, "wlan0", dead_dbm=-75)
    assert (codes(outcome), outcome.detail, outcome.carries) == (["wifi.no_signal"], detail, False)
    unused = await look(radio, "wlan0", dead_dbm=-75, missed=False)
    assert (unused.status, codes(unused)) == (Status.SKIP, [])


async def test_what_is_no_client_radio_is_not_judged() -> None:
    outcome = await look(Air(station=None), "wlan0", dead_dbm=-75)
    assert (outcome.status, outcome.carries) == (Status.SKIP, True)


@pytest.mark.parametrize(("signal", "severity"), [(-75.0, None), (-76.0, "warning"), (-86.0, "critical")])
def test_weak_is_below_the_threshold(signal: float, severity: str | None) -> None:
    outcome = judge_link("wlan0", dataclasses.replace(JOINED, signal_dbm=signal), [OWN], -75.0)
    assert [(one.code, one.severity) for one in outcome.suspects] == ([("wifi.weak", severity)] if severity else [])


def test_the_access_points_signal_stands_in_for_that_of_the_link() -> None:
    weak = dataclasses.replace(OWN, signal_dbm=-80.0)
    assert codes(judge_link("wlan0", dataclasses.replace(JOINED, signal_dbm=None), [weak], -75.0)) == ["wifi.weak"]
    assert codes(judge_link("wlan0", dataclasses.replace(JOINED, signal_dbm=None), [], -75.0)) == []


def test_a_full_channel_is_interference() -> None:
    full = dataclasses.replace(OWN, load=0.85)
    (suspect,) = judge_link("wlan0", JOINED, [full, NEIGHBOUR], -75.0).suspects
    assert (suspect.code, suspect.facts) == ("wifi.interference", {"share": "85%", "networks": "1"})
