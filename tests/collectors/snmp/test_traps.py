"""Traps and informs as net-snmp's snmptrap sends them, of versions 1, 2c and 3."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Mapping

import pytest

from collectors.families import INTERFACE_UP, UPS_ON_BATTERY
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer, Value
from collectors.snmp import events
from collectors.snmp.device import SnmpDeviceCollector
from collectors.snmp.traps import BURST, Budget, Switchboard, TrapCollector
from tests.collectors.snmp.udp import free_port

pytestmark = [
    pytest.mark.skipif(shutil.which("snmptrap") is None, reason="snmptrap is not installed (Debian: snmp)"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*"),
]
LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
SECURE = Credentials(
    3, username="ops", auth_protocol="SHA1", auth_password="authauth1", privacy_protocol="AES128", privacy_password="privpriv1"
)
V3 = ["-v3", "-l", "authPriv", "-u", "ops", "-a", "SHA", "-A", "authauth1", "-x", "AES", "-X", "privpriv1"]


class Receiver:
    def __init__(self) -> None:
        self.port = free_port()
        self.board = Switchboard()
        self.readings: list[Reading] = []
        known = (Credentials(2, "public"), SECURE)
        self.collector = TrapCollector("127.0.0.1", self.port, known, self.board, Machine(), interval=60)
        self.heard: list[tuple[str, Mapping[str, Value]]] = []

    def counts(self) -> dict[tuple[str, ...], float]:
        return {o.labels: o.value for o in self.readings[-1].observations if isinstance(o.value, float)} if self.readings else {}

    async def send(self, *arguments: str, inform: bool = False) -> int:
        argv = ["snmpinform" if inform else "snmptrap", "-r", "0", "-t", "3", *arguments]
        argv.insert(argv.index("@"), f"127.0.0.1:{self.port}")
        argv.remove("@")
        process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
        status = await asyncio.wait_for(process.wait(), 10)
        await asyncio.sleep(0.4)
        return status


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    made.board.register("127.0.0.1", "router-1", lambda oid, variables: made.heard.append((oid, variables)))
    await made.collector.start(made.readings.append)
    yield made
    await made.collector.stop()


async def test_version_2c_is_counted_and_handed_to_its_device(receiver: Receiver) -> None:
    await receiver.send("-v2c", "-c", "public", "@", "", LINK_DOWN, "1.3.6.1.2.1.2.2.1.1.7", "i", "7")
    assert receiver.counts() == {("router-1", "linkDown"): 1.0}
    oid, variables = receiver.heard[0]
    assert (events.trap_name(oid), events.if_index(variables)) == ("linkDown", "7")


async def test_version_1_generic_and_enterprise(receiver: Receiver) -> None:
    await receiver.send("-v1", "-c", "public", "@", "1.3.6.1.4.1.14988", "127.0.0.1", "2", "0", "")
    await receiver.send("-v1", "-c", "public", "@", "1.3.6.1.4.1.318", "127.0.0.1", "6", "5", "")
    assert receiver.counts() == {("router-1", "linkDown"): 1.0, ("router-1", "upsOnBattery"): 1.0}


async def test_inform_is_acknowledged(receiver: Receiver) -> None:
    assert await receiver.send("-v2c", "-c", "public", "@", "", LINK_DOWN, inform=True) == 0
    assert receiver.counts() == {("router-1", "linkDown"): 1.0}


async def test_version_3_trap_and_inform_with_privacy(receiver: Receiver) -> None:
    await receiver.send(*V3, "-e", "0x8000000001020304", "@", "", LINK_DOWN)
    assert await receiver.send(*V3, "@", "", "1.3.6.1.6.3.1.1.5.1", inform=True) == 0
    assert receiver.counts() == {("router-1", "linkDown"): 1.0, ("router-1", "coldStart"): 1.0}


async def test_wrong_community_is_not_heard(receiver: Receiver) -> None:
    await receiver.send("-v2c", "-c", "guess", "@", "", LINK_DOWN)
    assert receiver.counts() == {}


async def test_unknown_trap_and_unknown_sender_are_counted(receiver: Receiver) -> None:
    receiver.board.leave("127.0.0.1", "router-1")
    await receiver.send("-v2c", "-c", "public", "@", "", "1.3.6.1.4.1.99999.0.17")
    assert receiver.counts() == {("unknown", "1.3.6.1.4.1.99999.0.17"): 1.0}


async def test_flood_is_bounded_and_counted(receiver: Receiver) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(3000):
            sender.sendto(b"\x30\x03\x02\x01\x01", ("127.0.0.1", receiver.port))
            if number % 20 == 0:
                await asyncio.sleep(0.002)
    await asyncio.sleep(1.0)
    dropped = receiver.counts()["router-1", "dropped"]
    assert dropped > 500
    assert len(receiver.readings) < 12
    await asyncio.sleep(0.5)
    await receiver.send("-v2c", "-c", "public", "@", "", LINK_DOWN)
    assert receiver.counts()["router-1", "linkDown"] == 1.0


def test_budget_lets_a_burst_through_and_then_its_rate() -> None:
    budget = Budget(10.0, BURST)
    assert sum(budget.take(1000.0) for _ in range(1000)) == BURST
    assert sum(budget.take(1000.0 + tenth / 10) for tenth in range(1, 101)) in {99, 100}  # a tenth has no exact float


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        collector = TrapCollector("127.0.0.1", port, (), Switchboard(), Machine(), interval=60)
        await collector.start(lambda _: None)
        reading = await collector.collect()
    assert reading.reason is Reason.INTERNAL
    assert str(port) in reading.detail


@pytest.mark.parametrize(
    ("oid", "metric", "value"),
    [
        ("1.3.6.1.2.1.33.2.1", UPS_ON_BATTERY, 1.0),
        ("1.3.6.1.4.1.318.0.9", UPS_ON_BATTERY, 0.0),
        ("1.3.6.1.4.1.534.1.11.4.1.0.3", UPS_ON_BATTERY, 1.0),
        ("1.3.6.1.4.1.705.1.11.0.12", UPS_ON_BATTERY, 0.0),
    ],
)
async def test_a_device_says_at_once_what_its_trap_said(simulator: int, oid: str, metric: object, value: float) -> None:
    name = "UPS_phoenixtec-power"
    board = Switchboard()
    device = SnmpDeviceCollector(
        name, Peer("127.0.0.1", simulator, Credentials(2, name)), SnmpSessions(), Machine(), interval=60, board=board
    )
    told: list[Reading] = []
    await device.start(told.append)
    await device.collect()
    hear = board.find("127.0.0.1")[1]
    assert hear is not None
    hear(oid, {})
    assert [o.value for o in told[-1].observations if o.metric is metric] == [value]
    await device.stop()
    assert board.find("127.0.0.1")[1] is None


async def test_link_down_changes_the_interface_and_asks_the_device_again(simulator: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.snmp.device.SETTLE", 0.05)
    name = "network_wifi_ubiquiti-m5"
    board = Switchboard()
    device = SnmpDeviceCollector(
        name, Peer("127.0.0.1", simulator, Credentials(2, name)), SnmpSessions(), Machine(), interval=60, board=board
    )
    told: list[Reading] = []
    await device.start(told.append)
    first = await device.collect()
    up = {o.labels: o.value for o in first.observations if o.metric is INTERFACE_UP}
    interface = next(labels for labels, value in up.items() if value == 1.0)
    assert device._layout is not None
    index = next(
        cell.objects["status"].rpartition(".")[2]
        for cell in device._layout.cells
        if cell.labels == interface and "status" in cell.objects
    )
    device.hear(LINK_DOWN, {f"1.3.6.1.2.1.2.2.1.1.{index}": int(index)})
    assert {o.labels: o.value for o in told[0].observations if o.metric is INTERFACE_UP}[interface] == 0.0
    for _ in range(100):
        await asyncio.sleep(0.05)
        if len(told) > 1:
            break
    assert {o.labels: o.value for o in told[1].observations if o.metric is INTERFACE_UP} == up
    await device.stop()
