"""Modems as ModemManager reports them, on a real bus, with values that `mmcli` recorded (../shared/data/wifi/mmcli)."""

import sys
from pathlib import Path

import pytest

from agent.exposition import render
from agent.state import State
from collectors.machine import Machine
from collectors.mobile import MobileCollector, MobileSettings, build
from collectors.model import Reading, Reason
from collectors.site import Context, InvalidError, Site, Surroundings
from tests.goldens import check_golden
from tests.modem_service import bus, of_mmcli, service
from tests.shared import shared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ModemManager is Linux's")
SETTINGS = MobileSettings()


def series(reading: Reading) -> dict[str, object]:
    return {" ".join((one.metric.name.removeprefix("commune_mobile_"), *one.labels)): one.value for one in reading.observations}


def collector(address: str, root: Path) -> MobileCollector:
    return MobileCollector(SETTINGS, Machine(root, environ={"DBUS_SYSTEM_BUS_ADDRESS": address}))


def exposed(reading: Reading) -> str:
    state = State()
    state.apply(reading, 1.0)
    return render(state.series()).decode()


async def test_a_connected_modem_is_told_with_its_signal(tmp_path: Path) -> None:
    objects = of_mmcli(shared("data/wifi/mmcli/connected.json"), rsrp=-97.0, rsrq=-11.0, snr=12.4, rssi=-70.0)
    async with bus(tmp_path) as address, service(address, objects) as served:
        mobile = collector(address, tmp_path)
        reading = await mobile.collect()
        await mobile.collect()
        await mobile.stop()
    assert reading.reason is None
    assert series(reading) == {
        "signal_rsrp_dbm EG25": -97.0,
        "signal_rsrq_db EG25": -11.0,
        "signal_sinr_db EG25": 12.4,
        "registered EG25": 1.0,
        "info EG25 O2.CZ O2-CZ lte": 1.0,
        "coverage EG25 good": 1.0,
    }
    check_golden("mobile", exposed(reading))
    assert served.setups == [("/org/freedesktop/ModemManager1/Modem/0", 30)], "asked once to measure by itself"


async def test_a_modem_without_sim_has_no_coverage_and_no_invented_signal(tmp_path: Path) -> None:
    objects = of_mmcli(shared("data/wifi/mmcli/without-sim.json"), rsrp=-1.7976931348623157e308)
    async with bus(tmp_path) as address, service(address, objects):
        mobile = collector(address, tmp_path)
        reading = await mobile.collect()
        await mobile.stop()
    assert list(series(reading).values()) == [0.0, 1.0]
    assert [name.split()[0] for name in series(reading)] == ["registered", "coverage"]
    assert "coverage none" in reading.detail


async def test_a_service_that_starts_later_or_restarts_is_found(tmp_path: Path) -> None:
    objects = of_mmcli(shared("data/wifi/mmcli/connected.json"), rsrp=-115.0)
    async with bus(tmp_path) as address:
        mobile = collector(address, tmp_path)
        assert (await mobile.collect()).reason is Reason.NOT_SUPPORTED
        for _ in range(2):
            async with service(address, objects) as served:
                reading = await mobile.collect()
                assert series(reading)["coverage EG25 weak"] == 1.0
                assert len(served.setups) == 1
            assert (await mobile.collect()).detail == "ModemManager does not run"
        await mobile.stop()


async def test_no_modem_is_not_supported(tmp_path: Path) -> None:
    async with bus(tmp_path) as address, service(address, {}):
        mobile = collector(address, tmp_path)
        reading = await mobile.collect()
        await mobile.stop()
    assert (reading.reason, reading.detail) == (Reason.NOT_SUPPORTED, "ModemManager knows no modem")


async def test_a_bus_that_is_gone_is_a_failure_that_says_where(tmp_path: Path) -> None:
    reading = await collector(f"unix:path={tmp_path}/gone", tmp_path).collect()
    assert reading.reason is Reason.INTERNAL
    assert "gone" in reading.detail


async def test_a_computer_without_modemmanager_loads_nothing_for_it(tmp_path: Path) -> None:
    (mobile,) = build(SETTINGS, Context(Machine(tmp_path, environ={}), Site(), Surroundings(), ()))
    assert (await mobile.collect()).reason is Reason.NOT_SUPPORTED
    await mobile.stop()


@pytest.mark.parametrize(
    ("registered", "rsrp", "expected"),
    [
        (True, -110.0, "good"),
        (True, -110.1, "weak"),
        (True, -120.1, "none"),
        (False, -80.0, "none"),
        (None, -115.0, "weak"),
        (True, None, None),
    ],
)
def test_coverage_follows_the_thresholds(*, registered: bool | None, rsrp: float | None, expected: str | None) -> None:
    assert SETTINGS.state(rsrp, registered=registered) == expected


def test_thresholds_must_be_in_order() -> None:
    with pytest.raises(InvalidError, match="weak_dbm"):
        MobileSettings(weak_dbm=-120, none_dbm=-110)
