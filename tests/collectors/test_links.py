"""The links collector: verdicts by table, time in each state, and two real uplinks of which one is cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.exposition import render
from agent.scheduler import Scheduler
from agent.state import State, Update
from collectors import links, ping
from collectors.links import Hysteresis, LinkCollector, build, is_degraded, quorum_up
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.probe.icmp import Pinger
from collectors.probe.icmp_stream import Window
from collectors.probe.ports import Count, Ports
from collectors.site import Context, Contract, Link, Site, Surroundings, Uplink
from collectors.wire.units import Rate
from tests.collectors.golden import compare
from tests.namespaces import Peer, allow_datagram, isolated, needs_namespaces, sh


class TurnedClock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    wall = true = monotonic

    def true_at(self, monotonic: float) -> float:
        return monotonic


@pytest.mark.parametrize(
    ("rounds", "verdict"),
    [
        ("", None),
        ("+", True),  # the first word need not wait
        ("--", None),
        ("---", False),
        ("+--", True),
        ("+---", False),
        ("+--+--+--", True),
        ("+---+", False),
        ("+---+-+-+", False),
        ("+---++", True),
        ("+---++--", True),
    ],
)
def test_three_failed_rounds_are_down_and_two_good_ones_up(rounds: str, verdict: bool | None) -> None:  # noqa: FBT001
    hysteresis = Hysteresis()
    for outcome in rounds:
        hysteresis.take(good=outcome == "+")
    assert hysteresis.up is verdict


@pytest.mark.parametrize(
    ("ups", "quorum", "verdict"),
    [
        ([True], 1, True),
        ([False, True], 1, True),
        ([False, True], 2, False),
        ([False, None], 1, None),
        ([True, None], 1, True),
        ([True, None], 2, None),
        ([False, None], 2, False),
        ([False, False], 1, False),
    ],
)
def test_quorum(ups: list[bool | None], quorum: int, verdict: bool | None) -> None:  # noqa: FBT001
    assert quorum_up(ups, quorum) is verdict


def window(loss: float = 0.0, rtt: float = 0.020, swing: float = 0.0, sent: int = 60) -> Window:
    received = round(sent * (1 - loss))
    return Window(sent, received, tuple(rtt + swing * (number % 2) for number in range(received)))


@pytest.mark.parametrize(
    ("windows", "degraded"),
    [
        ([window()], False),
        ([window(loss=0.10)], True),
        ([window(loss=0.03)], False),
        ([window(loss=0.5, sent=10)], False),  # too few to tell
        ([window(loss=0.10), window()], False),  # that beacon's own trouble
        ([window(loss=0.10), window(loss=0.08)], True),
        ([window(rtt=0.2)], True),
        ([window(swing=0.11)], True),
        ([], False),
    ],
)
def test_degraded(windows: list[Window], *, degraded: bool) -> None:
    assert is_degraded(windows) is degraded


def made(link: Link, machine: Machine | None = None, interface: str | None = None, gateway: str | None = None) -> LinkCollector:
    context = Context(machine or Machine(), Site(), Surroundings(), (Uplink(link, interface, gateway),))
    (collector,) = build((link,), context)
    assert isinstance(collector, LinkCollector)
    return collector


def folder(root: Path, interface: str, received: int, sent: int, speed: str = "1000") -> Machine:
    statistics = root / f"sys/class/net/{interface}/statistics"
    statistics.mkdir(parents=True, exist_ok=True)
    (statistics / "rx_bytes").write_text(f"{received}\n")
    (statistics / "tx_bytes").write_text(f"{sent}\n")
    (statistics.parent / "speed").write_text(f"{speed}\n")
    return Machine(root=root, clock=TurnedClock())


def test_use_of_a_line_behind_the_router_is_that_of_the_routers_port(tmp_path: Path) -> None:
    machine = folder(tmp_path, "eth0", 0, 0)
    behind = Link(name="tslcd", device="router-1", port="ether2", contract=Contract(download=Rate(1_250_000)))
    link = made(behind, machine, None)
    ports = link._context.session(Ports, Ports)
    for count in (Count(0.0, 1000, 1000), Count(60.0, 1000 + 7_500_000, 1000 + 3_000_000, 12_500_000.0)):
        ports.take("router-1", "ether2", count)
    assert isinstance(machine.clock, TurnedClock)
    machine.clock.now = 65.0
    link._measure_use()
    assert link._utilization == pytest.approx({"download": 0.1, "upload": 0.004})
    machine.clock.now += 1000
    link._measure_use()
    assert not link._utilization


@pytest.mark.parametrize(
    ("contract", "speed", "use"),
    [
        (Contract(download=Rate(12_500_000), upload=Rate(1_250_000)), "1000", {"download": 0.1, "upload": 0.04}),
        (Contract(), "100", {"download": 0.1, "upload": 0.004}),
        (Contract(download=Rate(12_500_000)), "-1", {"download": 0.1}),
    ],
)
def test_use_is_a_share_of_the_contract_else_of_the_port(
    tmp_path: Path, contract: Contract, speed: str, use: dict[str, float]
) -> None:
    machine = folder(tmp_path, "eth0", 1000, 5000, speed)
    link = made(Link(name="l", contract=contract), machine, "eth0")
    link._measure_use()
    assert not link._utilization
    folder(tmp_path, "eth0", 1000 + 12_500_000, 5000 + 500_000, speed)
    assert isinstance(machine.clock, TurnedClock)
    machine.clock.now += 10
    link._measure_use()
    assert link._utilization == pytest.approx(use)
    folder(tmp_path, "eth0", 5, 5, speed)  # counters that began anew
    machine.clock.now += 10
    link._measure_use()
    assert not link._utilization


async def test_golden_and_time_in_each_state(tmp_path: Path) -> None:
    """Half a minute up, ten seconds down, a suspend of an hour that nobody watched."""
    machine = folder(tmp_path, "eth0", 0, 0)
    clock = machine.clock
    assert isinstance(clock, TurnedClock)
    contract = Contract(download=Rate(12_500_000), upload=Rate(12_500_000))
    settings = Link(name="internet", carrier="vnpt", interface="eth0", beacons=("192.0.2.1", "192.0.2.2"), contract=contract)
    link = made(settings, machine, "eth0", "192.168.1.1")
    state = State(tmp_path / "counters.json")
    await link.start(lambda reading: (state.apply(reading, 25), None)[1])
    assert link._timer is not None
    link._timer.cancel()
    for second in range(40):
        clock.now += 1
        for member in link._members:
            member.stream.sent += 1
            member.stream.received += second < 30 or member.name == "gateway"
        link._round()
        link._timer.cancel()
    assert link._state == "down"
    clock.now += 3600
    link._round()
    link._timer.cancel()
    folder(tmp_path, "eth0", 1_250_000_000, 125_000_000)
    reading = await link.collect()
    assert reading.reason is Reason.UNREACHABLE
    assert "192.0.2.1, 192.0.2.2" in reading.detail
    state.apply(reading, 25)
    spent = {one.labels[1]: one.value for one in state.series() if one.metric is links.SECONDS}
    assert spent == {"up": pytest.approx(32), "down": pytest.approx(7), "unknown": pytest.approx(3601), "degraded": 0}
    compare("links", render(state.series()).decode())
    await link.stop()
    for session in link._context.sessions.values():
        await session.close()


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> float:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while not condition():
        assert loop.time() < begin + seconds, "waited in vain"
        await asyncio.sleep(0.02)
    return loop.time() - begin


class Flow:
    """Scheduler and state, as the agent puts them together."""

    def __init__(self, context: Context, file: Path | None = None) -> None:
        self.context = context
        self.state = State(file)
        self.updates: list[Update] = []
        self.scheduler = Scheduler(context.machine.clock, self.deliver, lambda _: None)

    def deliver(self, reading: Reading, valid: float) -> None:
        self.updates.append(self.state.apply(reading, valid))

    def value(self, metric: object, *labels: str) -> float | None:
        for one in self.state.series():
            if one.metric is metric and one.labels == labels:
                assert isinstance(one.value, float)
                return one.value
        return None

    async def close(self) -> None:
        await self.scheduler.stop()
        for session in self.context.sessions.values():
            await session.close()


@needs_namespaces
@pytest.mark.netlab
def test_one_of_two_uplinks_is_cut(tmp_path: Path) -> None:
    """Each uplink's probes leave by it; the cut one is down within 10 s and told urgently, the other one stays up."""

    async def story() -> None:
        allow_datagram()
        with Peer("eth0", 1) as first, Peer("eth1", 2) as second:
            for peer in (first, second):
                peer.sh("ip addr add 192.0.2.1/32 dev lo")
                peer.nft("icmp type echo-request ip daddr 192.0.2.1 counter")
            sh(f"ip route add default via {first.address}")
            sh(f"ip route add default via {second.address} metric 700")
            found = (
                Uplink(Link(name="a", interface="eth0", beacons=("192.0.2.1",)), "eth0", first.address),
                Uplink(Link(name="b", interface="eth1", beacons=("192.0.2.1",)), "eth1", second.address),
            )
            flow = Flow(Context(Machine(), Site(), Surroundings(), found), tmp_path / "counters.json")
            await flow.scheduler.replace(build(tuple(one.settings for one in found), flow.context))
            await until(lambda: flow.value(links.UP, "a") == flow.value(links.UP, "b") == 1.0)
            assert flow.value(links.GATEWAY_UP, "b") == 1.0
            second.sh("ip link set far2 down")
            taken = await until(lambda: flow.value(links.UP, "b") == 0.0)
            assert taken < 6
            assert next(one for one in reversed(flow.updates) if one.reading.target == "b").urgent
            assert flow.value(links.UP, "a") == 1.0
            assert flow.value(links.BEACON_UP, "b", "192.0.2.1") == 0.0
            second.sh("ip link set far2 up; ip route replace default dev lo")
            await until(lambda: flow.value(links.UP, "b") == 1.0)
            assert "packets 0" not in first.sh("nft list chain inet t c")
            assert "packets 0" not in second.sh("nft list chain inet t c")
            spent = {state: flow.value(links.SECONDS, "b", state) or 0.0 for state in links.STATES}
            assert spent["up"] > 0
            assert spent["down"] > 0
            await flow.close()
            flow.state.save()
            again = State(tmp_path / "counters.json")
            assert again._persisted["commune_link_seconds_total", ("b", "down")] >= spent["down"]

    isolated(story)


