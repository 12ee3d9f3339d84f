"""The collector on a recording of a real kernel, and on radios whose air changes as a test says (tests/wifilab: the real one)."""

import dataclasses
import errno
import logging
from pathlib import Path

import pytest

from agent.exposition import render
from agent.state import State
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.probe.nl80211 import Nl80211
from collectors.probe.station import Station
from collectors.site import Context, Site, Surroundings
from collectors.wifi import WifiCollector, WifiSettings, build
from collectors.wire.ieee80211 import Bss
from collectors.wire.iw_scan import parse
from tests.goldens import check_golden
from tests.wifi_replay import FIXTURES, Clock, Replay, SlowClock, computer, cost

JOINED = Station(
    "wlan0",
    3,
    up=True,
    ssid="CSC-Free",
    bssid="aa:00:00:00:00:01",
    signal_dbm=-50.0,
    receive_rate=9e6,
    transmit_rate=9e6,
    retries=4,
    beacon_losses=1,
    octets=1000,
)
IDLE = Station("wlan0", 3, up=True)
OWN = Bss("aa:00:00:00:00:01", "CSC-Free", 2437, -50.0, load=0.5)
SECOND = Bss("aa:00:00:00:00:02", "CSC-Free", 5180, -60.0)
NEIGHBOUR = Bss("bb:00:00:00:00:09", "Quán cà phê", 2437, -70.0)


class Air:
    """A `Radio` whose surroundings the test sets."""

    def __init__(self, *heard: Bss, station: Station = JOINED) -> None:
        self.station = station
        self.air = list(heard)
        self.scans = 0
        self.refusal: OSError | None = None
        self.closed = False

    async def stations(self) -> list[Station]:
        return [self.station]

    async def scan(self, station: Station, wait: float = 20.0) -> float:
        assert station is self.station
        assert wait > 0
        if self.refusal is not None:
            raise self.refusal
        self.scans += 1
        return 0.0

    async def heard(self, station: Station) -> list[Bss]:
        assert station is self.station
        return self.air

    async def close(self) -> None:
        self.closed = True


class Desk:
    """A collector at a clock that the test moves by intervals."""

    def __init__(self, air: Air, root: Path, **settings: object) -> None:
        self.clock = Clock()
        self.machine = Machine(root, self.clock)
        self.collector = WifiCollector(WifiSettings(**{"ssids": ("CSC-Free",), **settings}), "hall", self.machine, air)  # type: ignore[arg-type]
        self.reading = Reading("wifi", "", 0.0)

    async def run(self, intervals: int = 1) -> dict[str, float]:
        for _ in range(intervals):
            self.reading = await self.collector.collect()
            self.clock.now += 60
        return series(self.reading)


def series(reading: Reading) -> dict[str, float]:
    found = {}
    for metric, labels, value, _ in reading.observations:
        assert isinstance(value, float | int)
        found[f"{metric.name.removeprefix('commune_wifi_')} {' '.join(labels)}"] = float(value)
    return found


def replay(root: Path, recorded: type[Replay], **settings: object) -> WifiCollector:
    machine = Machine(computer(root), SlowClock())
    return WifiCollector(WifiSettings(**{"ssids": ("CSC-Free",), **settings}), "hall", machine, Nl80211(machine, recorded))  # type: ignore[arg-type]


async def test_width_security_and_overlapping_networks_of_the_sites_own_are_told(tmp_path: Path) -> None:
    own = dataclasses.replace(OWN, width_mhz=20, security="wpa2")
    near = Bss("bb:00:00:00:00:08", "Nhà bên", 2427, -80.0)
    values = await Desk(Air(own, SECOND, NEIGHBOUR, near), tmp_path).run()
    assert values["bss_width_hertz CSC-Free aa:00:00:00:00:01 2.4"] == 20e6
    assert values["bss_overlapping CSC-Free aa:00:00:00:00:01 2.4"] == 2
    assert values["bss_overlapping CSC-Free aa:00:00:00:00:02 5"] == 0
    assert values["bss_info CSC-Free aa:00:00:00:00:01 2.4 wpa2"] == 1
    assert "bss_width_hertz CSC-Free aa:00:00:00:00:02 5" not in values, "it announces none"


