"""Trust on a computer whose clock is wrong: certificates are judged by true time, and nothing secret goes before it is known."""

from __future__ import annotations

import datetime
import email.utils
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from agent.clock import TrueClock
from agent.forward.tls import client_context, judge_of_dates
from agent.settings import BasicAuth, TlsClient
from collectors.probe import tls
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.strict import Strict, until

YEAR = 365.25 * 86400
DAY = datetime.timedelta(days=1)


def test_the_computers_clock_judges_while_it_is_right() -> None:
    hands = Hands()
    clock = TrueClock(hands)
    assert judge_of_dates(clock) is None, "and while nobody knows better"
    asking = judge_of_dates(clock, to_learn=True)
    assert asking is not None
    assert asking() is None
    clock.set_base(hands.true() - hands.monotonic(), "ntp")
    assert judge_of_dates(clock, to_learn=True) is None
    hands.offset = -3 * YEAR
    judge = judge_of_dates(clock)
    assert judge is not None
    assert judge() == pytest.approx(hands.true())
    assert client_context(TlsClient(), Path).verify_flags & 0x200000 == 0


def test_the_systems_trust_store_is_held_once_and_by_the_computers_clock() -> None:
    dated = client_context(TlsClient(), Path, lambda: None)
    assert dated.verify_flags & 0x200000
    shared = client_context(TlsClient(), Path)
    assert shared is client_context(TlsClient(), Path) is tls.verifying(None)
    assert shared.verify_mode is ssl.CERT_REQUIRED
    assert shared.check_hostname
    assert shared.verify_flags & 0x200000 == 0
    assert shared.sslobject_class is not dated.sslobject_class


@asynccontextmanager
async def province(folder: Path, receiver: Strict, valid_around: float) -> AsyncIterator[str]:
    """A strict receiver behind TLS whose certificate is valid for a day before and after a moment."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    moment = datetime.datetime.fromtimestamp(valid_around, datetime.UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", not_before=moment - DAY, not_after=moment + DAY).configure_cert(context)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    assert site._server is not None
    try:
        yield f"https://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"  # type: ignore[attr-defined]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("offset", [3 * YEAR, -3 * YEAR], ids=["+3 years", "-3 years"])
@pytest.mark.parametrize("known", [True, False], ids=["time from a server", "time from the receiver"])
async def test_samples_reach_a_receiver_over_tls_from_a_pc_whose_clock_is_years_off(
    tmp_path: Path, offset: float, *, known: bool
) -> None:
    """This computer's clock is right, so the world is moved in its place: true time, and the certificate's with it."""
    hands = Hands(time.time() - offset, offset=offset, runs=True)
    heads: list[tuple[str, bool]] = []

    async def watch(request: web.Request) -> None:
        heads.append((request.method, "Authorization" in request.headers))

    receiver = Strict(fault=watch, date=lambda: email.utils.formatdate(int(hands.true()), usegmt=True))
    (tmp_path / "password").write_text("word")
    trust = TlsClient(ca_file=str(tmp_path / "ca.pem"))
    auth = BasicAuth(username="u", password_file=str(tmp_path / "password"))
    async with province(tmp_path, receiver, hands.true()) as url:
        site = SiteUnderTest(tmp_path, url, hands, known=known, configured=settings(url, tmp_path, tls=trust, basic_auth=auth))
        await site.start()
        site.read()
        await _until_sent(site)
        await site.stop()
    assert abs(receiver.series("commune_test_up", target="t0")[0][0] / 1000 - hands.true()) < 30
    assert heads[0] == (("POST", True) if known else ("HEAD", False))


async def test_a_certificate_that_is_out_of_date_by_true_time_is_refused(tmp_path: Path) -> None:
    """The computer's clock would let it pass."""
    hands = Hands(time.time() - 3 * YEAR, offset=3 * YEAR, runs=True)
    receiver = Strict()
    async with province(tmp_path, receiver, time.time()) as url:
        trust = TlsClient(ca_file=str(tmp_path / "ca.pem"))
        site = SiteUnderTest(tmp_path, url, hands, configured=settings(url, tmp_path, tls=trust))
        await site.start()
        site.read()
        writer = site.forward._push.writer  # type: ignore[union-attr]
        assert writer is not None
        writer.wake(0)
        await _until_sent(site, retries=1)
        await site.stop()
    assert receiver.heads == []
    assert "which is not now" in (writer._told or "")


async def _until_sent(site: SiteUnderTest, *, retries: int | None = None) -> None:
    writer = site.forward._push.writer  # type: ignore[union-attr]
    assert writer is not None
    await until(lambda: writer.counts.accepted >= 24 if retries is None else writer.counts.retries >= retries, 15)
