"""A device polled through snmpsim, by every version and both backends."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from agent.scheduler import Scheduler
from agent.state import State
from collectors.families import MOBILE_COVERAGE
from collectors.machine import Machine
from collectors.mobile import MobileSettings
from collectors.model import Reading
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.site import Context, Secret, Site, Surroundings
from collectors.snmp import SnmpAuth, SnmpDevice, SnmpSettings, build
from collectors.snmp.assemble import credentials
from collectors.snmp.device import SnmpDeviceCollector
from collectors.wire.units import Duration
from tests.collectors.snmp.conftest import Poll
from tests.collectors.snmp.recordings import shared
from tests.collectors.snmp.simulator import simulated

DEVICE = "network_wifi_ubiquiti-m5"


def values(reading: Reading, name: str) -> dict[tuple[str, ...], float]:
    return {
        observation.labels[1:]: observation.value
        for observation in reading.observations
        if observation.metric.name == name and not isinstance(observation.value, tuple)
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*")
@pytest.mark.parametrize("version", [1, 2])
async def test_both_backends_and_versions_read_the_same(poll: Poll, backend: str, version: int) -> None:
    reading = await poll(DEVICE, version=version, backend=backend)
    assert reading.reason is None, reading.detail
    assert values(reading, "commune_device_up") == {(): 1.0}
    reference = await poll(DEVICE, version=version)
    untimed = {o for o in reference.observations if "boot" not in o.metric.name}
    assert {o for o in reading.observations if "boot" not in o.metric.name} == untimed
    assert len(values(reading, "commune_interface_receive_bytes_total")) == 9


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*")
async def test_a_device_that_stops_answering_is_down_at_once_and_its_values_vanish(
    recordings: Path, tmp_path: Path, backend: str
) -> None:
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(next(recordings.rglob(f"{DEVICE}.snmprec")), folder)
    state = State()
    readings: asyncio.Queue[Reading] = asyncio.Queue()

    def deliver(reading: Reading, valid_for: float) -> None:
        state.apply(reading, valid_for)
        readings.put_nowait(reading)

    def forget(key: tuple[str, str]) -> None:
        state.remove(key)

    def shown() -> dict[str, object]:
        return {series.metric.name: series.value for series in state.series()}

    machine = Machine()
    sessions = SnmpSessions(backend)
    scheduler = Scheduler(machine.clock, deliver, forget)
    try:
        async with asyncio.timeout(90):
            with simulated(folder, tmp_path) as port:
                peer = Peer("127.0.0.1", port, Credentials(2, DEVICE), timeout=2, retries=0)
                await scheduler.replace([SnmpDeviceCollector(DEVICE, peer, sessions, machine, interval=6)])
                while "commune_interface_receive_bytes_total" not in shown():
                    await readings.get()
                assert shown()["commune_device_up"] == 1.0
            while not readings.empty():
                readings.get_nowait()
            await readings.get()
            if shown()["commune_device_up"] != 0.0:  # a poll was under way when it fell silent: the next one tells
                await readings.get()
        assert shown()["commune_device_up"] == 0.0
        assert set(shown()) == {"commune_device_up", "commune_snmp_errors_total"}
    finally:
        await scheduler.stop()
        await sessions.close()


def test_a_changed_secret_file_makes_another_instance_at_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "community"
    auth = msgspec.convert({"community_file": "community"}, SnmpAuth)
    identities = []
    for word in ("first", "first", "second"):
        file.write_text(f"{word}\n", encoding="utf-8")
        peer = Peer("127.0.0.1", 161, credentials(auth, tmp_path))
        identities.append(SnmpDeviceCollector("switch-1", peer, SnmpSessions(), Machine(), interval=60).identity)
    assert identities[0] == identities[1]
    assert identities[1] != identities[2]


@pytest.mark.parametrize(
    ("section", "state"),
    [
        (MobileSettings(), "good"),
        (MobileSettings(weak_dbm=-100), "weak"),
        (MobileSettings(weak_dbm=-100, none_dbm=-104), "none"),
        (MobileSettings(weak_dbm=-105, none_dbm=-105), "good"),
    ],
)
async def test_a_recorded_lte_router_is_judged_by_the_limits_of_the_configuration(
    simulator: int, section: MobileSettings, state: str
) -> None:
    router = "routeros_ltap-mini"
    if shared() is None:
        pytest.skip("no recordings beside the repository (shared/data/snmp)")
    auth = SnmpAuth(community=Secret(router))
    settings = SnmpSettings(auths={"default": auth}, devices=(SnmpDevice(name="lte-1", address="127.0.0.1", port=simulator),))
    context = Context(Machine(), Site(), Surroundings(), (), coverage=section)
    (device,) = build(settings, context)
    try:
        reading = await device.collect()
    finally:
        await context.session(SnmpSessions, SnmpSessions).close()
    told = {name: values(reading, f"commune_mobile_{name}") for name in ("signal_rsrp_dbm", "registered", "coverage")}
    assert told == {"signal_rsrp_dbm": {(): -105.0}, "registered": {(): 1.0}, "coverage": {(state,): 1.0}}
    assert {item.labels[0] for item in reading.observations if item.metric is MOBILE_COVERAGE} == {"lte-1"}


def test_only_changed_limits_make_another_instance() -> None:
    settings = SnmpSettings(devices=(SnmpDevice(name="lte-1", address="127.0.0.1"),))

    def identity(section: MobileSettings) -> object:
        (device,) = build(settings, Context(Machine(), Site(), Surroundings(), (), coverage=section))
        return device.identity

    assert identity(MobileSettings()) == identity(MobileSettings(interval=Duration(30)))
    assert identity(MobileSettings()) != identity(MobileSettings(weak_dbm=-100))


async def made_up(tmp_path: Path, object_id: str, rows: Mapping[str, object], directory: Path | None = None) -> Reading:
    """Poll a device of which these objects are all that there is."""
    folder = tmp_path / "one"
    folder.mkdir()
    lines = ["1.3.6.1.2.1.1.1.0|4|made up", f"1.3.6.1.2.1.1.2.0|6|{object_id}", "1.3.6.1.2.1.1.3.0|67|123456"]
    lines += [f"{oid}|{2 if isinstance(value, int) else 4}|{value}" for oid, value in rows.items()]
    lines.sort(key=lambda line: [int(number) for number in line.split("|")[0].split(".")])
    (folder / "made.snmprec").write_text("\n".join(lines) + "\n")
    sessions = SnmpSessions()
    with simulated(folder, tmp_path) as port:
        peer = Peer("127.0.0.1", port, Credentials(2, "made"), timeout=5)
        device = SnmpDeviceCollector("made", peer, sessions, Machine(), interval=60, directory=directory)
        reading = await device.collect()
    await sessions.close()
    assert reading.reason is None, reading.detail
    return reading


MODEM = {1: "1", 11: "Registered, home", 13: "Viettel", 16: "LTE", 17: "410", 19: "12", 20: "-95", 21: "-11"}
"""A row of modemTable (TELTONIKA-RUTX-MIB) by column; written from the MIB, since no recording of such a router is at hand."""


@pytest.mark.parametrize(
    ("told", "registered"), [("Registered, home", 1.0), ("Registered, roaming", 1.0), ("Searching", 0.0), ("Unknown", None)]
)
async def test_a_mobile_router_of_which_there_is_only_the_mib(tmp_path: Path, told: str, registered: float | None) -> None:
    base = "1.3.6.1.4.1.48690"
    rows = {f"{base}.1.{at}.0": word for at, word in ((1, "1102345678"), (3, "RUTX11000000"), (6, "RUTX_R_00.07.06.3"))}
    rows |= {f"{base}.2.2.1.{column}.1": word for column, word in (MODEM | {11: told}).items()}
    reading = await made_up(tmp_path, "1.3.6.1.4.1.8072.3.2.10", rows)
    found = {name: values(reading, f"commune_mobile_{name}") for name in ("signal_rsrp_dbm", "signal_rsrq_db", "signal_sinr_db")}
    assert found == {"signal_rsrp_dbm": {(): -95.0}, "signal_rsrq_db": {(): -11.0}, "signal_sinr_db": {(): 12.0}}
    assert values(reading, "commune_mobile_registered") == ({} if registered is None else {(): registered})
    covered = {None: {("good",): 1.0}, 1.0: {("good",): 1.0}, 0.0: {("none",): 1.0}}
    assert values(reading, "commune_mobile_coverage") == covered[registered], "who is not registered has none, however strong"
    assert values(reading, "commune_mobile_info") == {("Viettel", "LTE"): 1.0}
    assert values(reading, "commune_device_info").keys() == {
        ("Teltonika", "RUTX11", "RUTX_R_00.07.06.3", "1102345678", "", "teltonika")
    }
    assert values(reading, "commune_device_temperature_celsius") == {("Modem 1",): 41.0}


OF_THE_MIB: dict[str, tuple[str, str, Mapping[str, object], dict[tuple[str, ...], float]]] = {
    # coolingUnitStatusAnalogTable and …DiscreteTable of PowerNet-MIB
    "apc-cooling": (
        "1.3.6.1.4.1.318.1.3.27",
        "1.3.6.1.4.1.318.1.1.27.1.4",
        {
            f"1.2.1.{column}.1.{row}": word
            for row, words in enumerate(
                [("Supply", 194, "C", 10), ("Supply", 671, "F", 10), ("Room", 306, "%RH", 10), ("Demand", 12, "kW", 10)], 1
            )
            for column, word in enumerate(words, 2)
        }
        | {"2.2.1.2.1.1": "Unit State", "2.2.1.3.1.1": "No Demand"},
        {
            ("temperature_celsius", "Supply"): 19.4,
            ("humidity_ratio", "Room"): 0.306,
            ("power_watts", "Demand"): 1200.0,
            ("sensor_state", "Unit State", "no_demand"): 1.0,
        },
    ),
    # hwBattsTotalCurrent, hwBattsChargeStatus, hwBattStringRemainCapacityPercent, hwDcOutput… of HUAWEI-SITE-MONITOR-MIB
    "huawei-smu": (
        "1.3.6.1.4.1.2011.6.164.1.2",
        "1.3.6.1.4.1.2011.6.164.1",
        {"4.2.1.0": -3, "4.2.3.0": 3, "4.4.2.1.3.1": 905, "4.4.2.1.3.2": 870, "6.2.1.1.4.1": 535, "6.2.1.1.5.1": 7},
        {
            ("current_amperes", "Battery"): -3.0,
            ("current_amperes", "Output 1"): 7.0,
            ("voltage_volts", "Output 1"): 53.5,
            ("sensor_state", "Battery", "discharge"): 1.0,
            ("commune_ups_on_battery",): 1.0,
            ("commune_ups_charge_ratio",): 0.87,
        },
    ),
    # rectifiers of the RPS-SC300-MIB: the second is an empty place
    "eaton-sc": (
        "1.3.6.1.4.1.1918.2.14",
        "1.3.6.1.4.1.1918.2.14.10",
        {
            f"60.30.1.{column}.{row}": number
            for row, numbers in ((1, (230, 5369, 2, 38)), (2, (0, 0, 0, 0)))
            for column, number in zip((90, 95, 100, 110), numbers, strict=True)
        }
        | {"70.10.20.0": 5363, "50.20.0": 4},
        {
            ("voltage_volts", "Rectifier 1 input"): 230.0,
            ("voltage_volts", "Rectifier 1"): 53.69,
            ("current_amperes", "Rectifier 1"): 2.0,
            ("temperature_celsius", "Rectifier 1"): 38.0,
            ("voltage_volts", "Bus"): 53.63,
            ("commune_ups_load_ratio",): 0.04,
        },
    ),
    # upsInputTable of UPS-MIB without a voltage
    "ups": (
        "1.3.6.1.2.1.33.2",
        "1.3.6.1.2.1.33.1",
        {"1.1.0": "Rittal", "2.4.0": 90, "3.3.1.2.1": 500, "3.3.1.2.2": 499},
        {("frequency_hertz", "Input 1"): 50.0, ("frequency_hertz", "Input 2"): 49.9},
    ),
}
"""Profile to sysObjectID, a subtree, what is in it, and what that means; written from the MIBs, for want of recordings here."""


@pytest.mark.parametrize("profile", OF_THE_MIB)
async def test_devices_of_which_there_is_only_the_mib(tmp_path: Path, profile: str) -> None:
    object_id, base, told, expected = OF_THE_MIB[profile]
    reading = await made_up(tmp_path, object_id, {f"{base}.{at}": value for at, value in told.items()})
    assert {labels[-1] for labels in values(reading, "commune_device_info")} == {profile}
    found = {
        (item.metric.name.removeprefix("commune_device_"), *item.labels[1:]): item.value
        for item in reading.observations
        if "device_info" not in item.metric.name and "boot" not in item.metric.name
    }
    assert expected.items() <= found.items()
    assert not [key for key in found if "Rectifier 2" in str(key)]
    assert len([key for key in found if key[0] == "temperature_celsius"]) <= 1, "degrees Fahrenheit are not told again"


CHOOSY = """
match: [{oid: 1.3.6.1.4.1.99999}]
tables:
  - {name: absent, columns: {a: 1.3.6.1.4.1.99999.1}, index: a, labels: &row {sensor: ["{index}"]}, values: &volts [{metric: commune_device_voltage_volts, of: [a]}]}
  - {name: present, columns: {a: 1.3.6.1.4.1.99999.2}, index: a, labels: *row, values: *volts}
  - {name: with-absent, when: [absent], columns: {a: 1.3.6.1.4.1.99999.3}, index: a, labels: *row, values: *volts}
  - {name: with-either, when: [absent, present], columns: {a: 1.3.6.1.4.1.99999.4}, index: a, labels: *row, values: *volts}
"""


async def test_a_table_is_asked_for_only_with_another(tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    profiles.mkdir()
    (profiles / "choosy.yaml").write_text(CHOOSY, encoding="utf-8")
    rows = {f"1.3.6.1.4.1.99999.{column}.{column}": column for column in (2, 3, 4)}
    reading = await made_up(tmp_path, "1.3.6.1.4.1.99999.1", rows, profiles)
    assert values(reading, "commune_device_voltage_volts") == {("2",): 2.0, ("4",): 4.0}
