"""The ping collector: what it aims at, what it says, and its life on real sockets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from agent.exposition import render
from agent.scheduler import Scheduler
from agent.state import State
from collectors import ping
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.ping import PingCollector, PingSettings, PingTarget, build
from collectors.probe.icmp import Pinger
from collectors.site import Context, InvalidError, Link, Route, Site, Surroundings, Uplink
from collectors.wire.units import Duration
from tests.collectors.golden import compare
from tests.namespaces import Peer, allow_datagram, isolated, needs_namespaces

ETH = Route(4, "eth0", "192.168.1.1", 100)
ETH6 = Route(6, "eth0", "fe80::1", 100)
LTE = Route(4, "wwan0", "10.64.0.1", 700)


def context(*routes: Route, uplinks: tuple[Uplink, ...] = (), role: str = "full") -> Context:
    return Context(Machine(), Site(role=role), Surroundings(routes), uplinks)  # type: ignore[arg-type]


def aims(settings: PingSettings, where: Context) -> list[tuple[str, str | None, str, str | None]]:
    found = [one for one in build(settings, where) if isinstance(one, PingCollector)]
    return [(one._aim.name, one._aim.host, one._aim.link, one._aim.interface) for one in found]


def up(link: Link, interface: str | None, gateway: str | None) -> Uplink:
    return Uplink(link, interface, gateway)


def test_nothing_configured_gateway_and_beacons() -> None:
    where = context(ETH, ETH6, uplinks=(up(Link(name="eth0"), "eth0", "192.168.1.1"),))
    assert aims(PingSettings(), where) == [
        ("gateway", "192.168.1.1", "eth0", "eth0"),
        ("gateway6", "fe80::1%eth0", "eth0", "eth0"),
        ("1.1.1.1", "1.1.1.1", "eth0", "eth0"),
        ("8.8.8.8", "8.8.8.8", "eth0", "eth0"),
    ]


def test_nothing_configured_and_ipv6_alone() -> None:
    where = context(ETH6, uplinks=(up(Link(name="eth0"), "eth0", "fe80::1%eth0"),))
    assert aims(PingSettings(), where) == [
        ("gateway", "fe80::1%eth0", "eth0", "eth0"),
        ("2606:4700:4700::1111", "2606:4700:4700::1111", "eth0", "eth0"),
        ("2001:4860:4860::8888", "2001:4860:4860::8888", "eth0", "eth0"),
    ]


def test_nothing_configured_several_uplinks() -> None:
    beacons = Link(name="tslcd", kind="tslcd", beacons=("10.0.0.10",))
    where = context(
        ETH,
        LTE,
        uplinks=(up(Link(name="eth0"), "eth0", "192.168.1.1"), up(Link(name="wwan0"), "wwan0", None), up(beacons, None, None)),
    )
    assert aims(PingSettings(), where) == [
        ("gateway-eth0", "192.168.1.1", "eth0", "eth0"),
        ("1.1.1.1-eth0", "1.1.1.1", "eth0", "eth0"),
        ("8.8.8.8-eth0", "8.8.8.8", "eth0", "eth0"),
        ("1.1.1.1-wwan0", "1.1.1.1", "wwan0", "wwan0"),
        ("8.8.8.8-wwan0", "8.8.8.8", "wwan0", "wwan0"),
        ("10.0.0.10-tslcd", "10.0.0.10", "tslcd", None),
    ]


def test_a_sensor_pings_its_gateway_alone_and_no_network_pings_nothing() -> None:
    where = context(ETH, uplinks=(up(Link(name="eth0"), "eth0", "192.168.1.1"),), role="sensor")
    assert aims(PingSettings(), where) == [("gateway", "192.168.1.1", "eth0", "eth0")]
    assert aims(PingSettings(), context()) == []


def test_auto_is_the_default_gateway_of_both_families() -> None:
    settings = PingSettings(targets=(PingTarget(name="gateway", address="auto"), PingTarget(name="hub", address="203.0.113.10")))
    assert aims(settings, context(LTE, ETH, ETH6)) == [
        ("gateway", "192.168.1.1", "", None),
        ("gateway6", "fe80::1%eth0", "", None),
        ("hub", "203.0.113.10", "", None),
    ]
    assert aims(settings, context(ETH6)) == [("gateway", "fe80::1%eth0", "", None), ("hub", "203.0.113.10", "", None)]


def test_a_target_of_a_link_leaves_by_it() -> None:
    settings = PingSettings(
        targets=(PingTarget(name="a", address="auto", link="lte"), PingTarget(name="b", address="b.vn", link="lte"))
    )
    where = context(ETH, LTE, uplinks=(up(Link(name="lte"), "wwan0", "10.64.0.1"),))
    assert aims(settings, where) == [("a", "10.64.0.1", "lte", "wwan0"), ("b", "b.vn", "lte", "wwan0")]


def test_identity_changes_with_the_gateway_only() -> None:
    settings = PingSettings(targets=(PingTarget(name="gateway", address="auto"), PingTarget(name="hub", address="203.0.113.10")))
    before, same, after = (build(settings, context(route)) for route in (ETH, ETH, LTE))
    assert [one.identity for one in before] == [one.identity for one in same]
    assert before[0].identity != after[0].identity
    assert before[1].identity == after[1].identity


def test_labels_of_its_own_are_refused() -> None:
    with pytest.raises(InvalidError, match="address is taken by commune_ping_target_info"):
        PingTarget(name="a", address="b", labels={"address": "x"})
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"name": "a", "address": "b", "labels": {"no-hyphens": "x"}}, PingTarget)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("interval", 0, "is too short; write 100ms or more"),
        ("interval", 0.05, "50ms is too short"),
        ("timeout", 0, "no time to wait"),
        ("timeout", 61, "write up to 1m"),
    ],
)
def test_times_that_cannot_be(key: str, value: float, message: str) -> None:
    with pytest.raises(InvalidError, match=message) as caught:
        PingSettings(**{key: Duration(value)})  # type: ignore[arg-type]
    assert caught.value.key == key


async def test_no_gateway_is_down_and_says_why() -> None:
    (collector, _) = build(PingSettings(targets=(PingTarget(name="gateway", address="auto"),)), context())
    await collector.start(lambda _: None)
    reading = await collector.collect()
    assert [(one.metric, one.value) for one in reading.observations] == [(ping.UP, 0.0)]
    assert reading.reason is Reason.NO_ADDRESS
    assert not reading.reason.is_failure
    await collector.stop()


async def test_golden() -> None:
    """Two targets, one of them dark, with clocks that the test turns."""
    second, wall, now = 10**9, 1_700_000_000 * 10**9, 100 * 10**9
    where = context(uplinks=(up(Link(name="internet"), None, None),))
    pinger = where.session(Pinger, lambda: Pinger(monotonic=lambda: now))
    settings = PingSettings(
        interval=Duration(1000),
        targets=(
            PingTarget(name="hub", address="203.0.113.10", link="internet", labels={"owner": "province"}),
            PingTarget(name="dark", address="2001:db8::1"),
        ),
    )
    state = State()
    for collector in build(settings, where):
        await collector.start(lambda _: None)
    hub, dark = (probe.stream for probe in pinger._probes.values())
    for moment in range(60):
        for stream in (hub, dark):
            number = stream.next
            stream.sending(wall + moment * second, moment * second)
            if stream is hub and moment % 20:
                rtt = (20 + moment % 3) * 1_000_000
                stream.answered(number, wall + moment * second + rtt, wall + moment * second + rtt, moment * second + rtt)
    hub.count("late")
    dark.failed(dark.next - 1, "host_unreachable")
    for collector in build(settings, where):
        await collector.start(lambda _: None)
        reading = await collector.collect()
        assert (reading.reason is Reason.TIMEOUT) == (collector.target == "dark")
        state.apply(reading, 25)
    compare("ping", render(state.series()).decode())
    await pinger.close()


@needs_namespaces
@pytest.mark.netlab
def test_a_life_under_the_scheduler() -> None:
    """Start, an urgent word when the cable is cut, withdrawal of what is no longer measured, and the end."""
    said: list[tuple[Reading, float]] = []

    def values(metric: object) -> list[object]:
        return [one.value for reading, _ in said for one in reading.observations if one.metric is metric]

    async def until(condition: Callable[[], bool], seconds: float = 8.0) -> None:
        for _ in range(int(seconds * 50)):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("waited in vain")

    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            where = context(uplinks=(up(Link(name="l"), "eth0", peer.address),))
            settings = PingSettings(
                interval=Duration(0.1), timeout=Duration(0.5), targets=(PingTarget(name="peer", address=peer.address, link="l"),)
            )
            scheduler = Scheduler(where.machine.clock, lambda reading, valid: said.append((reading, valid)), lambda _: None)
            await scheduler.replace(build(settings, where))
            await until(lambda: values(ping.UP) == [1.0])
            peer.sh("ip link set far1 down")
            await until(lambda: values(ping.UP)[-1] == 0.0)
            assert said[-1][0].reason in (Reason.TIMEOUT, Reason.UNREACHABLE)
            peer.sh("ip link set far1 up")
            await until(lambda: values(ping.UP)[-1] == 1.0)
            await scheduler.stop()
            pinger = where.session(Pinger, Pinger)
            assert not pinger._probes
            await pinger.close()

    isolated(story)


@needs_namespaces
@pytest.mark.netlab
def test_once_waits_for_three_probes() -> None:
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            where = context()
            addresses = {"a": peer.address, "b": peer.address6, "dark": "10.1.0.9"}
            settings = PingSettings(targets=tuple(PingTarget(name=name, address=address) for name, address in addresses.items()))
            state = State()
            scheduler = Scheduler(
                where.machine.clock, lambda reading, valid: (state.apply(reading, valid), None)[1], lambda _: None
            )
            await scheduler.once(build(settings, where))
            series = {(one.metric, *one.labels[:1]): one.value for one in state.series()}
            for target in "ab":
                assert series[ping.SENT, target] == series[ping.RECEIVED, target] == 3.0
                assert series[ping.UP, target] == 1.0
                mos = series[ping.MOS, target]
                assert isinstance(mos, float)
                assert mos > 2  # the first round trip holds the address resolution
            assert (series[ping.SENT, "dark"], series[ping.RECEIVED, "dark"], series[ping.UP, "dark"]) == (3.0, 0.0, 0.0)
            await where.session(Pinger, Pinger).close()

    isolated(story)


def test_declaring_the_kind_loads_no_engine() -> None:
    code = "import sys, collectors; sys.exit('collectors.probe.icmp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2]).returncode == 0
