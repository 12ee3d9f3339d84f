"""Broken and hostile devices: bounded time and memory, a clear metric, and nobody else disturbed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest
from pysnmp.proto.api import v2c

from collectors.families import DEVICE_UP, DEVICE_ZONE, INTERFACE_UP
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.probe.snmp import Limits, SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import EXPLORE_EVERY, SnmpDeviceCollector
from collectors.snmp.metrics import ERRORS
from tests.collectors.snmp.hostile import IF_STATUS, Answer, Bend, hostile
from tests.collectors.snmp.udp import free_port

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*")


NARROW = """
tables:
  - name: interfaces
    columns: {status: 1.3.6.1.2.1.2.2.1.8}
    index: status
    labels: {interface: ["{index}"]}
    values:
      - {metric: commune_interface_up, of: [status], map: {"1": 1, "*": 0}}
"""
_FOLDER: list[Path] = []


@pytest.fixture(autouse=True, scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A profile of one column, since the test's own server takes longer to encode a row than we to read it."""
    folder = tmp_path_factory.mktemp("profiles")
    (folder / "narrow.yaml").write_text(NARROW)
    _FOLDER.append(folder)


def device(port: int, sessions: SnmpSessions, *, timeout: float = 0.5, deadline: float = 6.0) -> SnmpDeviceCollector:
    peer = Peer("127.0.0.1", port, Credentials(2, "public"), timeout, 1)
    made = SnmpDeviceCollector("evil", peer, sessions, Machine(), interval=60, profile="narrow", directory=_FOLDER[-1])
    made.deadline = deadline
    return made


def up(reading: Reading) -> list[object]:
    return [o.value for o in reading.observations if o.metric is DEVICE_UP]


def errors(reading: Reading) -> dict[str, object]:
    return {o.labels[1]: o.value for o in reading.observations if o.metric is ERRORS}


def garbage(_: Answer) -> list[bytes]:
    return [b"\x00\xff\x00hello"]


def truncated(answer: Answer) -> list[bytes]:
    return [answer.encode()[:-4]]


def over_long(answer: Answer) -> list[bytes]:
    return [answer.encode([("1.3.6.1.2.1.1.1.0", v2c.OctetString(b"x" * 40_000))])]


def wrong_id(answer: Answer) -> list[bytes]:
    return [answer.encode(request_id=12345)]


def silent(_: Answer) -> list[bytes]:
    return []


def octet_by_octet(answer: Answer) -> list[bytes]:
    return [bytes([octet]) for octet in answer.encode()[:8]]


def wrong_types(answer: Answer) -> list[bytes]:
    return [answer.encode([(oid, v2c.OctetString(b"\xff\xfe not a number")) for oid, _ in answer.proper()])]


@pytest.mark.timing
@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (garbage, Reason.MALFORMED),
        (truncated, Reason.MALFORMED),
        (wrong_id, Reason.TIMEOUT),
        (silent, Reason.TIMEOUT),
        (octet_by_octet, Reason.MALFORMED),
    ],
)
async def test_useless_answers_are_a_device_that_is_down(backend: str, bend: Bend, reason: Reason) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(bend) as (port, _):
        begin = time.monotonic()
        reading = await device(port, sessions).collect()
        assert time.monotonic() - begin < 3.0
    await sessions.close()
    assert up(reading) == [0.0]
    # pysnmp drops what it cannot decode, so that there it is silence.
    assert reading.reason in {reason, Reason.TIMEOUT}
    assert list(errors(reading)) == [str(reading.reason)]


@pytest.mark.timing
@pytest.mark.parametrize("bend", [over_long, wrong_types])
async def test_nonsense_yields_no_values_and_ends_in_time(backend: str, bend: Bend) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(bend) as (port, asked):
        begin = time.monotonic()
        reading = await device(port, sessions).collect()
        assert time.monotonic() - begin < 7.0
        assert asked() < 1000
    await sessions.close()
    assert not [o for o in reading.observations if o.metric is INTERFACE_UP and o.value == 1.0]


