"""What a Wi-Fi radio of this computer is asked, whatever the operating system: links, networks heard, a scan."""

from __future__ import annotations

import sys
from typing import Protocol

from collectors.machine import Machine
from collectors.probe.station import WAIT_FOR_SCAN, Station
from collectors.wire.ieee80211 import Bss


class Radio(Protocol):
    """The measuring functions of one operating system. All raise OSError when the system refuses."""

    async def stations(self) -> list[Station]:
        """Every client radio, in the order of their names."""

    async def scan(self, station: Station, wait: float = WAIT_FOR_SCAN) -> float:
        """Let a radio listen on all channels, and return when it is done.

        Returns:
            How many seconds before the call the scan may have begun: 0 unless another program's was joined.

        Raises:
            PermissionError: the process may not start one (Linux: CAP_NET_ADMIN).
            TimeoutError: it was not done within `wait` seconds.
            OSError: the radio is off or busy.
        """

    async def heard(self, station: Station) -> list[Bss]:
        """What the system remembers of its last scans (Linux: 30 seconds back)."""

    async def close(self) -> None:
        """Release what is open."""


def open_radio(machine: Machine) -> Radio:
    """The radio interface of this operating system; opens nothing before it is first asked."""
    if sys.platform == "win32":
        from collectors.probe.wlan_windows import WlanRadio  # noqa: PLC0415  loads wlanapi.dll

        return WlanRadio()
    from collectors.probe.nl80211 import Nl80211  # noqa: PLC0415  pyroute2 only where there is Wi-Fi

    return Nl80211(machine)


def has_wireless(machine: Machine) -> bool:
    """There may be a Wi-Fi interface (asked without loading what talks to it)."""
    if machine.platform == "win32":
        return True
    names = machine.entries("/sys/class/net")
    return any(
        machine.path(f"/sys/class/net/{name}/phy80211").exists() or machine.path(f"/sys/class/net/{name}/wireless").exists()
        for name in names
    )