@needs_namespaces
@pytest.mark.netlab
def test_the_verdict_outlives_a_change_of_routes_and_an_interface_that_is_gone_is_down() -> None:
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            settings = (Link(name="a", interface="eth0"),)
            here = Context(Machine(), Site(), Surroundings(), (Uplink(settings[0], "eth0", peer.address),))
            flow = Flow(here)
            await flow.scheduler.replace(build(settings, here))
            await until(lambda: flow.value(links.UP, "a") == 1.0)
            sh("ip link delete eth0")
            gone = Context(Machine(), Site(), Surroundings(), (Uplink(settings[0], "eth0", None),), here.sessions)
            await flow.scheduler.replace(build(settings, gone))
            await until(lambda: flow.value(links.UP, "a") == 0.0, 5)
            assert flow.value(links.GATEWAY_UP, "a") == 0.0
            await flow.close()

    isolated(story)


@needs_namespaces
@pytest.mark.netlab
def test_once_has_a_verdict_and_adds_no_time() -> None:
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            dark = ping.PingTarget(name="dark", address="10.1.0.9", link="dark")
            found = (
                Uplink(Link(name="a", beacons=(peer.address6,)), "eth0", peer.address),
                Uplink(Link(name="b"), None, None),
                Uplink(Link(name="dark"), "eth0", "10.1.0.9"),
            )
            flow = Flow(Context(Machine(), Site(), Surroundings(), found))
            await flow.scheduler.once([*ping.build(ping.PingSettings(targets=(dark,)), flow.context), *build((), flow.context)])
            assert flow.value(links.UP, "dark") == 0.0
            assert flow.value(ping.SENT, "dark", "dark") == 3.0
            assert flow.value(links.UP, "a") == 1.0
            assert flow.value(links.UP, "b") is None  # nothing to judge by
            assert flow.value(links.LINK_INFO, "b", "internet", "") == 1.0
            assert flow.value(links.SECONDS, "a", "up") == 0.0
            await flow.close()

    isolated(story)


@needs_namespaces
@pytest.mark.netlab
def test_ping_and_links_probe_once() -> None:
    async def story() -> None:
        found = (Uplink(Link(name="a"), "lo", "127.0.0.1"),)
        flow = Flow(Context(Machine(), Site(role="sensor"), Surroundings(), found))
        both = [*ping.build(ping.PingSettings(), flow.context), *build((), flow.context)]
        await flow.scheduler.replace(both)
        await asyncio.sleep(0.2)
        assert len(flow.context.session(Pinger, Pinger)._probes) == 1
        await flow.close()

    isolated(story)
