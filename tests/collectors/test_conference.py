"""conference: ready on a good line, and each limit for its own reason; denser before meetings."""

from __future__ import annotations

import asyncio
import datetime
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.exposition import render
from agent.state import State
from collectors.conference import LIMIT, ConferenceCollector, ConferenceSettings, ConferenceTarget, build
from collectors.machine import Machine, SystemClock
from collectors.model import Reason
from collectors.probe.ports import Count, Ports
from collectors.probe.rates import Rates
from collectors.site import Context, Contract, Interface, Link, Route, Site, Surroundings, Uplink
from collectors.wire.units import Duration, Rate
from tests import netlab
from tests.collectors.golden import compare
from tests.inlab import inside
from tests.netlab import Impairment, Lab, Province
from tests.netlab import Site as LabSite
from tests.netlab.services import start, tcp

BRIDGE = "10.0.0.20"


class Clock(SystemClock):
    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 3, 2, 6, 0, tzinfo=zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")).timestamp()

    def true(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


async def test_denser_from_before_a_meeting_on(tmp_path: Path) -> None:
    file = tmp_path / "meetings.ics"
    event = "BEGIN:VEVENT\r\nUID:1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260302T080000\r\nDURATION:PT1H\r\nEND:VEVENT\r\n"
    file.write_text(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{event}END:VCALENDAR\r\n")
    clock = Clock()
    where = Context(Machine(clock=clock), Site(), Surroundings(), ())
    target = ConferenceTarget(name="bridge", address="127.0.0.1:9")
    (collector,) = build(ConferenceSettings(calendar_file=str(file), targets=(target,)), where)
    assert collector.interval == 10.0
    taken: dict[str, set[float]] = {}
    for _ in range(4 * 360):
        reading = await collector.collect()
        hour = f"{datetime.datetime.fromtimestamp(clock.now, zoneinfo.ZoneInfo('Asia/Ho_Chi_Minh')):%H}"
        taken.setdefault(hour, set()).add(reading.taken)
        clock.now += 10
    counts = [len(taken[hour]) for hour in ("06", "07", "08", "09")]
    assert counts[:3] == [60, 360, 360]
    assert counts[3] in {60, 61}  # the last dense judgement is repeated into the hour


async def test_a_bridge_that_refuses() -> None:
    target = ConferenceTarget(name="bridge", address="127.0.0.1:9")
    (collector,) = build(ConferenceSettings(targets=(target,)), Context(Machine(), Site(), Surroundings(), ()))
    reading = await collector.collect()
    assert reading.reason is Reason.REFUSED
    assert [(one.metric.name, one.labels, one.value) for one in reading.observations] == [
        ("commune_conference_ready", ("bridge",), 0.0),
        ("commune_conference_limit", ("bridge", "port"), 1.0),
    ]


async def test_a_link_that_is_not_there() -> None:
    target = ConferenceTarget(name="bridge", address="127.0.0.1:9", link="tslcd")
    (collector,) = build(ConferenceSettings(targets=(target,)), Context(Machine(), Site(), Surroundings(), ()))
    await collector.start(lambda _: None)
    reading = await collector.once()
    await collector.stop()
    assert (reading.reason, reading.detail) == (Reason.UNREACHABLE, "the link tslcd is not there now")


def test_capacity_is_the_contract_or_the_last_test() -> None:
    target = ConferenceTarget(name="bridge", address="127.0.0.1:9", link="internet")
    link = Link(name="internet", interface="eth0", contract=Contract(download=Rate(1e6)))
    where = Context(Machine(), Site(), Surroundings(), (Uplink(link, "eth0", None),))
    (collector,) = build(ConferenceSettings(targets=(target,)), where)
    assert isinstance(collector, ConferenceCollector)
    assert (collector._capacity("download"), collector._capacity("upload")) == (1e6, None)
    where.session(Rates, Rates).found["internet", "upload"] = 5e5
    assert collector._capacity("upload") == 5e5


@pytest.mark.parametrize(("rate", "limited"), [(800_000.0, True), (600_000.0, False)])
async def test_a_line_behind_the_router_is_judged_by_its_port(rate: float, limited: bool) -> None:  # noqa: FBT001
    contract = Contract(download=Rate(1_250_000), upload=Rate(1_250_000))
    link = Link(name="tslcd", kind="tslcd", device="router-1", port="ether2", contract=contract)
    where = Context(Machine(), Site(), Surroundings(), (Uplink(link, None, None),))
    target = ConferenceTarget(name="bridge", address="127.0.0.1:9", link="tslcd", need=Rate(500_000))
    (collector,) = build(ConferenceSettings(targets=(target,)), where)
    ports, now = where.session(Ports, Ports), where.machine.clock.monotonic()
    ports.take("router-1", "ether2", Count(now - 60, 0.0, 0.0))
    ports.take("router-1", "ether2", Count(now, 60 * rate, 0.0))
    reading = await collector.collect()
    limits = {one.labels[1]: one.value for one in reading.observations if one.metric is LIMIT}
    assert limits["bandwidth"] == float(limited)
    assert "of 10Mbit/s free (download)" in reading.detail


# In the laboratory

REASON = netlab.available()
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")


@pytest.fixture(scope="module")
def site() -> Iterator[LabSite]:
    with Lab() as lab:
        province = Province(lab, web=False, names=False)
        made = province.site()
        start(province.province, "bridge", [sys.executable, "-m", "http.server", "5061"], tcp("127.0.0.1", 5061))
        yield made


async def judge(seconds: float, load: float = 0.0) -> dict[str, Any]:
    """Two judgements `seconds` apart with 1 Hz pings, shortened to 20 Hz, in between; `load` octets per second go out meanwhile."""
    contract = Contract(download=Rate(1_250_000), upload=Rate(1_250_000))
    link = Link(name="tslcd", interface="eth0", contract=contract)
    surroundings = Surroundings((Route(4, "eth0", "192.168.1.1", 100),), (), (Interface("eth0", ("192.168.1.10/24",)),))
    where = Context(Machine(), Site(), surroundings, (Uplink(link, "eth0", "192.168.1.1"),))
    target = ConferenceTarget(name="bridge", address=f"{BRIDGE}:5061", link="tslcd")
    (collector,) = build(ConferenceSettings(targets=(target,), interval=Duration(60)), where)
    assert isinstance(collector, ConferenceCollector)
    await collector.start(lambda _: None)
    assert collector._pinger is not None
    assert collector._stream is not None
    collector._pinger.unwatch(collector._stream)
    collector._stream = collector._pinger.watch(BRIDGE, interface="eth0", interval=0.05, timeout=1.0)
    await collector.once()
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(int(seconds * 100)):
            for _ in range(int(load / 100 / 1242)):
                sender.sendto(bytes(1200), (BRIDGE, 9))
            await asyncio.sleep(0.01)
    reading = await collector.once()
    await collector.stop()
    for session in where.sessions.values():
        await session.close()
    state = State()
    state.apply(reading, 150.0)
    return {"text": render(state.series()).decode(), "detail": reading.detail}


def limits(found: dict[str, Any]) -> set[str]:
    rows = [line for line in found["text"].splitlines() if line.startswith("commune_conference_limit")]
    return {row.partition('reason="')[2].partition('"')[0] for row in rows if row.endswith(" 1.0")}


@pytest.mark.timing
@needs_lab
def test_a_good_line_is_ready(site: LabSite) -> None:
    found = inside(site.pc, judge, 5.0)
    compare("conference", found["text"])
    assert "loss 0.0%" in found["detail"]
    assert "MOS 4.4" in found["detail"]


@pytest.mark.timing
@needs_lab
@pytest.mark.parametrize(
    ("fault", "expected"),
    [("loss", {"loss"}), ("delay", {"delay"}), ("jitter", {"jitter"}), ("cut", {"port", "loss"})],
)
def test_each_limit_for_its_own_reason(site: LabSite, fault: str, expected: set[str]) -> None:
    line = site.tslcd
    assert line is not None
    faults: dict[str, Callable[[], Impairment]] = {
        "loss": lambda: line.loss(0.1, "ip protocol icmp"),
        "delay": lambda: line.delay(0.16),
        "jitter": lambda: line.delay(0.1, 0.09, reorder=True),
        "cut": line.cut,
    }
    with faults[fault]():
        found = inside(site.pc, judge, 6.0)
    assert limits(found) == expected, found["detail"]
    assert 'commune_conference_ready{target="bridge"} 0.0' in found["text"]


@pytest.mark.timing
@needs_lab
def test_a_line_in_use_is_no_line_for_a_conference(site: LabSite) -> None:
    found = inside(site.pc, judge, 5.0, 1_000_000.0)
    assert limits(found) == {"bandwidth"}, found["detail"]
