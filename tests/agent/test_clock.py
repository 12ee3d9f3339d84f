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
from collectors.probe import sntp
from collectors.probe.sntp import Reference
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
    clock.trust_gateways()
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


def test_one_server_that_lies_is_outvoted_though_it_is_the_nearest() -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    base = hands.true() - hands.monotonic()
    clock.hear_servers([Reference(base + 2 * YEAR, 0.001), Reference(base + 0.03, 0.1), Reference(base - 0.02, 0.05)])
    assert clock.true() == pytest.approx(hands.true(), abs=0.1)


@pytest.mark.parametrize("known_by", ["date", "before"])
def test_of_two_servers_that_contradict_each_other_the_one_counts_that_fits_what_is_known(known_by: str) -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    base = hands.true() - hands.monotonic()
    if known_by == "date":
        clock.hear_date(http_date(hands.true()), hands.monotonic(), hands.monotonic())
    else:
        clock.set_base(base, "ntp")
    clock.hear_servers([Reference(base - 3600, 0.001), Reference(base, 0.05)])
    assert clock.true() == pytest.approx(hands.true(), abs=0.1)


@pytest.mark.parametrize("wrong", [-3600.0, 3 * YEAR])
def test_a_gateway_with_a_wrong_clock_does_not_stand_against_the_receiver(wrong: float) -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    base = hands.true() - hands.monotonic()
    assert not clock.hear_gateway(base + wrong)
    assert clock.base is None, "what was kept by it could not be corrected"
    clock.hear_date(http_date(hands.true()), hands.monotonic(), hands.monotonic())
    assert clock.source == "http"
    assert not clock.hear_gateway(base + wrong)
    assert clock.true() == pytest.approx(hands.true(), abs=0.6)
    assert clock.hear_gateway(base), "it was put right"
    assert clock.true() == hands.true()
    clock.trust_gateways()
    assert not clock.hear_gateway(base + wrong)


def test_a_gateway_counts_where_the_receiver_agrees_or_says_nothing() -> None:
    hands = Hands(1_700_000_000.0, offset=7200.0)
    for told in (http_date(hands.true()), None):
        clock = TrueClock(hands)
        clock.hear_gateway(hands.true() - hands.monotonic())
        found = Observations()
        clock.report(found)
        assert [one.labels for one in found.items] == [("gateway",)]
        assert found.items[0].value == pytest.approx(7200.0)
        clock.hear_date(told, hands.monotonic(), hands.monotonic())
        clock.trust_gateways()
        assert (clock.source, clock.true()) == ("gateway", hands.true())


def test_a_date_out_of_line_counts_only_when_it_is_repeated() -> None:
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)

    def hear(ahead: float) -> float:
        hands.advance(20)
        clock.hear_date(http_date(hands.true() + ahead), hands.monotonic(), hands.monotonic())
        return clock.true() - hands.true()

    assert abs(hear(0)) < 1
    assert abs(hear(3600)) < 1, "one of several servers behind one name, or a portal on the way"
    assert abs(hear(0)) < 1
    assert abs(hear(3600)) < 1
    assert hear(3600) == pytest.approx(3600, abs=1), "the receiver's clock was set"


def test_a_receiver_that_believes_it_is_1970_teaches_nothing() -> None:
    clock = TrueClock(Hands())
    clock.hear_date(http_date(100.0), 1.0, 1.1)
    assert clock.base is None


async def test_a_clock_under_correction_stays_right_within_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system slews by 500 ppm for a day, and with it the monotonic clock; servers are asked once an hour where nothing moves."""
    hands = Hands(1_700_000_000.0)
    clock = TrueClock(hands)
    waits, errors = [], []

    async def answer(*_: object) -> list[Reference]:
        return [Reference(hands.start - 1000.0 + 0.0005 * min(hands.passed, 86400.0), 0.02)]

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        hands.advance(seconds)
        errors.append(abs(hands.start - 1000.0 + 0.0005 * min(hands.passed, 86400.0) - (clock.base or 0.0)))
        if hands.passed > 2 * 86400:
            raise asyncio.CancelledError

    monkeypatch.setattr(sntp, "ask", answer)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await clocks.follow(clock, ["a", "b", "c"], tuple, 3600.0)
    assert max(errors) < 0.5
    assert waits[-5:] == [3600.0] * 5
    assert len(waits) < 2 * 86400 / 64 / 3


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
