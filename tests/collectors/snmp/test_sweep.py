"""Looking for devices, in a range that is this computer's own loopback."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe.snmp_client import Credentials
from collectors.snmp.library import library
from collectors.snmp.sweep import sweep
from tests.inlab import inside
from tests.netlab import Lab, Province, available, services

NO_LAB = available() or services.require("snmpd")

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


async def around(addresses: list[str]) -> list[dict[str, object]]:
    """What is found from a computer in the laboratory."""
    auths = [("default", Credentials(community="public"))]
    return [dataclasses.asdict(one) for one in await sweep(addresses, 161, auths, library(None), Machine())]


@pytest.mark.netlab
@pytest.mark.skipif(NO_LAB is not None, reason=f"no laboratory with snmpd here: {NO_LAB}")
def test_a_talker_a_printer_without_snmp_one_that_is_mute_and_nobody() -> None:
    with Lab() as lab:
        site = Province(lab, web=False, names=False).site()
        talker, _, mute = (site.attach(name, f"192.168.1.{at}/24") for name, at in (("ap", 40), ("printer", 50), ("mute", 60)))
        services.snmpd(talker)
        mute.sysctl("net.ipv4.icmp_echo_ignore_all", "1")
        found = inside(site.pc, around, [f"192.168.1.{at}" for at in (40, 50, 60, 77)])
    told = {one["address"]: (one["answers_snmp"], one["answers_ping"], bool(one["mac"])) for one in found}
    assert told == {
        "192.168.1.40": (True, True, True),
        "192.168.1.50": (False, True, True),
        "192.168.1.60": (False, False, True),
    }
    assert (found[0]["vendor"], found[0]["profile"]) == ("Linux", "linux")
