"""Host figures of captured computers, and of this one against psutil and the kernel."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.machine import Machine
from collectors.probe import host
from tests.collectors import captured

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def test_temperatures_leave_out_broken_sensors(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path, captured.LAPTOP)
    assert host.temperatures(machine) == {"coretemp/Package id 0": 47.0, "coretemp/temp2": 46.0}


def test_chips_of_the_same_driver_are_told_apart_by_device(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {}
    for number, device in enumerate(("nvme1", "nvme0")):
        files |= {
            f"sys/class/hwmon/hwmon{number}/name": "nvme\n",
            f"sys/class/hwmon/hwmon{number}/temp1_input": f"4{number}000\n",
            f"sys/devices/{device}/uevent": "",
        }
    machine = captured.machine(tmp_path, files)
    for number, device in enumerate(("nvme1", "nvme0")):
        (tmp_path / f"sys/class/hwmon/hwmon{number}/device").symlink_to(tmp_path / f"sys/devices/{device}")
    assert host.temperatures(machine) == {"nvme@nvme1/temp1": 40.0, "nvme@nvme0/temp1": 41.0}


def test_thermal_zones_where_there_is_no_chip(tmp_path: Path) -> None:
    zone = "sys/class/thermal/thermal_zone"
    machine = captured.machine(
        tmp_path,
        {
            f"{zone}0/type": "cpu-thermal\n",
            f"{zone}0/temp": "51500\n",
            f"{zone}1/type": "cpu-thermal\n",
            f"{zone}1/temp": "49000",
        },
    )
    assert host.temperatures(machine) == {"cpu-thermal": 51.5, "cpu-thermal@thermal_zone1": 49.0}


def test_battery_charge_is_that_of_all_its_own_batteries(tmp_path: Path) -> None:
    assert host.battery_charge(captured.machine(tmp_path, captured.LAPTOP)) == 0.5
    assert host.battery_charge(captured.machine(tmp_path / "other")) is None


def test_battery_that_tells_percent_only(tmp_path: Path) -> None:
    folder = "sys/class/power_supply/BAT0"
    assert host.battery_charge(captured.machine(tmp_path, {f"{folder}/type": "Battery", f"{folder}/capacity": "87\n"})) == 0.87


def test_boot_time_neither_flaps_nor_stays_wrong(tmp_path: Path) -> None:
    clock = captured.FixedClock(utc=1_000_000.6)
    machine = captured.machine(tmp_path, {"proc/uptime": "1000.00 1.0\n"}, clock=clock)
    boot = host.BootTime()
    assert boot.seconds(machine) == 999_001.0
    for correction in (-1.4, 1.3, 0.2):
        clock.utc = 1_000_000.6 + correction
        assert boot.seconds(machine) == 999_001.0
    clock.utc = 2_000_000.0  # the true time became known
    assert boot.seconds(machine) == 1_999_000.0


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path)
    assert host.cpu_seconds(machine) == {}
    assert host.load1(machine) is None
    assert host.memory(machine) is None
    assert host.temperatures(machine) == {}
    assert host.BootTime().seconds(machine) is None


@LINUX
def test_this_machine_as_psutil_says() -> None:
    ours, theirs = host.cpu_seconds(Machine()), psutil.cpu_times()
    for mode in ("user", "system", "idle", "iowait"):
        assert ours[mode] == pytest.approx(getattr(theirs, mode), abs=5)
    memory = host.memory(Machine())
    assert memory is not None
    assert memory.total == psutil.virtual_memory().total
    assert memory.available == pytest.approx(psutil.virtual_memory().available, rel=0.1)
    assert host.BootTime().seconds(Machine()) == pytest.approx(psutil.boot_time(), abs=3)
    assert host.load1(Machine()) == pytest.approx(psutil.getloadavg()[0], abs=0.5)


@LINUX
def test_the_portable_way_gives_the_same_figures() -> None:
    portable = Machine(platform="darwin")
    assert host.cpu_seconds(portable)["idle"] == pytest.approx(host.cpu_seconds(Machine())["idle"], abs=5)
    memory, same = host.memory(portable), host.memory(Machine())
    assert memory is not None
    assert same is not None
    assert memory.total == same.total
    assert host.load1(portable) is not None
    assert host.BootTime().seconds(portable) == pytest.approx(host.BootTime().seconds(Machine()), abs=3)


TEXT = st.text(alphabet="0123456789.-BatteryDevice \ncpu", max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(TEXT, min_size=9, max_size=9))
def test_any_files_give_figures_and_never_an_error(tmp_path: Path, texts: list[str]) -> None:
    names = (
        "proc/stat",
        "proc/loadavg",
        "proc/meminfo",
        "proc/uptime",
        "sys/class/hwmon/hwmon0/temp1_input",
        "sys/class/power_supply/B/capacity",
        "sys/class/power_supply/B/energy_now",
        "sys/class/power_supply/B/energy_full",
        "sys/class/thermal/thermal_zone0/temp",
    )
    machine = captured.machine(tmp_path, dict(zip(names, texts, strict=True)), {"sys/class/power_supply/B/type": "Battery\n"})
    host.cpu_seconds(machine)
    host.load1(machine)
    host.memory(machine)
    assert all(-55 < value < 150 for value in host.temperatures(machine).values())
    charge = host.battery_charge(machine)
    assert charge is None or 0 <= charge <= 1
    host.BootTime().seconds(machine)