async def test_a_recorded_kernel_gives_the_golden_exposition(tmp_path: Path) -> None:
    collector = replay(tmp_path, Replay.load("crowd"))
    check_golden("wifi", exposed(await collector.collect()))
    await collector.stop()


def exposed(reading: Reading) -> str:
    state = State()
    state.apply(reading, 1.0)
    return render(state.series()).decode()


async def test_every_network_of_a_recorded_scan_is_counted_where_iw_put_it(tmp_path: Path) -> None:
    listed = parse((FIXTURES / "crowd-scan-dump.txt").read_text())
    found = series(await replay(tmp_path, Replay.load("crowd")).collect())
    assert len(listed) == 40
    for band, channel in {(bss.band, bss.channel) for bss in listed}:
        assert found[f"channel_bss {band} {channel}"] == sum((bss.band, bss.channel) == (band, channel) for bss in listed)
    for bss in listed:
        key = f"{bss.ssid} {bss.bssid} {bss.band}"
        if bss.ssid == "CSC-Free":
            assert found[f"bss_signal_dbm {key}"] == bss.signal_dbm
            assert found[f"bss_channel {key}"] == bss.channel
            assert found[f"bss_load_ratio {key}"] == bss.load


async def test_neighbours_are_counted_and_never_named(tmp_path: Path) -> None:
    desk = Desk(Air(OWN, SECOND, NEIGHBOUR), tmp_path)
    found = await desk.run()
    assert found["channel_bss 2.4 6"] == 2
    assert not any("Quán" in name or "bb:00" in name for name in found)


async def test_the_link_is_told_in_octets_per_second(tmp_path: Path) -> None:
    found = await Desk(Air(OWN), tmp_path).run()
    assert found["link_up wlan0 CSC-Free"] == 1
    assert found["link_receive_bytes_per_second wlan0 CSC-Free"] == 9e6
    assert found["link_retries_total wlan0 CSC-Free"] == 4
    assert found["bss_load_ratio CSC-Free aa:00:00:00:00:01 2.4"] == 0.5


async def test_a_zone_dies_below_the_threshold_and_lives_again_above_the_hysteresis(tmp_path: Path) -> None:
    air = Air(OWN)
    desk = Desk(air, tmp_path)
    verdicts = []
    for signal in (-75.0, -75.1, -74.0, -72.1, -72.0, -74.9):
        air.station = dataclasses.replace(JOINED, signal_dbm=signal)
        verdicts.append((await desk.run())["zone_dead hall CSC-Free"])
    assert verdicts == [0, 1, 1, 1, 0, 0]


async def test_the_best_access_point_of_the_zone_counts(tmp_path: Path) -> None:
    air = Air(OWN, SECOND, station=dataclasses.replace(JOINED, signal_dbm=-71.0))
    assert (await Desk(air, tmp_path).run())["zone_signal_dbm hall CSC-Free"] == -60


async def test_an_unheard_network_is_dead_and_has_no_signal(tmp_path: Path) -> None:
    found = await Desk(Air(NEIGHBOUR, station=IDLE), tmp_path).run()
    assert found["zone_dead hall CSC-Free"] == 1
    assert "zone_signal_dbm hall CSC-Free" not in found


async def test_a_network_heard_by_a_driver_that_tells_no_dbm_is_unknown_and_not_dead(tmp_path: Path) -> None:
    air = Air(dataclasses.replace(OWN, signal_dbm=None), station=IDLE)
    desk = Desk(air, tmp_path)
    found = await desk.run()
    assert not any(name.startswith("zone_") for name in found), "neither alive nor dead"
    assert (desk.reading.reason, desk.reading.detail) == (None, "CSC-Free: heard, but the driver tells no signal in dBm")
    assert found["bss_channel CSC-Free aa:00:00:00:00:01 2.4"] == 6
    air.air = []
    assert (await desk.run(5))["zone_dead hall CSC-Free"] == 1, "gone is gone"


