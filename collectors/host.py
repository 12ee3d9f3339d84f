"""host: this computer's processor, memory, disks, temperatures, battery and boots."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, counter, gauge
from collectors.probe import boots
from collectors.probe import host as figures
from collectors.probe.filesystems import Filesystems, Space, ask
from collectors.site import Context, Settings, seconds
from collectors.wire.units import Duration

CPU_SECONDS = counter("commune_host_cpu_seconds_total", "Processor time, summed over all processors.", "mode")
LOAD1 = gauge("commune_host_load1", "Load average over one minute.")
MEMORY_TOTAL = gauge("commune_host_memory_total_bytes", "Installed memory.")
MEMORY_AVAILABLE = gauge("commune_host_memory_available_bytes", "Memory that programs can still have without swapping.")
FILESYSTEM_SIZE = gauge("commune_host_filesystem_size_bytes", "Size of a file system.", "mountpoint")
FILESYSTEM_AVAILABLE = gauge("commune_host_filesystem_available_bytes", "Space left for unprivileged users.", "mountpoint")
TEMPERATURE = gauge("commune_host_temperature_celsius", "Temperature of a sensor.", "sensor")
BATTERY_CHARGE = gauge("commune_host_battery_charge_ratio", "Charge of this computer's battery.")
BOOT_TIMESTAMP = gauge("commune_host_boot_timestamp_seconds", "When this computer started.")
UNCLEAN_BOOTS = counter(
    "commune_host_unclean_boots_total", "Starts of this computer that followed no orderly shutdown.", persisted=True
)
METRICS = (
    CPU_SECONDS,
    LOAD1,
    MEMORY_TOTAL,
    MEMORY_AVAILABLE,
    FILESYSTEM_SIZE,
    FILESYSTEM_AVAILABLE,
    TEMPERATURE,
    BATTERY_CHARGE,
    BOOT_TIMESTAMP,
    UNCLEAN_BOOTS,
)


class HostSettings(Settings, frozen=True):
    """Section `host`."""

    interval: Duration = seconds(30)


FILESYSTEMS_WITHIN = 2.0
"""Seconds that a run waits for file systems; one that hangs longer is left out."""


class Host(Collector):
    """This computer, in one run.

    Args:
        machine: the computer.
        interval: seconds between runs.
        state_dir: where the record of boots is kept; without one, unclean boots are not known.
        statvfs: what asks a mount point for its space.
    """

    kind = "host"

    def __init__(
        self, machine: Machine, interval: float, state_dir: Path | None = None, statvfs: Callable[[str], Space] = ask
    ) -> None:
        super().__init__("", interval=interval, identity=state_dir)
        self._machine = machine
        self._state_dir = state_dir
        self._filesystems = Filesystems(machine, statvfs)
        self._boot_time = figures.BootTime()
        self._boot: boots.Boot | None = None

    async def collect(self) -> Reading:
        """All figures now; the first run judges how the session before this boot ended."""
        if self._boot is None:
            with contextlib.suppress(OSError):  # a full disk costs the record, not the figures
                self._boot = boots.begin(self._machine, self._state_dir)
        return await self._measure(self._boot)

    async def once(self) -> Reading:
        """The figures alone: the record of boots is written by the agent that keeps running."""
        return await self._measure(boots.examine(self._machine, self._state_dir))

    async def _measure(self, boot: boots.Boot | None) -> Reading:
        machine = self._machine
        taken = machine.clock.monotonic()
        found = Observations()
        for mode, value in figures.cpu_seconds(machine).items():
            found.set(CPU_SECONDS, value, mode)
        found.set(LOAD1, figures.load1(machine))
        if (memory := figures.memory(machine)) is not None:
            found.set(MEMORY_TOTAL, memory.total)
            found.set(MEMORY_AVAILABLE, memory.available)
        for sensor, value in figures.temperatures(machine).items():
            found.set(TEMPERATURE, value, sensor)
        found.set(BATTERY_CHARGE, figures.battery_charge(machine))
        found.set(BOOT_TIMESTAMP, self._boot_time.seconds(machine))
        found.set(UNCLEAN_BOOTS, None if boot is None else boot.unclean)
        for mountpoint, space in (await self._filesystems.measure(FILESYSTEMS_WITHIN)).items():
            found.set(FILESYSTEM_SIZE, space.size, mountpoint)
            found.set(FILESYSTEM_AVAILABLE, space.available, mountpoint)
        hanging = self._filesystems.hanging
        return Reading(
            self.kind, self.target, taken, found.items, None, f"no answer from {', '.join(hanging)}" if hanging else ""
        )

    async def stop(self) -> None:
        """Remember that the agent stopped cleanly, for the verdict after the next boot."""
        if self._boot is not None:
            with contextlib.suppress(OSError):
                boots.end(self._machine, self._state_dir)


def build(settings: HostSettings, context: Context) -> list[Collector]:
    """The one instance."""
    return [Host(context.machine, settings.interval, context.state_dir)]
