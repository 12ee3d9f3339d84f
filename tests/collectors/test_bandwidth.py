"""bandwidth: results and bloat on a real line, and everything that keeps a test from running."""

from __future__ import annotations

import asyncio
import datetime
import itertools
import signal
import subprocess
import sys
import time
import zoneinfo
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from aiohttp import web

from agent.exposition import render
from agent.state import State
from collectors.bandwidth import SPENT_BYTES, BandwidthCollector, BandwidthSettings, BandwidthTarget, build
from collectors.machine import Machine, SystemClock
from collectors.model import Reading, Reason
from collectors.probe.budget import Budget
from collectors.probe.ports import Count, Ports
from collectors.site import Context, Contract, Interface, Link, Route, Site, Surroundings, Uplink
from collectors.wire.units import Duration, Rate, Size
from tests import netlab
from tests.agent.running import QUIET
from tests.collectors.golden import compare
from tests.collectors.probe.test_slots import LAM_DONG
from tests.inlab import ROOT, inside
from tests.netlab import Lab, Province, services
from tests.netlab import Site as LabSite

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
MONDAY = datetime.datetime(2026, 3, 2, tzinfo=ZONE)
SITE = Site(province="lam-dong", commune="24781")


class Clock(SystemClock):
    """True time is set; monotonic time is real, since transfers are."""

    def __init__(self, now: datetime.datetime) -> None:
        self.now = now.timestamp()

    def true(self) -> float:
        return self.now


class Stepping(BandwidthCollector):
    """Moves the simulated clock on to a slot instead of waiting for it."""

    async def _until(self, slot: float) -> None:
        clock = self._context.machine.clock
        assert isinstance(clock, Clock)
        clock.now = max(clock.now, slot)