def endless(answer: Answer) -> list[bytes]:
    if not answer.walking:
        return [answer.encode()]
    asked = ".".join(map(str, v2c.apiPDU.get_varbinds(answer.pdu)[0][0]))
    at = int(asked.rpartition(".")[2]) if asked.startswith(f"{IF_STATUS}.") else 0
    if not asked.startswith(IF_STATUS):
        return [answer.encode([(asked, v2c.EndOfMibView(""))])]
    return [answer.encode([(f"{IF_STATUS}.{row}", v2c.Integer(1)) for row in range(at + 1, at + 26)])]


def in_circles(answer: Answer) -> list[bytes]:
    if not answer.walking:
        return [answer.encode()]
    asked = ".".join(map(str, v2c.apiPDU.get_varbinds(answer.pdu)[0][0]))
    if not asked.startswith(IF_STATUS):
        return [answer.encode([(asked, v2c.EndOfMibView(""))])]
    return [answer.encode([(f"{IF_STATUS}.{row}", v2c.Integer(1)) for row in (1, 2, 3, 2)])]


async def test_endless_walk_is_cut_and_told(backend: str) -> None:
    sessions = SnmpSessions(backend)
    before = psutil.Process().memory_info().rss
    async with hostile(endless) as (port, asked):
        reading = await device(port, sessions, deadline=30.0).collect()
        assert asked() < 400
    await sessions.close()
    assert psutil.Process().memory_info().rss - before < 40 * 2**20
    assert up(reading) == [1.0]
    assert "overflow" in errors(reading)


