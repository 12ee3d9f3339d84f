"""Looking for devices, in a range that is this computer's own loopback."""

from __future__ import annotations

from pathlib import Path

from collectors.machine import Machine
from collectors.probe.snmp import Credentials
from collectors.snmp.profile import library
from collectors.snmp.sweep import sweep

ARP = """IP address       HW type     Flags       HW address            Mask     Device
127.0.0.3        0x1         0x2         02:00:00:00:00:03     *        eth0
127.0.0.9        0x1         0x2         02:00:00:00:00:09     *        eth0
"""


async def test_devices_are_recognised_and_silent_neighbours_told(simulator: int, tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/arp").write_text(ARP)
    auths = [("wrong", Credentials(community="nobody")), ("default", Credentials(community="routeros_rb760igs"))]
    found = await sweep(["127.0.0.1", "127.0.0.3"], simulator, auths, library(None), Machine(root=tmp_path))
    assert [device.address for device in found] == ["127.0.0.1", "127.0.0.3"]
    router, silent = found
    assert (router.answers_snmp, router.auth, router.vendor) == (True, "default", "MikroTik")
    assert (silent.answers_snmp, silent.mac) == (False, "02:00:00:00:00:03")