def context(
    clock: SystemClock, state: Path | None = None, *, role: Literal["full", "sensor", "hub"] = "full", root: Path = Path("/")
) -> Context:
    site = Site(province="lam-dong", commune="24781", role=role)
    return Context(Machine(root=root, clock=clock), site, Surroundings(), (), state_dir=state)


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """A web server on loopback that gives a mebibyte and reads what it is sent."""

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=bytes(1 << 20))

    async def take(request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(1 << 16):
            pass
        return web.Response()

    app = web.Application(client_max_size=1 << 30)
    app.router.add_get("/give", give)
    app.router.add_post("/take", take)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    assert runner.addresses
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def settings(url: str, **more: Any) -> BandwidthSettings:
    target = BandwidthTarget(name="hub", method="http", url=f"{url}/give", upload_url=f"{url}/take")
    return BandwidthSettings(**{"targets": (target,), "interval": Duration(3600), "max_bytes_per_day": Size(20 << 20), **more})


def spent(reading: Reading) -> float:
    return sum(float(one.value) for one in reading.observations if one.metric is SPENT_BYTES and isinstance(one.value, float))


async def day(where: Context, clock: Clock, config: BandwidthSettings, hours: float = 24.0) -> list[tuple[float, Reading]]:
    """One look each minute of a simulated day; the readings that moved bytes or named a reason, with their moments."""
    collector = Stepping(0, config, where)
    await collector.start(lambda _: None)
    found = []
    for _ in range(int(hours * 60)):
        clock.now += 60
        reading = await collector.collect()
        if spent(reading) or reading.reason is not None:
            found.append((clock.now, reading))
    for session in where.sessions.values():
        await session.close()
    return found


async def test_the_budget_holds_over_a_day_with_a_restart(tmp_path: Path) -> None:
    clock = Clock(MONDAY)
    async with server() as url:
        config = settings(url, max_bytes_per_day=Size(20 << 20))
        before = await day(context(clock, tmp_path), clock, config, 12.0)
        after = await day(context(clock, tmp_path), clock, config, 12.0)
    runs = [(moment, spent(reading)) for moment, reading in (*before, *after) if spent(reading)]
    assert len(runs) == 10
    assert 0.8 * (20 << 20) < sum(octets for _, octets in runs) <= 20 << 20
    hours = [datetime.datetime.fromtimestamp(moment, ZONE).hour for moment, _ in runs]
    assert hours == list(range(7, 17))
    minutes = {datetime.datetime.fromtimestamp(moment, ZONE).minute for moment, _ in runs}
    assert len(minutes) == 1
    assert Budget(tmp_path / "bandwidth.json", "Asia/Ho_Chi_Minh").spent(clock.now - 3600) <= 20 << 20


async def test_what_a_crash_left_booked_is_not_spent_again(tmp_path: Path) -> None:
    clock = Clock(MONDAY)
    Budget(tmp_path / "bandwidth.json", "Asia/Ho_Chi_Minh").book(20 << 20, clock.now + 3600)
    async with server() as url:
        runs = await day(context(clock, tmp_path), clock, settings(url))
    assert [reading.reason for _, reading in runs] == [Reason.BUDGET] * 10
    assert "bytes of today are spent" in runs[0][1].detail


async def test_a_server_that_is_away_costs_nothing(tmp_path: Path) -> None:
    clock = Clock(MONDAY)
    runs = await day(context(clock, tmp_path), clock, settings("http://127.0.0.1:9"))
    assert {reading.reason for _, reading in runs} == {Reason.REFUSED}
    assert Budget(tmp_path / "bandwidth.json", "Asia/Ho_Chi_Minh").spent(MONDAY.timestamp() + 3600) == 0


@pytest.mark.parametrize(("rate", "busy"), [(400_000.0, True), (200_000.0, False)])
async def test_what_all_computers_of_the_site_carry_counts_where_the_routers_port_is_polled(rate: float, busy: bool) -> None:  # noqa: FBT001
    contract = Contract(download=Rate(1_250_000), upload=Rate(1_250_000))
    link = Link(name="internet", interface="lo", device="router-1", port="ether1", contract=contract)
    where = Context(Machine(), SITE, Surroundings(), (Uplink(link, "lo", None),))
    ports, now = where.session(Ports, Ports), where.machine.clock.monotonic()
    ports.take("router-1", "ether1", Count(now - 60, 0.0, 0.0))
    ports.take("router-1", "ether1", Count(now, 0.0, 60 * rate))
    target = BandwidthTarget(name="hub", method="http", url="http://127.0.0.1:9", link="internet")
    collector = BandwidthCollector(0, BandwidthSettings(targets=(target,)), where)
    said = await collector._busy()
    assert said == ("the line carries 3200kbit/s of 10Mbit/s (upload)" if busy else None)


async def test_one_run_of_all_collectors_makes_no_load() -> None:
    (collector,) = build(settings("http://127.0.0.1:9"), context(Clock(MONDAY)))
    reading = await collector.once()
    assert reading.reason is Reason.OUT_OF_HOURS
    assert spent(reading) == 0


@pytest.mark.parametrize("role", ["sensor", "hub"])
def test_only_the_full_agent_tests(role: Literal["sensor", "hub"]) -> None:
    assert build(settings("http://x"), context(Clock(MONDAY), role=role)) == []


def test_sites_have_their_own_moments_and_targets_of_a_site_too() -> None:
    targets = tuple(BandwidthTarget(name=name, method="http", url="http://x") for name in "ab")
    config = BandwidthSettings(targets=targets)
    evening = MONDAY.replace(hour=23).timestamp()
    moments = set()
    for commune in ("24781", "24782", "24783"):
        clock = Clock(MONDAY)
        where = Context(Machine(clock=clock), Site(province="lam-dong", commune=commune), Surroundings(), ())
        for collector in build(config, where):
            assert isinstance(collector, BandwidthCollector)
            moments.add(collector._slot(evening))
    assert len(moments) == 6


async def test_the_communes_of_a_province_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of 124 agents, each of which looks once a minute at a second of its own: no two begin within 19 seconds."""
    begun: list[float] = []

    async def begin(collector: BandwidthCollector, now: float) -> Reading:
        begun.append(now)
        collector._due = None
        return collector._reading(None, "")

    monkeypatch.setattr(BandwidthCollector, "_test", begin)
    config = BandwidthSettings(targets=(BandwidthTarget(name="hub", method="iperf3", url="198.51.100.1"),))
    for number, commune in enumerate(LAM_DONG.split()):
        clock = Clock(MONDAY + datetime.timedelta(seconds=number * 0.48))
        where = Context(Machine(clock=clock), Site(province="lam-dong", commune=commune), Surroundings(), ())
        collector = Stepping(0, config, where)
        await collector.start(lambda _: None)
        for minute in range(1440):
            clock.now = MONDAY.timestamp() + number * 0.48 + 60 * minute
            await collector.collect()
    begun.sort()
    assert 124 <= len(begun) <= 248
    assert min(after - before for before, after in itertools.pairwise(begun)) > 19


@pytest.mark.timing
async def test_stops_at_once_when_told(tmp_path: Path) -> None:
    clock = Clock(MONDAY.replace(hour=12))

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1000))
            await asyncio.sleep(0.01)

    app = web.Application()
    app.router.add_get("/give", drip)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    where = context(clock, tmp_path)
    (collector,) = build(settings(f"http://127.0.0.1:{runner.addresses[0][1]}"), where)
    assert isinstance(collector, BandwidthCollector)
    collector._due = clock.now
    task = asyncio.get_running_loop().create_task(collector.collect())
    await asyncio.sleep(3.5)
    assert not task.done()
    begin = asyncio.get_running_loop().time()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.get_running_loop().time() - begin < 0.5
    assert Budget(tmp_path / "bandwidth.json", "Asia/Ho_Chi_Minh").spent(clock.now) > 0, "what was under way counts as spent"
    for session in where.sessions.values():
        await session.close()
    await runner.cleanup()


# On a real line

REASON = netlab.available() or services.require("iperf3", "nginx")
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no laboratory with iperf3 and nginx here: {REASON}")
HUB = "203.0.113.10"


@pytest.fixture(scope="module")
def sites() -> Iterator[tuple[LabSite, LabSite]]:
    """A site with a line of its own, and one whose computer has two uplinks."""
    with Lab() as lab:
        province = Province(lab, web=False, names=False)
        made, two = province.site(), province.site(uplinks="pc")
        services.iperf3_server(province.province)
        # Reno fills a queue, and every process may ask for it; BBR, the default of some kernels, leaves a deep one empty (ADR 061).
        for node in (made.pc, province.province):
            node.sysctl("net.ipv4.tcp_congestion_control", "reno")
        folder = province.province.directory / "www"
        folder.mkdir()
        with (folder / "big").open("wb") as file:
            file.truncate(400_000_000)
        services.nginx(
            province.province,
            f"server {{ listen 80; root {folder}; client_max_body_size 0; location /up {{ proxy_pass http://127.0.0.1:8081; }} }}"
            "server { listen 8081; client_max_body_size 0; return 200 ok; }",
        )
        python = [sys.executable, "-m", "tests.ndt7_server", "8080"]
        services.start(
            province.province, "ndt7", ["env", f"PYTHONPATH={ROOT}", *python], services.tcp("127.0.0.1", 8080), timeout=20
        )
        yield made, two


@pytest.fixture
def site(sites: tuple[LabSite, LabSite]) -> LabSite:
    return sites[0]


async def measure_line(mbit: float, method: Literal["http", "iperf3", "ndt7"], idle: float = 0.0) -> dict[str, Any]:
    """One test that is due, in the laboratory: the reading, as text."""
    await asyncio.sleep(idle)
    url = {"http": f"http://{HUB}/big", "iperf3": HUB, "ndt7": f"ws://{HUB}:8080"}[method]
    target = BandwidthTarget(name="hub", method=method, url=url, upload_url=f"http://{HUB}/up", link="internet")
    config = BandwidthSettings(targets=(target,), hours="00:00-00:00")
    rate = Rate(mbit * 125_000)
    link = Link(name="internet", interface="eth0", contract=Contract(download=rate, upload=rate))
    surroundings = Surroundings((Route(4, "eth0", "192.168.1.1", 100),), (), (Interface("eth0", ("192.168.1.10/24",)),))
    where = Context(Machine(), SITE, surroundings, (Uplink(link, "eth0", "192.168.1.1"),))
    (collector,) = build(config, where)
    assert isinstance(collector, BandwidthCollector)
    collector._due = where.machine.clock.true()
    reading = await collector.collect()
    for session in where.sessions.values():
        await session.close()
    state = State()
    state.apply(reading, 150.0)
    return {"text": render(state.series()).decode(), "reason": reading.reason, "detail": reading.detail}


async def spend_a_day(method: Literal["http", "iperf3", "ndt7"], octets: int) -> dict[str, Any]:
    """A simulated day of tests every hour from seven to twelve, over a real line."""
    url = {"http": f"http://{HUB}/big", "iperf3": HUB, "ndt7": f"ws://{HUB}:8080"}[method]
    target = BandwidthTarget(name="hub", method=method, url=url, upload_url=f"http://{HUB}/up", link="internet")
    config = BandwidthSettings(
        targets=(target,),
        hours="07:00-12:00",
        interval=Duration(3600),
        max_bytes_per_day=Size(octets),
        skip_above_utilization=1.0,
    )
    clock = Clock(MONDAY)
    surroundings = Surroundings((Route(4, "eth0", "192.168.1.1", 100),), (), (Interface("eth0", ("192.168.1.10/24",)),))
    where = Context(Machine(clock=clock), SITE, surroundings, (Uplink(Link(name="internet"), "eth0", "192.168.1.1"),))
    runs = await day(where, clock, config)
    return {"reasons": [reading.reason for _, reading in runs], "spent": sum(spent(reading) for _, reading in runs)}


def values(text: str) -> dict[str, float]:
    rows = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name.partition("{")[0].removeprefix("commune_bandwidth_"): float(value) for name, value in rows}


ATTEMPTS = 3
"""A machine that is held up carries less than the line; it never carries more."""
SETTLED = 2.0
"""Seconds after which nothing of an earlier test is under way, so that the line is not found busy."""


@needs_lab
@pytest.mark.timing
@pytest.mark.parametrize("method", ["http", pytest.param("iperf3", marks=pytest.mark.slow)])
def test_rates_and_a_deep_queue(site: LabSite, method: str) -> None:
    full = pytest.approx(20e6 / 8 * 0.956, rel=0.05)
    for _ in range(ATTEMPTS):
        with site.line.rate(20e6, latency=0.4):
            found = inside(site.pc, measure_line, 20, method, SETTLED)
        assert found["reason"] is None, found
        got = values(found["text"])
        if got["download_bytes_per_second"] == full == got["upload_bytes_per_second"]:
            break
    assert got["download_bytes_per_second"] == full
    assert got["upload_bytes_per_second"] == full
    assert 0.15 < got["loaded_rtt_seconds"] < 0.9
    assert "bufferbloat" in found["detail"]
    assert not {"bufferbloat A", "bufferbloat B"} & {found["detail"][place : place + 13] for place in range(len(found["detail"]))}
    if method == "http":
        lines = found["text"].splitlines()
        compare("bandwidth", "".join(f"{line if line[0] == '#' else line.rsplit(' ', 1)[0] + ' #'}\n" for line in lines))


@needs_lab
@pytest.mark.timing
def test_a_short_queue_is_no_bloat(site: LabSite) -> None:
    for _ in range(ATTEMPTS):
        with site.line.rate(20e6, latency=0.01):
            found = inside(site.pc, measure_line, 20, "http", SETTLED)
        assert found["reason"] is None
        if values(found["text"])["loaded_rtt_seconds"] < 0.025:
            break
    assert values(found["text"])["loaded_rtt_seconds"] < 0.025
    assert found["detail"].count("bufferbloat A") == 2


def blast(mbit: int) -> str:
    """A program that sends so much to the hub, which nobody asked for."""
    return (
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); begin, sent = time.monotonic(), 0\n"
        f"while True:\n  if sent * 8 < {mbit}e6 * (time.monotonic() - begin): s.sendto(bytes(1200), ('{HUB}', 9)); sent += 1242\n"
        "  else: time.sleep(0.001)"
    )


@needs_lab
@pytest.mark.parametrize(("load", "runs"), [(8, False), (4, True)])
def test_not_while_the_line_carries_more_than_the_set_share(site: LabSite, load: int, runs: bool) -> None:  # noqa: FBT001
    other = site.pc.popen([sys.executable, "-c", blast(load)], stdout=subprocess.DEVNULL)
    try:
        with site.line.rate(20e6), site.pc.count(f"ip daddr {HUB} tcp dport 80", "output") as ours:
            found = inside(site.pc, measure_line, 20, "http", 1.0)
            packets = ours.read().packets
    finally:
        other.terminate()
        other.wait()
        site.pc.processes.remove(other)
    if runs:
        assert found["reason"] is None
        assert packets > 100
    else:
        assert found["reason"] == "busy"
        assert "of 20Mbit/s (upload)" in found["detail"]
        assert packets == 0


@pytest.mark.timing
@needs_lab
@pytest.mark.parametrize("method", ["http", "iperf3", "ndt7"])
def test_ends_when_others_begin_to_use_the_line(site: LabSite, method: str) -> None:
    """A test that began on a quiet line ends, and leaves the line to those who came; its other direction is not begun."""
    with site.line.rate(20e6), site.pc.count(f"ip saddr {HUB} ip protocol tcp", "input") as ours, ThreadPoolExecutor(1) as pool:
        running = pool.submit(inside, site.pc, measure_line, 20, method, SETTLED)
        until = time.monotonic() + 30
        while ours.read().bytes < 500_000 and time.monotonic() < until:
            time.sleep(0.1)
        other = site.pc.popen([sys.executable, "-c", blast(8)], stdout=subprocess.DEVNULL)
        try:
            found = running.result()
            moved = ours.read().bytes
        finally:
            other.terminate()
            other.wait()
            site.pc.processes.remove(other)
    assert found["reason"] == "busy", found
    assert "download ended since others began to use the line: " in found["detail"]
    assert "(upload)" in found["detail"]
    assert moved < 0.9 * 8.0 * 20e6 / 8, "a whole test moves more"
    spent = values(found["text"])["spent_bytes_total"]
    assert 0.7 * moved < spent < 1.4 * moved + 200_000


@pytest.mark.slow
@needs_lab
@pytest.mark.parametrize("latency", [0.05, 0.4])
@pytest.mark.parametrize("method", ["http", "iperf3", "ndt7"])
def test_a_days_bytes_as_the_kernel_counts_them_are_within_the_budget(site: LabSite, method: str, latency: float) -> None:
    """Everything to and from the hub: headers, acknowledgements, pings, what still arrives after the end."""
    budget = 60 << 20
    with (
        site.line.rate(50e6, latency=latency),
        site.pc.count(f"ip daddr {HUB}", "output") as sent,
        site.pc.count(f"ip saddr {HUB}", "input") as received,
    ):
        found = inside(site.pc, spend_a_day, method, budget, timeout=240.0)
        moved = sent.read().bytes + received.read().bytes
    sys.stdout.write(f"\n| {method} | {latency} | {budget} | {moved} | {found['spent']:.0f} | {moved / budget:.3f} |")
    assert found["reasons"] == [None] * 5, found
    assert 0.5 * budget < moved <= budget
    assert moved <= 1.05 * found["spent"], "what was on the line is booked"


async def measure_by(method: Literal["http", "iperf3", "ndt7"], interface: str, address: str) -> dict[str, Any]:
    """A small test by one of two uplinks."""
    url = {"http": f"http://{HUB}/big", "iperf3": HUB, "ndt7": f"ws://{HUB}:8080"}[method]
    target = BandwidthTarget(name="hub", method=method, url=url, upload_url=f"http://{HUB}/up", link="chosen")
    config = BandwidthSettings(targets=(target,), hours="00:00-00:00", interval=Duration(86400), max_bytes_per_day=Size(20 << 20))
    interfaces = (Interface("eth0", ("192.168.2.10/24",)), Interface("eth1", ("192.168.102.10/24",)))
    routes = (Route(4, "eth0", "192.168.2.1", 100), Route(4, "eth1", "192.168.102.1", 200))
    chosen = Uplink(Link(name="chosen", interface=interface), interface, address)
    where = Context(Machine(), SITE, Surroundings(routes, (), interfaces), (chosen,))
    (collector,) = build(config, where)
    assert isinstance(collector, BandwidthCollector)
    collector._due = where.machine.clock.true()
    reading = await collector.collect()
    for session in where.sessions.values():
        await session.close()
    return {"reason": reading.reason, "detail": reading.detail, "spent": spent(reading)}


@pytest.mark.timing
@needs_lab
@pytest.mark.parametrize("method", ["http", "iperf3", "ndt7"])
def test_a_test_goes_by_the_uplink_it_is_for(sites: tuple[LabSite, LabSite], method: str) -> None:
    """Not by the one that the routing table prefers, eth0, but for what the kernel says in nobody's name.

    What still arrives for a connection that was broken off it answers with a reset, and has forgotten the interface with the
    socket (net/ipv4/tcp_ipv4.c, tcp_v4_send_reset).
    """
    pc, chosen, other, own = sites[1].pc, "eth1", "eth0", "192.168.102.10"
    with (
        pc.count(f'oifname "{chosen}" ip saddr {own} ip daddr {HUB}', "output") as right,
        pc.count(f'oifname "{chosen}" ip saddr != {own}', "output") as foreign,
        pc.count(f'oifname "{other}" ip daddr {HUB}', "output") as wrong,
        pc.count(f'oifname "{other}" ip daddr {HUB} tcp flags & rst == rst', "output") as resets,
    ):
        found = inside(pc, measure_by, method, chosen, own)
        counted = [one.read() for one in (right, foreign, wrong, resets)]
    assert found["reason"] is None, found
    assert found["spent"] > 1_000_000
    assert counted[0].bytes > 1_000_000
    assert (counted[1].packets, counted[2].packets) == (0, counted[3].packets)


@pytest.mark.timing
@needs_lab
@pytest.mark.timing
def test_the_agent_that_is_told_to_end_leaves_no_test_behind(site: LabSite, tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        f"{QUIET.replace('links: []', 'links: [{name: internet, interface: eth0}]')}"
        f"listen: 127.0.0.1:9466\nstate_dir: {tmp_path}/state\n"
        "bandwidth: {interval: 1s, hours: '00:00-00:00', max_bytes_per_day: 20000GiB, "
        f"targets: [{{name: hub, method: iperf3, url: {HUB}, link: internet}}]}}\n"
    )
    log = tmp_path / "log"
    with site.line.rate(20e6), log.open("w") as handle:
        agent = site.pc.popen(
            [sys.executable, "-m", "agent", "run", "--config", str(config)], cwd=ROOT, stdout=handle, stderr=handle
        )
        try:
            until = time.monotonic() + 90
            while not (child := children(agent.pid)):
                assert agent.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.05)
            time.sleep(1.0)
            begin = time.monotonic()
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(20) == 0, log.read_text()
            seconds = time.monotonic() - begin
            assert [pid for pid in child if Path(f"/proc/{pid}").exists()] == []
            assert seconds < 2
        finally:
            if agent.poll() is None:
                agent.kill()
                agent.wait()
            site.pc.processes.remove(agent)
    assert "Traceback" not in log.read_text()


def children(parent: int) -> list[int]:
    """The iperf3 processes that a process has started."""
    found = []
    for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(OSError):
            found += [int(pid)] if Path(f"/proc/{pid}/comm").read_text().strip() == "iperf3" else []
    return found