async def test_walk_that_does_not_advance_ends_and_is_told(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(in_circles) as (port, asked):
        reading = await device(port, sessions).collect()
        assert asked() < 120
    await sessions.close()
    assert up(reading) == [1.0]
    assert errors(reading).get("malformed")
    assert len([o for o in reading.observations if o.metric is INTERFACE_UP]) == 3


async def test_ten_thousand_rows_are_bounded(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(lambda answer: [answer.encode()], rows=10_000) as (port, _):
        reading = await device(port, sessions, timeout=3.0, deadline=30.0).collect()
    await sessions.close()
    assert "overflow" in errors(reading)
    assert len([o for o in reading.observations if o.metric is INTERFACE_UP]) <= 1024


async def test_what_a_device_lacks_is_no_reason_to_ask_for_less(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(lambda answer: [answer.encode()], rows=2) as (port, asked):
        collector = SnmpDeviceCollector(
            "plain", Peer("127.0.0.1", port, Credentials(), 2.0, 1), sessions, Machine(), interval=60, profile="generic"
        )
        await collector.collect()
        assert asked() < 60
        assert collector._limits == Limits()
        before = asked()
        await collector.collect()
        assert asked() - before == 2
    await sessions.close()


async def test_a_slow_device_is_explored_over_several_polls(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(lambda answer: [answer.encode()], rows=2, delay=0.1) as (port, asked):
        collector = SnmpDeviceCollector(
            "slow", Peer("127.0.0.1", port, Credentials(), 2.0, 1), sessions, Machine(), interval=60, profile="generic"
        )
        collector.deadline = 4.0
        first = await collector.collect()
        assert up(first) == [1.0]
        assert collector._layout is not None
        assert collector._layout.pending, "not slow enough for this test"
        for _ in range(20):
            last = await collector.collect()
            if not collector._layout.pending:
                break
        before = asked()
        await collector.collect()
        assert asked() - before == 2
    await sessions.close()
    assert len([o for o in last.observations if o.metric is INTERFACE_UP]) == 2


async def test_a_slow_device_keeps_its_values_while_it_is_explored_anew(backend: str) -> None:
    sessions = SnmpSessions(backend)
    mute: list[str] = []

    def slow(answer: Answer) -> list[bytes]:
        walked = answer.walking and answer.proper()[0][0].startswith(IF_STATUS)
        return [] if walked and mute else [answer.encode()]

    async with hostile(slow, rows=2, delay=0.05) as (port, _):
        collector = SnmpDeviceCollector(
            "slow", Peer("127.0.0.1", port, Credentials(), 0.3, 0), sessions, Machine(), interval=60, profile="generic"
        )
        collector.deadline = 2.0

        async def interfaces() -> int:
            return len([o for o in (await collector.collect()).observations if o.metric is INTERFACE_UP])

        async def explored() -> bool:
            for _ in range(60):
                shown = await interfaces()
                assert collector._layout is not None
                if not collector._layout.pending:
                    return shown == 2
            return False

        assert await explored()
        collector._polls = EXPLORE_EVERY
        mute.append("the table that it was slowest with")
        assert await interfaces() == 2
        assert collector._layout is not None
        assert collector._layout.pending, "not slow enough for this test"
        assert await explored()
        # What answers after a restart may be another device: it has nothing of the one before.
        collector._uptime = 1e9
        assert await interfaces() == 0
    await sessions.close()


def too_big(answer: Answer) -> list[bytes]:
    if not answer.walking and len(answer.proper()) > 5:
        pdu = v2c.apiMessage.get_pdu(answer.reply)
        v2c.apiPDU.set_error_status(pdu, 1)
        v2c.apiPDU.set_varbinds(pdu, [])
        from pyasn1.codec.ber import encoder

        encoded: bytes = encoder.encode(answer.reply)
        return [encoded]
    return [answer.encode()]


async def test_a_device_with_small_packets_is_asked_less_at_a_time(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(too_big, rows=6) as (port, asked):
        collector = device(port, sessions)
        first = await collector.collect()
        before = asked()
        second = await collector.collect()
        assert asked() - before < before
    await sessions.close()
    for reading in (first, second):
        assert reading.reason is None, reading.detail
        assert len([o for o in reading.observations if o.metric is INTERFACE_UP]) == 6
    assert collector._limits.variables <= 5


async def test_a_device_that_stops_answering_is_down_and_its_values_vanish(backend: str) -> None:
    alive = True
    sessions = SnmpSessions(backend)
    async with hostile(lambda answer: [answer.encode()] if alive else []) as (port, _):
        collector = device(port, sessions)
        assert up(await collector.collect()) == [1.0]
        alive = False
        reading = await collector.collect()
        assert up(reading) == [0.0]
        assert {o.metric for o in reading.observations} == {DEVICE_UP, ERRORS}
        alive = True
        assert up(await collector.collect()) == [1.0]
    await sessions.close()


@pytest.mark.timing
async def test_others_are_polled_while_one_hangs(backend: str) -> None:
    sessions = SnmpSessions(backend)
    async with hostile(silent) as (bad, _), hostile(lambda answer: [answer.encode()]) as (good, _):
        slow = [device(bad, sessions, timeout=2.0) for _ in range(5)]
        fine = device(good, sessions)
        hanging = [asyncio.get_running_loop().create_task(one.collect()) for one in slow]
        begin = time.monotonic()
        assert up(await fine.collect()) == [1.0]
        assert time.monotonic() - begin < 1.5
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)
    await sessions.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "no.such.host.invalid"])
async def test_nobody_there(backend: str, address: str) -> None:
    sessions = SnmpSessions(backend)
    collector = SnmpDeviceCollector(
        "gone", Peer(address, free_port(), Credentials(), 0.2, 0), sessions, Machine(), interval=60, zone="Kho"
    )
    reading = await collector.collect()
    await sessions.close()
    assert up(reading) == [0.0]
    assert [item.labels for item in reading.observations if item.metric is DEVICE_ZONE] == [("gone", "Kho")]
    assert reading.reason is not None
    assert not reading.reason.is_failure
