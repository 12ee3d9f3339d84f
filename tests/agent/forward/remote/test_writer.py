"""Remote write against the strict receiver and against real servers."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import pytest
from aiohttp import web

from agent.forward.intake import WAITS
from agent.forward.remote import client, writer
from agent.forward.remote.writer import RemoteWriter
from agent.forward.samples import Description, Row
from agent.forward.store import Store
from collectors.wire.units import Duration
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import prometheus
from tests.receivers.strict import STALE_BITS, Strict, bits, strict, until


async def test_samples_reach_a_strict_receiver(tmp_path: Path) -> None:
    async with strict() as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True))
        await site.start()
        site.read()
        site.heartbeat()
        await until(lambda: len(receiver.samples) == 3 * 8 + 1, 8)
        await site.stop()
    assert receiver.complaints == []
    values = receiver.series("commune_test_up", target="t0", job="commune-agent", commune="24781", ring="3", instance="counter-1")
    assert [value for _, value in values[:-1]] == [1.0] * (len(values) - 1)
    assert bits(values[-1][1]) == STALE_BITS


async def test_samples_reach_prometheus(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    async with prometheus() as server:
        site = SiteUnderTest(tmp_path, server.url, hands)
        await site.start()
        site.read()
        writer = site.forward._push.writer  # type: ignore[union-attr]
        assert writer is not None
        await until(lambda: writer.counts.accepted >= 24, 8)
        found = await asyncio.to_thread(server.query, 'commune_test_up{job="commune-agent",site="main"}', hands.true())
        assert len(found) == 3
        await site.stop()
        await asyncio.sleep(0.01)
        assert await asyncio.to_thread(server.query, "commune_test_up", hands.true() + 1) == []


async def _pushed(site: SiteUnderTest) -> RemoteWriter:
    push = site.forward._push
    assert push is not None
    assert push.writer is not None
    return push.writer


def _now(site: SiteUnderTest, lane: int = WAITS) -> None:
    """Send now what waits."""
    push = site.forward._push
    assert push is not None
    assert push.writer is not None
    push.writer.wake(lane)


async def test_urgent_changes_go_at_once_and_nothing_else(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    async with strict() as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        site.read()
        await until(lambda: receiver.count >= 24, 8)
        (await _pushed(site))._due.batch = float("inf")
        before = receiver.count
        hands.advance(15)
        site.read()
        await asyncio.sleep(0.3)
        assert receiver.count == before, "values that can wait, wait"
        hands.advance(15)
        begin = asyncio.get_running_loop().time()
        site.read(up=0.0)
        await until(lambda: receiver.count > before, 1)
        assert asyncio.get_running_loop().time() - begin < 1
        await asyncio.sleep(0.2)
        assert receiver.count == before + 3, "only the three that changed"
        hands.advance(5)
        site.heartbeat()
        await until(lambda: receiver.count > before + 3, 1)
        await asyncio.sleep(0.2)
        assert receiver.count == before + 4
        await site.stop()
    assert receiver.complaints == []


async def test_slow_values_are_repeated_while_they_are_valid_and_end_with_a_marker(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    async with strict() as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        site.read(1)
        push = site.forward._push
        assert push is not None
        for _ in range(3):
            hands.advance(121)
            push.intake.repeat()
        for update in site.state.expire(hands.monotonic()):
            site.forward.take(update)
        _now(site)
        await until(lambda: receiver.count >= 8 * 5, 8)
        await site.stop()
    samples = sorted(receiver.series("commune_test_celsius", target="t0"))
    gaps = [(b[0] - a[0]) / 1000 for a, b in itertools.pairwise(samples[:4])]
    assert all(120 < gap < 125 for gap in gaps), gaps
    assert {value for _, value in samples[:4]} == {20.0}
    assert bits(samples[4][1]) == STALE_BITS
    assert len(samples) == 5


async def test_a_series_that_vanishes_gets_its_marker_at_once_when_it_is_urgent(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    async with strict() as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        site.read(1)
        await until(lambda: receiver.count >= 8, 8)
        (await _pushed(site))._due.batch = float("inf")
        update = site.state.remove(("test", "t0"))
        assert update is not None
        site.forward.take(update)
        await until(lambda: bits(receiver.series("commune_test_up")[-1][1]) == STALE_BITS, 2)
        await site.stop()
    markers = [samples for samples in receiver.samples.values() if bits(samples[-1][1]) == STALE_BITS]
    assert len(markers) == len(receiver.samples) == 8


async def test_a_bad_sample_costs_itself_only(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    receiver = Strict(speaks=("1.0",))
    async with strict(receiver):
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        writer = await _pushed(site)
        site.read()
        await until(lambda: receiver.count >= 24, 8)
        receiver.refuse = lambda labels, *_: (
            "label limit" if dict(labels).get("target") == "t1" and dict(labels)["__name__"].endswith("up") else None
        )
        hands.advance(61)
        site.read()
        _now(site)
        await until(lambda: writer.counts.accepted + writer.counts.rejected >= 48, 8)
        assert (writer.counts.accepted, writer.counts.rejected) == (47, 1)
        await until(lambda: site.forward.spool is not None and writer._due.lane is None)
        gaps = site.forward.ledger.gaps()
        assert [gap.reason for gap in gaps] == ["refused"]
        await site.stop()


async def test_partial_writes_of_2_0_are_counted(tmp_path: Path) -> None:
    hands = Hands(runs=True)
    receiver = Strict(refuse=lambda labels, *_: "no" if dict(labels).get("le") == "+Inf" else None)
    async with strict(receiver):
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        site.read()
        writer = await _pushed(site)
        await until(lambda: writer.counts.accepted > 0, 8)
        assert (writer.counts.accepted, writer.counts.rejected, writer.counts.retries) == (21, 3, 0)
        assert len(receiver.requests) == 1
        await site.stop()


async def test_retry_after_is_kept_and_nothing_is_lost(tmp_path: Path) -> None:
    moments: list[float] = []
    loop = asyncio.get_running_loop()

    async def busy(request: web.Request) -> web.Response | None:
        moments.append(loop.time())
        return web.Response(status=429, headers={"Retry-After": "2"}) if len(moments) == 1 else None

    async with strict(Strict(fault=busy)) as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True))
        await site.start()
        site.read()
        await until(lambda: receiver.count >= 24, 10)
        assert moments[1] - moments[0] >= 2
        assert (await _pushed(site)).counts.retries == 1
        await site.stop()


@pytest.mark.parametrize("status", [400, 401, 404, 413])
async def test_a_receiver_that_refuses_everything_is_not_stormed(tmp_path: Path, status: int) -> None:
    requests = []

    async def never(request: web.Request) -> web.Response:
        requests.append(request.method)
        return web.Response(status=status)

    async with strict(Strict(fault=never)) as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True))
        await site.start()
        site.read()
        await asyncio.sleep(8)
        assert 1 <= len(requests) <= 2
        spool = site.forward.spool
        assert spool is not None
        assert (await spool.maintain(site.hands.true())).samples == 24
        await site.stop()


async def test_waiting_grows_while_nobody_answers(tmp_path: Path) -> None:
    moments: list[float] = []
    loop = asyncio.get_running_loop()

    async def broken(request: web.Request) -> web.Response:
        moments.append(loop.time())
        return web.Response(status=503)

    async with strict(Strict(fault=broken)) as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True))
        await site.start()
        site.read()
        await until(lambda: len(moments) >= 5, 20)
        await site.stop()
    waits = [after - before for before, after in itertools.pairwise(moments[:5])]
    assert all(later > 1.5 * earlier for earlier, later in itertools.pairwise(waits)), waits


async def test_a_mistake_of_its_own_does_not_end_the_sending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with strict() as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True))
        await site.start()
        writer, mistakes = await _pushed(site), [ZeroDivisionError("once")]
        step = writer._step

        async def stumble() -> bool:
            if mistakes:
                raise mistakes.pop()
            return await step()

        monkeypatch.setattr(writer, "_step", stumble)
        site.read()
        _now(site)
        await until(lambda: receiver.count >= 24, 8)
        await site.stop()
    assert "sending failed" in caplog.text


async def test_live_data_goes_before_the_backlog(tmp_path: Path) -> None:
    hands = Hands(time.time() - 7200)
    async with strict() as receiver:
        url, receiver.fault = receiver.url, _down
        site = SiteUnderTest(tmp_path, url, hands, configured=settings(url, tmp_path, backlog_samples_per_second=2000))
        await site.start()
        for _ in range(118):
            site.read()
            hands.advance(61)
        spool = site.forward.spool
        assert spool is not None
        await spool.maintain(hands.true())
        hands.runs = True
        receiver.fault = None
        begin = asyncio.get_running_loop().time()
        _now(site)
        await until(lambda: receiver.count >= 24 * 118, 20)
        await site.stop()
    times = [moment for moment, _ in receiver.series("commune_test_up", target="t0")]
    turn = next(index for index, (before, after) in enumerate(itertools.pairwise(times)) if after < before) + 1
    newest = max(times[:-2])
    assert newest in times[:turn], "the newest came first"
    assert newest - times[0] <= 240_000
    assert times[turn] == min(times), "then the backlog, the oldest first"
    assert times[turn:-2] == sorted(times[turn:-2])
    assert len(set(times)) == len(times)
    # A fifth may have gone at once: the allowance of the first moment, and what is still live.
    assert asyncio.get_running_loop().time() - begin > 0.8 * 24 * 100 / 2000


async def _down(request: web.Request) -> web.Response:
    return web.Response(status=503)


@pytest.mark.parametrize("ahead", [0.0, 3 * 365 * 86400.0], ids=["right", "years ahead"])
async def test_prometheus_without_a_window_is_noticed_and_then_gets_everything_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, ahead: float
) -> None:
    hands = Hands(time.time() - 3000)
    async with prometheus(out_of_order=None) as server:
        site = SiteUnderTest(tmp_path, server.url, hands)
        await site.start()
        writer = await _pushed(site)
        for _ in range(29):
            site.read()
            hands.advance(61)
        hands.advance(61)
        site.read()
        spool = site.forward.spool
        assert spool is not None
        await spool.maintain(hands.true())
        _now(site)
        async with asyncio.timeout(30):
            while (await spool.maintain(hands.true())).samples:  # noqa: ASYNC110  the spool tells nobody
                await asyncio.sleep(0.1)
        assert "out_of_order_time_window" in caplog.text
        assert writer._strict
        assert writer.counts.accepted + writer.counts.rejected == 24 * 30
        assert writer.counts.rejected > 0
        assert [gap.reason for gap in site.forward.ledger.gaps()] == ["refused"]
        # The next outage loses nothing: the receiver's ways are remembered, also over a restart with the computer's clock set wrong.
        await site.stop()
        hands.runs, hands.offset = False, ahead
        again = SiteUnderTest(tmp_path, server.url, hands, known=False)
        for _ in range(15):
            hands.advance(61)
            if again.forward._push is None:
                await again.start()
                await asyncio.sleep(0.2)
                again.forward.clock.set_base(hands.true() - hands.monotonic(), "ntp")
            again.read()
        _now(again)
        second = await _pushed(again)
        await until(lambda: second.counts.accepted + second.counts.rejected >= 24 * 15, 15)
        assert second.counts.rejected == 0
        await again.stop()


async def test_samples_beyond_the_window_are_refused_and_the_rest_arrives(tmp_path: Path) -> None:
    hands = Hands(time.time() - 3 * 3600)
    async with prometheus(out_of_order="1h") as server:
        (tmp_path / "live").mkdir()
        early = SiteUnderTest(tmp_path / "live", server.url, Hands(runs=True))
        await early.start()
        early.read(1)
        await until(lambda: early.forward._push.writer.counts.accepted >= 8, 10)  # type: ignore[union-attr]
        (tmp_path / "late").mkdir()
        late = SiteUnderTest(tmp_path / "late", server.url, hands)
        await late.start()
        for _ in range(176):
            late.read()
            hands.advance(61)
        hands.advance(time.time() - hands.true())
        hands.runs = True
        spool = late.forward.spool
        assert spool is not None
        await spool.maintain(hands.true())
        _now(late)
        async with asyncio.timeout(40):
            while (await spool.maintain(hands.true())).samples:  # noqa: ASYNC110  the spool tells nobody
                await asyncio.sleep(0.1)
        counts = (await _pushed(late)).counts
        assert 176 - 61 <= counts.rejected / 24 <= 176 - 57, "all but an hour of one sample a minute"
        assert counts.accepted / 24 >= 176 - counts.rejected / 24
        await late.stop()
        await early.stop()


def _a_block(directory: Path, hands: Hands) -> None:
    """Leave a block of 160 samples of 50 series from yesterday in the spool."""
    series = [Description((("__name__", "old"), ("n", str(number))), "gauge", "old", "An old one.") for number in range(50)]
    store = Store(directory / "spool.db")
    begin = round((hands.true() - 86400) * 1000)
    for minute in range(160):
        values = [(one, float(number * minute * 7919 % 10007)) for number, one in enumerate(series)]
        store.append([Row(0, None, begin + minute * 60_000, values)])
    assert store.compact(2**62)
    store.close()


async def test_a_backlog_passes_a_line_too_thin_for_its_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request of more than 6 KB is not through before the timeout; live data comes between the pieces of a block."""
    monkeypatch.setattr(client, "SLOW", 0.1)
    monkeypatch.setattr(writer, "BACKOFF_MAX", 0.1)
    hands = Hands(runs=True)
    _a_block(tmp_path, hands)

    async def thin(request: web.Request) -> web.StreamResponse | None:
        through = (request.content_length or 0) < 6000
        await asyncio.sleep(0.2 if through else 3.0)
        return None if through else web.Response(status=503)

    async with strict(Strict(fault=thin)) as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, hands, configured=settings(receiver.url, tmp_path, timeout=Duration(1.0)))
        await site.start()
        waited = asyncio.get_running_loop().time()
        while receiver.count < 50 * 160 and asyncio.get_running_loop().time() < waited + 60:
            site.heartbeat()
            await asyncio.sleep(0.3)
        beats = [moment for moment, _ in receiver.series("commune_agent_heartbeat_timestamp_seconds")]
        await site.stop()
    assert all(len(receiver.series("old", n=str(number))) == 160 for number in range(50))
    assert len(beats) > 3
    assert max(after - before for before, after in itertools.pairwise(beats)) < 6000
    assert receiver.complaints == []


async def test_a_block_in_pieces_is_counted_once_where_the_receiver_takes_nothing_late(tmp_path: Path) -> None:
    """The first piece tells that everything must go in order from now on; the others have the same fate."""
    hands = Hands(runs=True)
    _a_block(tmp_path, hands)
    now = hands.true() * 1000
    receiver_says = Strict(refuse=lambda _, time, __: "out of order sample" if time < now - 60_000 else None)
    async with strict(receiver_says) as receiver:
        site = SiteUnderTest(tmp_path, receiver.url, hands)
        await site.start()
        sender = await _pushed(site)
        sender._client.chunk = 500
        site.read()
        await until(lambda: sender.counts.accepted >= 24 and sender.counts.rejected >= 8000, 15)
        await asyncio.sleep(0.5)
        assert sender._strict
        assert sender.counts.rejected == 8000
        assert (await site.forward.spool.maintain(hands.true())).samples == 0  # type: ignore[union-attr]
        await site.stop()