async def test_what_the_scan_did_not_hear_again_is_gone(tmp_path: Path) -> None:
    air = Air(dataclasses.replace(OWN, age=12.0), station=IDLE)
    assert (await Desk(air, tmp_path).run())["zone_dead hall CSC-Free"] == 1


async def test_a_scan_comes_every_scan_interval_and_values_stay_between(tmp_path: Path) -> None:
    air = Air(OWN, SECOND)
    desk = Desk(air, tmp_path)
    for _ in range(10):
        assert "bss_signal_dbm CSC-Free aa:00:00:00:00:02 5" in await desk.run()
    assert air.scans == 2


async def test_a_busy_link_is_not_disturbed_by_a_scan(tmp_path: Path) -> None:
    air = Air(OWN)
    desk = Desk(air, tmp_path)
    for run in range(12):
        air.station = dataclasses.replace(JOINED, octets=1000 + run * int(60 * 9e6 * 0.2))
        found = await desk.run()
    assert air.scans == 1
    assert found["zone_signal_dbm hall CSC-Free"] == -50  # the link itself still tells
    air.station = dataclasses.replace(air.station, octets=air.station.octets)
    await desk.run()
    assert air.scans == 2


async def test_a_lost_link_is_looked_into_at_once(tmp_path: Path) -> None:
    air = Air(OWN)
    desk = Desk(air, tmp_path)
    await desk.run()
    air.station, air.air = IDLE, []
    found = await desk.run()
    assert found["link_up wlan0 CSC-Free"] == 0
    assert found["zone_dead hall CSC-Free"] == 1
    air.air = [OWN]
    assert (await desk.run())["zone_dead hall CSC-Free"] == 0


async def test_the_last_beacons_of_an_access_point_that_went_deceive_for_one_interval_only(tmp_path: Path) -> None:
    air = Air(OWN)
    desk = Desk(air, tmp_path)
    await desk.run()
    air.station = IDLE
    assert (await desk.run())["zone_dead hall CSC-Free"] == 0, "it was heard in the moment before"
    air.air = []
    assert (await desk.run())["zone_dead hall CSC-Free"] == 1
    assert air.scans == 3


async def test_a_computer_that_is_joined_to_nothing_keeps_the_pace_of_scans(tmp_path: Path) -> None:
    air = Air(OWN)
    desk = Desk(air, tmp_path)
    await desk.run()
    air.station = IDLE
    await desk.run(4)
    assert air.scans == 3, "one at the loss, one after it, and no more until it is time"


async def test_a_network_that_was_joined_stays_judged_under_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "etc/wpa_supplicant"
    folder.mkdir(parents=True)
    (folder / "a.conf").write_text('network={\n ssid="Alpha"\n}\n')
    air = Air(OWN)
    desk = Desk(air, tmp_path, ssids=())
    await desk.run()
    air.station, air.air = IDLE, []
    found = await desk.run(4)
    assert found["link_up wlan0 CSC-Free"] == 0
    assert found["zone_dead hall CSC-Free"] == 1
    assert "link_up wlan0 Alpha" not in found


async def test_a_fading_link_makes_the_others_be_heard_again(tmp_path: Path) -> None:
    air = Air(OWN, SECOND)
    desk = Desk(air, tmp_path)
    await desk.run()
    air.station = dataclasses.replace(JOINED, signal_dbm=-85.0)
    air.air = [dataclasses.replace(OWN, signal_dbm=-85.0), dataclasses.replace(SECOND, signal_dbm=-88.0)]
    assert (await desk.run())["zone_dead hall CSC-Free"] == 1


