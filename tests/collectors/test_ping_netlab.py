"""Loss, delay and jitter as the laboratory makes them, measured over IPv4 and IPv6 while something burns the processor."""

from __future__ import annotations

import asyncio
import math
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from collectors.probe.icmp import Pinger
from collectors.probe.icmp_stream import Window
from tests import netlab
from tests.netlab import End, Lab, Link, Node, round_trips

REASON = netlab.available()
pytestmark = [
    pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}"),
    pytest.mark.netlab,
]
BOTH = pytest.mark.parametrize("datagram", [True, False], ids=["datagram", "raw"])
ADDRESSES = ("10.9.0.2", "2001:db8:9::2")
PROBES = 100


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node, Link]]:
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        ends = (End(a, addresses=("10.9.0.1/24", "2001:db8:9::1/64")), End(b, addresses=("10.9.0.2/24", "2001:db8:9::2/64")))
        yield a, b, lab.link(*ends)


@asynccontextmanager
async def burning() -> AsyncIterator[None]:
    """Another collector that holds the event loop for 20 ms of every 25."""

    async def burn() -> None:
        while True:
            end = time.perf_counter() + 0.020
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0.005)

    task = asyncio.get_running_loop().create_task(burn())
    try:
        yield
    finally:
        task.cancel()


def at(node: Node, story: Callable[[], Coroutine[Any, Any, list[Window]]]) -> list[Window]:
    """Run a story on the node's network, in an event loop of its own."""
    return node.entered_thread(lambda: asyncio.run(story()))


async def measured(datagram: bool, **settings: float) -> list[Window]:  # noqa: FBT001
    """Both address families at the same time, under load."""
    pinger = Pinger(datagram=datagram)
    await asyncio.gather(*(pinger.ping(address, 2) for address in ADDRESSES))  # neighbours are known afterwards
    async with burning():
        bursts = await asyncio.gather(
            *(pinger.ping(address, PROBES, interval=0.05, timeout=settings.get("timeout", 1.0)) for address in ADDRESSES)
        )
    await pinger.close()
    assert [burst.errors for burst in bursts] == [{}, {}]
    return [burst.window for burst in bursts]


@BOTH
def test_delay_and_jitter(pair: tuple[Node, Node, Link], datagram: bool) -> None:  # noqa: FBT001
    """Uniform +-5 ms around 40 ms in one direction; two such delays differ by a third of the whole width on the average."""
    a, b, line = pair
    with line.delay(0.040, 0.005, toward=b, seed=1), a.capture("eth0") as capture:
        windows = at(a, lambda: measured(datagram))
    wire = statistics.median(round_trips(capture.frames).values())
    for window in windows:
        assert window.loss == 0
        error = 0.005 / math.sqrt(3) / math.sqrt(PROBES)
        assert window.rtt == pytest.approx(0.040, abs=4 * error + 0.001)
        assert statistics.median(window.rtts) == pytest.approx(wire, abs=4 * error + 0.0005)
        assert window.jitter == pytest.approx(0.010 / 3, rel=0.35)


@BOTH
def test_loss(pair: tuple[Node, Node, Link], datagram: bool) -> None:  # noqa: FBT001
    a, b, line = pair
    with line.loss(0.20, toward=b) as fault:
        windows = at(a, lambda: measured(datagram, timeout=0.5))
        lost = sum(window.sent - window.received for window in windows)
        assert 0 <= fault.dropped - lost <= 4  # the four pings before may have lost some as well
    for window in windows:
        assert window.sent == PROBES
        assert window.loss == pytest.approx(0.20, abs=4 * math.sqrt(0.2 * 0.8 / PROBES))


@BOTH
def test_round_trips_are_those_of_a_capture(pair: tuple[Node, Node, Link], datagram: bool) -> None:  # noqa: FBT001
    """Median and 99th percentile against the kernel's timestamps of the frames."""
    a, _, _ = pair
    with a.capture("eth0") as capture:
        windows = at(a, lambda: measured(datagram))
    there = sorted(round_trips(capture.frames).values())
    ours = sorted(rtt for window in windows for rtt in window.rtts)
    assert len(ours) == 2 * PROBES
    assert statistics.median(ours) == pytest.approx(statistics.median(there), abs=0.0003)
    assert statistics.quantiles(ours, n=100)[98] < statistics.quantiles(there, n=100)[98] + 0.003


@BOTH
def test_corrupt_and_duplicate_replies(pair: tuple[Node, Node, Link], datagram: bool) -> None:  # noqa: FBT001
    a, _, line = pair

    async def story() -> list[Window]:
        pinger = Pinger(datagram=datagram)
        await pinger.ping(ADDRESSES[0], 2)
        with line.duplicate(1.0, toward=a, match="meta protocol ip"):
            burst = await pinger.ping(ADDRESSES[0], 30, interval=0.02)
            assert burst.window.received == 30
            assert 28 <= burst.errors["duplicate"] <= 30
        with line.corrupt(1.0, toward=a, match="meta protocol ip"):
            burst = await pinger.ping(ADDRESSES[0], 30, interval=0.02, timeout=0.3)
            assert burst.window.received == 0
        await pinger.close()
        return []

    at(a, story)


@BOTH
def test_late_replies_are_counted_as_late_and_never_received(pair: tuple[Node, Node, Link], datagram: bool) -> None:  # noqa: FBT001
    a, b, line = pair

    async def story() -> list[Window]:
        pinger = Pinger(datagram=datagram)
        with line.delay(0.25, toward=b):
            stream = pinger.watch(ADDRESSES[0], interval=0.05, timeout=0.1)
            await asyncio.sleep(2)
            assert stream.received == 0
            assert stream.up is False
            assert stream.errors["late"] > 10
            assert stream.recent(1, pinger.now).loss == 1.0
        await pinger.close()
        return []

    at(a, story)
