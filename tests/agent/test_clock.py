"""True time: a clock that is years off, jumps, or is not known for a while; and the samples that come of it."""

from __future__ import annotations

import asyncio
import email.utils
from pathlib import Path

import pytest
from aiohttp import web

from agent import clock as clocks
from agent.clock import TrueClock
from collectors.model import Observations
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import free_port
from tests.receivers.strict import Strict, strict, until
from tests.receivers.time_server import time_server

YEAR = 365.25 * 86400


def http_date(moment: float) -> str:
    return email.utils.formatdate(int(moment), usegmt=True)


def test_without_a_reference_the_wall_clock_stands_in() -> None:
    hands = Hands(1_700_000_000.0, offset=7.0)
    clock = TrueClock(hands)
    assert clock.true() == 1_700_000_007.0
    assert clock.base is None
    found = Observations()
    clock.report(found)
    assert found.items == []


@pytest.mark.parametrize("offset", [3 * YEAR, -3 * YEAR, 7200.0, 0.2])
def test_a_reference_corrects_the_past_too(offset: float) -> None:
    hands = Hands(1_700_000_000.0, offset=offset)
    clock = TrueClock(hands)
    early = clock.monotonic()
    hands.advance(600)
    clock.set_base(hands.true() - hands.monotonic(), "ntp")
    assert clock.true_at(early) == pytest.approx(1_700_000_000.0)
    found = Observations()
    clock.report(found)
    assert found.items[0].labels == ("ntp",)
    assert found.items[0].value == pytest.approx(offset)


def test_a_jump_of_the_wall_clock_changes_nothing_but_its_offset() -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    clock.set_base(hands.true() - hands.monotonic(), "ntp")
    for jump in (7200.0, -7200.0):
        hands.offset = jump
        hands.advance(30)
        assert clock.true() == pytest.approx(hands.true())


def test_dates_narrow_the_base_down() -> None:
    hands = Hands(1_700_000_000.4, offset=-3 * YEAR)
    clock = TrueClock(hands)
    errors = []
    for _ in range(20):
        sent = hands.monotonic()
        hands.advance(0.05)
        clock.hear_date(http_date(hands.true()), sent, hands.monotonic())
        errors.append(abs(clock.true() - hands.true()))
        hands.advance(20.07)
    assert max(errors) < 0.6
    assert errors[-1] < 0.3
    assert clock.source == "http"


def test_a_time_server_counts_more_than_a_date_for_hours() -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    clock.set_base(hands.true() - hands.monotonic(), "ntp")
    clock.hear_date(http_date(hands.true() + 900), hands.monotonic(), hands.monotonic())
    assert clock.true() == pytest.approx(hands.true())
    hands.advance(5 * 3600)
    clock.hear_date(http_date(hands.true() + 900), hands.monotonic(), hands.monotonic())
    assert clock.source == "http"


@pytest.mark.parametrize("text", [None, "", "yesterday", "Sun, 99 Nov 2026 06:03:16 GMT"])
def test_no_date_teaches_nothing(text: str | None) -> None:
    clock = TrueClock(Hands())
    clock.hear_date(text, 1.0, 2.0)
    assert clock.base is None


async def test_servers_are_asked_first_and_gateways_when_they_keep_silent() -> None:
    hands = Hands(offset=3 * YEAR, runs=True)
    clock = TrueClock(hands)
    async with time_server(hands.true) as gateway:
        task = asyncio.create_task(clocks.follow(clock, [f"127.0.0.1:{free_port()}"], lambda: [gateway], 3600.0))  # noqa: TID251
        await until(lambda: clock.base is not None, 8)
        assert clock.source == "gateway"
        assert clock.true() == pytest.approx(hands.true(), abs=0.05)
        task.cancel()


@pytest.mark.parametrize("offset", [3 * YEAR, -3 * YEAR], ids=["+3 years", "-3 years"])
@pytest.mark.parametrize("source", ["ntp", "http"])
async def test_samples_of_a_pc_whose_clock_is_years_off_arrive_at_the_right_time(
    tmp_path: Path, offset: float, source: str
) -> None:
    """The clock is unknown for ten minutes, with readings all the while, and jumps by two hours to and fro afterwards."""
    hands = Hands(offset=offset)
    hands.start -= 1300
    taken: list[float] = []
    known = False
    async with time_server(lambda: hands.true() if known else None) as server, strict(Strict()) as receiver:
        receiver.date = lambda: http_date(hands.true())
        url, receiver.fault = receiver.url, _unreachable
        configured = settings(url, tmp_path, servers=(server,) if source == "ntp" else ())
        site = SiteUnderTest(tmp_path, url, hands, known=False, configured=configured)
        await site.start()
        for count in range(20):
            if count == 10:
                known = True
                receiver.fault = None if source == "http" else _unreachable
                await until(lambda: site.forward.clock.base is not None, 20)
                receiver.fault = None
            taken.append(hands.true())
            site.read(1)
            hands.advance(65)
            hands.offset = offset + (7200 if count % 2 else -7200)
            site.heartbeat()
            await asyncio.sleep(0.02)
        assert site.forward.clock.source == source
        site.forward._push.writer.wake(0)  # type: ignore[union-attr]
        await until(lambda: len(receiver.samples) >= 9 and len(receiver.series("commune_test_up")) >= 20, 20)
        times = sorted(moment for moment, _ in receiver.series("commune_test_up"))
        await site.stop()
    assert all(min(abs(moment / 1000 - true) for moment in times) < 1 for true in taken)
    assert not [moment for moment in times if abs(moment / 1000 - hands.true()) > 1400]
    assert receiver.complaints == []


async def _unreachable(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503, headers={"Date": ""})


async def test_readings_of_an_unknown_time_wait_over_a_restart_of_the_agent(tmp_path: Path) -> None:
    hands = Hands(offset=-3 * YEAR)
    url = f"http://127.0.0.1:{free_port()}/"
    first = SiteUnderTest(tmp_path, url, hands, known=False)
    await first.start()
    first.read(1)
    early = hands.true()
    await first.stop()
    hands.advance(100)
    second = SiteUnderTest(tmp_path, url, hands, known=False)
    await second.start()
    assert second.forward.spool is not None
    assert await second.forward.spool.fetch(limit=100) is None
    second.forward.clock.set_base(hands.true() - hands.monotonic(), "ntp")
    await asyncio.sleep(0.05)
    parcel = await second.forward.spool.fetch(limit=1)
    assert parcel is not None
    assert min(times[0] for times, _ in parcel.batch.columns.values()) == pytest.approx(early * 1000, abs=2)
    await second.stop()


def test_boots_are_told_apart() -> None:
    from collectors.machine import Machine

    assert clocks.boot_id(Machine()) == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    nowhere = Machine(root=Path("/nonexistent"), clock=Hands(1_700_000_000.0))
    assert clocks.boot_id(nowhere).startswith("boot-")
