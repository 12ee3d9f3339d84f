"""The kernel's answers as the Wi-Fi laboratory recorded them."""

import errno
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.machine import Machine
from collectors.probe.netlink import split
from collectors.probe.nl80211 import Nl80211, bss_of, decode, is_authorized
from tests.wifi_replay import Replay, computer


@pytest.fixture
def recorded() -> type[Replay]:
    return Replay.load("crowd")


async def test_the_link_is_read_with_the_name_from_the_scan_results(tmp_path: Path, recorded: type[Replay]) -> None:
    radio = Nl80211(Machine(computer(tmp_path)), recorded)
    (station,) = await radio.stations()
    assert (station.interface, station.ssid, station.bssid) == ("wlan1", "CSC-Free", "02:00:00:00:02:00")
    assert (station.signal_dbm, station.retries, station.beacon_losses) == (-20, 0, 0)
    assert station.octets is not None
    assert recorded.asked.count(32) == 1
    await radio.stations()
    assert recorded.asked.count(32) == 1, "the name is read once for each association"
    await radio.close()


async def test_an_interface_that_is_down_is_asked_nothing(tmp_path: Path, recorded: type[Replay]) -> None:
    (computer(tmp_path) / "sys/class/net/wlan1/flags").write_text("0x1002\n")
    (station,) = await Nl80211(Machine(tmp_path), recorded).stations()
    assert not station.up
    assert 17 not in recorded.asked


async def test_a_kernel_without_wifi_has_no_stations(tmp_path: Path, recorded: type[Replay]) -> None:
    recorded.refuse[3] = errno.ENOENT
    assert await Nl80211(Machine(tmp_path), recorded).stations() == []


async def test_a_scan_waits_for_the_radios_own_event(tmp_path: Path, recorded: type[Replay]) -> None:
    radio = Nl80211(Machine(computer(tmp_path)), recorded)
    (station,) = await radio.stations()
    assert await radio.scan(station) == 0
    recorded.refuse[33] = errno.EBUSY
    assert await radio.scan(station) > 0, "another program's scan may have begun earlier"
    recorded.refuse[33] = errno.EPERM
    with pytest.raises(PermissionError):
        await radio.scan(station)
    recorded.refuse.clear()
    recorded.answers[0] = []
    with pytest.raises(TimeoutError):
        await radio.scan(station, wait=0.05)


async def test_every_network_is_heard_with_its_elements(tmp_path: Path, recorded: type[Replay]) -> None:
    radio = Nl80211(Machine(computer(tmp_path)), recorded)
    (station,) = await radio.stations()
    heard = await radio.heard(station)
    assert len(heard) == 40
    joined = next(bss for bss in heard if bss.associated)
    assert (joined.ssid, joined.channel, joined.security, joined.stations) == ("CSC-Free", 149, "open", 1)


def station_message(recorded: type[Replay], flags: bytes) -> bytes:
    octets = split(recorded.answers[17][0])[0][3]
    # NLA: length 12, type STA_INFO_STA_FLAGS, then mask and set.
    at = octets.index(struct.pack("=HH", 12, 17))
    return octets[: at + 4] + flags + octets[at + 12 :]


@pytest.mark.parametrize(("mask", "value", "expected"), [(2, 2, True), (2, 0, False), (0, 0, True)])
def test_an_association_that_is_not_let_in_is_no_link(recorded: type[Replay], mask: int, value: int, *, expected: bool) -> None:
    assert is_authorized(decode(station_message(recorded, struct.pack("=II", mask, value)))) is expected


SCAN = split(Replay.load("crowd").answers[32][0])[0][3]
AIR = SCAN.index(b"\x01\x08\x82\x84\x8b\x96")  # supported rates, the second element that came over the air


@given(st.binary(min_size=1, max_size=60))
def test_whatever_an_access_point_sends_is_read_without_an_error(noise: bytes) -> None:
    found = bss_of(decode(SCAN[:AIR] + noise + SCAN[AIR + len(noise) :]))
    assert found is not None
    assert found.frequency_mhz in {2412, 5745}
