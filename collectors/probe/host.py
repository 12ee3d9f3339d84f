"""This computer's own figures: processor, load, memory, temperatures, battery and the moment it started.

On Linux from /proc and /sys through the `Machine`, so that a folder of captured files will do; elsewhere by psutil.
Each function returns what is known: a machine without sensors has no temperatures, which is no fault.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from collectors.machine import Machine
from collectors.wire import procfs

HOTTEST = 150.0
COLDEST = -55.0
"""Beyond these a sensor is broken or absent: drivers then give the raw register (-128, 255)."""

BOOT_TOLERANCE = 2.0


class Memory(NamedTuple):
    """Octets installed, and octets that programs can still have without swapping (None before Linux 3.14)."""

    total: int
    available: int | None


def cpu_seconds(machine: Machine) -> dict[str, float]:
    """Processor seconds by mode since the start, summed over all processors."""
    if machine.platform == "linux":
        ticks = procfs.parse_cpu(machine.read_or_none("/proc/stat") or "")
        second = _ticks_per_second()
        return {mode: value / second for mode, value in ticks.items()}
    import psutil  # noqa: PLC0415  only where there is no /proc

    times = psutil.cpu_times()._asdict()
    return {"irq" if mode == "interrupt" else mode: float(value) for mode, value in times.items()}


def _ticks_per_second() -> int:
    if sys.platform == "win32":
        return 100  # not asked there: only captured Linux files are counted in ticks
    return os.sysconf("SC_CLK_TCK")


def load1(machine: Machine) -> float | None:
    """Load average over one minute; None on Windows, which has none."""
    if machine.platform == "linux":
        return procfs.parse_first_number(machine.read_or_none("/proc/loadavg") or "")
    if sys.platform == "win32":
        return None
    return os.getloadavg()[0]


def memory(machine: Machine) -> Memory | None:
    """The machine's memory."""
    if machine.platform == "linux":
        table = procfs.parse_meminfo(machine.read_or_none("/proc/meminfo") or "")
        return Memory(table["MemTotal"], table.get("MemAvailable")) if "MemTotal" in table else None
    import psutil  # noqa: PLC0415  only where there is no /proc

    found = psutil.virtual_memory()
    return Memory(found.total, found.available)


def temperatures(machine: Machine) -> dict[str, float]:
    """Degrees Celsius by sensor, named `chip/label`; thermal zones only where no monitoring chip is known.

    Chips are named by their driver. Where several have the same (two NVMe disks), the device is added, since the
    kernel numbers chips anew at every boot.
    """
    chips = [f"/sys/class/hwmon/{name}" for name in machine.entries("/sys/class/hwmon")]
    drivers = [machine.read_or_none(f"{chip}/name") or Path(chip).name for chip in chips]
    several = {driver for driver, number in Counter(drivers).items() if number > 1}
    found: dict[str, float] = {}
    for chip, driver in zip(chips, drivers, strict=True):
        name = f"{driver}@{_device(machine, chip)}" if driver in several else driver
        for label, value in _chip(machine, chip):
            found.setdefault(f"{name}/{label}", value)
    if not found:
        for zone in machine.entries("/sys/class/thermal"):
            if zone.startswith("thermal_zone"):
                kind = machine.read_or_none(f"/sys/class/thermal/{zone}/type") or zone
                degrees = _celsius(machine.read_or_none(f"/sys/class/thermal/{zone}/temp"))
                if degrees is not None:
                    found[kind if kind not in found else f"{kind}@{zone}"] = degrees
    return found


def _device(machine: Machine, chip: str) -> str:
    return machine.path(f"{chip}/device").resolve().name


def _chip(machine: Machine, chip: str) -> Iterator[tuple[str, float]]:
    for file in machine.entries(chip):
        if file.startswith("temp") and file.endswith("_input"):
            sensor = file.removesuffix("_input")
            value = _celsius(machine.read_or_none(f"{chip}/{file}"))
            if value is not None and machine.read_or_none(f"{chip}/{sensor}_fault") != "1":
                yield machine.read_or_none(f"{chip}/{sensor}_label") or sensor, value


def _celsius(millidegrees: str | None) -> float | None:
    try:
        value = int(millidegrees or "") / 1000
    except ValueError:
        return None
    return value if COLDEST < value < HOTTEST else None


def battery_charge(machine: Machine) -> float | None:
    """Charge of all this computer's batteries together, 0 to 1; None without one (a mouse's battery is not its own)."""
    if machine.platform != "linux":
        import psutil  # noqa: PLC0415  only where there is no /sys

        battery = psutil.sensors_battery()
        return None if battery is None else battery.percent / 100
    now = full = 0.0
    percents = []
    for name in machine.entries("/sys/class/power_supply"):
        folder = f"/sys/class/power_supply/{name}"
        if machine.read_or_none(f"{folder}/type") != "Battery" or machine.read_or_none(f"{folder}/scope") == "Device":
            continue
        if machine.read_or_none(f"{folder}/present") == "0":
            continue
        pair = next((pair for unit in ("energy", "charge") if (pair := _amounts(machine, folder, unit)) is not None), None)
        if pair is not None:
            now, full = now + pair[0], full + pair[1]
        elif (percent := procfs.parse_first_number(machine.read_or_none(f"{folder}/capacity") or "")) is not None:
            percents.append(percent / 100)
    if full > 0:
        return min(1.0, now / full)
    return min(1.0, sum(percents) / len(percents)) if percents else None


def _amounts(machine: Machine, folder: str, unit: str) -> tuple[float, float] | None:
    now = procfs.parse_first_number(machine.read_or_none(f"{folder}/{unit}_now") or "")
    full = procfs.parse_first_number(machine.read_or_none(f"{folder}/{unit}_full") or "")
    return (now, full) if now is not None and full else None


class BootTime:
    """When the computer started, in true time: the present minus the uptime.

    The kernel's own `btime` follows every correction of the clock. Here a value stays until the estimate differs by
    more than two seconds, so that neither rounding nor a slow clock makes the gauge flap.
    """

    def __init__(self) -> None:
        self._known: float | None = None

    def seconds(self, machine: Machine) -> float | None:
        """Whole seconds of UTC since 1970; None where the uptime is not known."""
        if machine.platform == "linux":
            uptime = procfs.parse_first_number(machine.read_or_none("/proc/uptime") or "")
            if uptime is None:
                return None
            estimate = machine.clock.true() - uptime
        else:
            import psutil  # noqa: PLC0415  only where there is no /proc

            estimate = psutil.boot_time() + machine.clock.true() - machine.clock.wall()
        if self._known is None or abs(estimate - self._known) > BOOT_TOLERANCE:
            self._known = float(round(estimate))
        return self._known
