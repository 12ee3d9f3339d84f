"""A device polled through snmpsim, by every version and both backends."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import msgspec
import pytest

from agent.scheduler import Scheduler
from agent.state import State
from collectors.families import MOBILE_COVERAGE
from collectors.machine import Machine
from collectors.mobile import MobileSettings
from collectors.model import Reading
from collectors.probe.snmp import Credentials, Peer, SnmpSessions
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


MODEM = {1: "1", 11: "Registered, home", 13: "Viettel", 16: "LTE", 17: "410", 19: "12", 20: "-95", 21: "-11"}
"""A row of modemTable (TELTONIKA-RUTX-MIB) by column; written from the MIB, since no recording of such a router is at hand."""


@pytest.mark.parametrize(
    ("told", "registered"), [("Registered, home", 1.0), ("Registered, roaming", 1.0), ("Searching", 0.0), ("Unknown", None)]
)
async def test_a_mobile_router_of_which_there_is_only_the_mib(tmp_path: Path, told: str, registered: float | None) -> None:
    folder, base = tmp_path / "one", "1.3.6.1.4.1.48690"
    folder.mkdir()
    rows = [
        "1.3.6.1.2.1.1.1.0|4|Linux Teltonika-RUTX11.com 5.4.147 #0 SMP armv7l",
        "1.3.6.1.2.1.1.2.0|6|1.3.6.1.4.1.8072.3.2.10",
        "1.3.6.1.2.1.1.3.0|67|123456",
        *(f"{base}.1.{at}.0|4|{word}" for at, word in ((1, "1102345678"), (3, "RUTX11000000"), (6, "RUTX_R_00.07.06.3"))),
        *(f"{base}.2.2.1.{column}.1|4|{word}" for column, word in (MODEM | {11: told}).items()),
    ]
    (folder / "rutx.snmprec").write_text("\n".join(rows) + "\n")
    sessions = SnmpSessions()
    with simulated(folder, tmp_path) as port:
        peer = Peer("127.0.0.1", port, Credentials(2, "rutx"), timeout=5)
        reading = await SnmpDeviceCollector("rutx", peer, sessions, Machine(), interval=60).collect()
    await sessions.close()
    assert reading.reason is None, reading.detail
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