async def test_roams_are_changes_of_the_access_point_within_the_network(tmp_path: Path) -> None:
    air = Air(OWN, SECOND)
    desk = Desk(air, tmp_path)
    counted = []
    for station in (
        JOINED,
        dataclasses.replace(JOINED, bssid=SECOND.bssid),
        dataclasses.replace(JOINED, bssid=SECOND.bssid),
        dataclasses.replace(JOINED, ssid="Other", bssid="cc:00:00:00:00:01"),
        JOINED,
    ):
        air.station = station
        found = await desk.run()
        counted.append(found[f"link_roams_total wlan0 {station.ssid}"])
    assert counted == [0, 1, 0, 0, 0]


async def test_without_privilege_cached_results_are_read_and_it_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = Replay.load("crowd")
    recorded.refuse[33] = errno.EPERM
    collector = replay(tmp_path, recorded)
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            reading = await collector.collect()
    assert reading.reason is None
    assert series(reading)["channel_bss 2.4 1"] == 20
    assert recorded.asked.count(33) == 1
    assert [record.message for record in caplog.records].count(
        "reading the system's scan results only: starting a scan needs CAP_NET_ADMIN"
    ) == 1


async def test_an_empty_cache_is_no_proof_that_a_network_is_gone(tmp_path: Path) -> None:
    air = Air(station=IDLE)
    air.refusal = PermissionError(errno.EPERM, "not permitted")
    found = await Desk(air, tmp_path).run()
    assert not any(name.startswith("zone_") for name in found)


async def test_a_busy_radio_is_a_detail_and_no_failure(tmp_path: Path) -> None:
    air = Air(OWN)
    air.refusal = OSError(errno.ENETDOWN, "Network is down")
    desk = Desk(air, tmp_path)
    await desk.run()
    assert desk.reading.reason is None
    assert "Network is down" in desk.reading.detail


async def test_a_radio_that_is_off_says_nothing(tmp_path: Path) -> None:
    air = Air(OWN, station=Station("wlan0", 3, up=False))
    desk = Desk(air, tmp_path)
    assert await desk.run() == {}
    assert (desk.reading.reason, desk.reading.detail) == (None, "wlan0 is switched off")


async def test_a_computer_without_wifi_is_not_supported_and_harms_nothing(tmp_path: Path) -> None:
    (tmp_path / "sys/class/net/eth0").mkdir(parents=True)
    context = Context(Machine(tmp_path), Site(zone="hall"), Surroundings(), ())
    (collector,) = build(WifiSettings(), context)
    reading = await collector.collect()
    assert reading.reason is Reason.NOT_SUPPORTED
    assert not reading.observations
    await collector.stop()


async def test_an_interface_that_is_not_there_is_named(tmp_path: Path) -> None:
    reading = await Desk(Air(OWN), tmp_path, interface="wlan7").collector.collect()
    assert reading.reason is Reason.NOT_SUPPORTED
    assert "wlan7" in reading.detail


async def test_without_configured_names_the_networks_this_computer_knows_are_judged(tmp_path: Path) -> None:
    folder = tmp_path / "etc/wpa_supplicant"
    folder.mkdir(parents=True)
    (folder / "wpa_supplicant.conf").write_text('network={\n\tssid="UBND xã"\n\tpsk="secret"\n}\n')
    found = await Desk(Air(OWN), tmp_path, ssids=()).run()
    assert found["zone_dead hall UBND xã"] == 1
    assert found["zone_dead hall CSC-Free"] == 0


def test_the_cost_stays_within_its_budget(tmp_path: Path) -> None:
    octets, scan, link, share = cost(tmp_path)
    print(f"wifi: {octets / 2**20:.1f} MiB resident, {scan * 1e3:.1f} ms with a scan of 40 networks, {link * 1e3:.2f} ms without")
    assert octets < 12 * 2**20
    assert share < 0.002
