"""Outages of an hour, a shift and most of a week against the real servers: every sample counted by query."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiohttp import ClientSession, web

from agent import clock as clocks
from agent.forward import store
from agent.forward.gaps import Ledger
from agent.forward.remote import client, writer
from agent.settings import SpoolSettings
from collectors.wire.units import Duration
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import Server, free_port, prometheus, victoria_metrics

HOUR = 3600.0
STEP = 30.0
FAULTS = ["500", "429", "hang", "loris", "cut", "late cut"]


class BadLine:
    """A proxy before a server that fails as lines and servers do; each request draws its fate."""

    def __init__(self, target: str, seed: int = 7) -> None:
        self.target = target
        self.down = True
        self.faulty = False
        self.fates: dict[str, int] = {}
        self._random = random.Random(seed)
        self._first = [fate for fault in FAULTS for fate in (fault, "ok")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fate = "ok"
        if self.down:
            fate = "cut"
        elif self.faulty:
            fate = self._first.pop(0) if self._first else self._random.choice(["ok"] * 40 + FAULTS)
        self.fates[fate] = self.fates.get(fate, 0) + 1
        if fate == "cut":
            _cut(request)
            return web.Response()
        if fate == "500":
            return web.Response(status=500, text="internal")
        if fate == "429":
            return web.Response(status=429, headers={"Retry-After": "1"})
        if fate == "hang":
            await asyncio.sleep(1.5)
            _cut(request)
            return web.Response()
        body = await request.read()
        async with (
            ClientSession(auto_decompress=False) as client,
            client.request(
                request.method, self.target, data=body, headers={k: v for k, v in request.headers.items() if k != "Host"}
            ) as response,
        ):
            text = await response.read()
            if fate == "late cut":
                _cut(request)
                return web.Response()
            answer = web.StreamResponse(status=response.status, headers={"Content-Length": str(len(text))})
            if fate == "loris":
                for octet in b"HTTP/1.1":
                    assert request.transport is not None
                    request.transport.write(bytes([octet]))
                    await asyncio.sleep(0.2)
                _cut(request)
                return web.Response()
            await answer.prepare(request)
            await answer.write(text)
            return answer


def _cut(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


@asynccontextmanager
async def bad_line(target: str) -> AsyncIterator[tuple[BadLine, str]]:
    line = BadLine(target)
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", line.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield line, f"http://127.0.0.1:{port}/api/v1/write"
    finally:
        await runner.cleanup()


SOAK = bool(os.environ.get("SOAK"))
OUTAGES = [(1, 150), *([(9, 1024), (144, 8192)] if SOAK else [(144, 4096)])]
Serve = Callable[[], AbstractAsyncContextManager[Server]]


@pytest.mark.parametrize("serve", [prometheus, victoria_metrics], ids=["prometheus", "victoria-metrics"])
@pytest.mark.parametrize(("hours", "chunk"), OUTAGES, ids=lambda value: f"{value}")
async def test_nothing_is_lost_over_an_outage(
    serve: Serve, hours: int, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "BLOCK_SAMPLES", chunk)  # so that every kind of fault finds a request of its own
    monkeypatch.setattr(store, "BLOCK_SAMPLES", chunk)
    monkeypatch.setattr(writer, "BACKOFF", 0.1)  # what is waited after a failure shows nothing here
    step = STEP if hours < 100 else 4 * STEP if SOAK else 8 * STEP
    hands = Hands(time.time() - hours * HOUR - 600)
    async with serve() as server, bad_line(server.url) as (line, url):
        site = SiteUnderTest(tmp_path, url, hands, configured=settings(url, tmp_path, timeout=1.0))
        await site.start()
        spool = site.forward.spool
        assert spool is not None
        expected: dict[tuple[str, str], list[tuple[int, float]]] = {}
        _record(site, expected)
        for count in range(round((hours * HOUR + 600) / step)):
            site.read()
            hands.advance(step)
            if count % 20 == 0:
                site.forward._push.intake.repeat()  # type: ignore[union-attr]
                await spool.maintain(hands.true())
                await asyncio.sleep(0)
        hands.advance(time.time() - hands.true())
        site.read()
        spool.flush().result()
        await spool.maintain(hands.true())
        line.down, line.faulty = False, True
        hands.runs = True
        hands._zero = time.monotonic()

        async def drained() -> None:
            async with asyncio.timeout(90):
                while (await spool.maintain(hands.true())).samples:  # noqa: ASYNC110  the spool tells nobody
                    await asyncio.sleep(0.1)

        await drained()
        line.faulty = False
        await site.stop()
        await asyncio.sleep(1.2)
        assert set(line.fates) == {"ok", *FAULTS}
        await asyncio.to_thread(_compare, server, expected, hands.true() + 1, hours * HOUR + 1200)


def _record(site: SiteUnderTest, expected: dict[tuple[str, str], list[tuple[int, float]]]) -> None:
    """Note what goes into the spool: by the contract, all that must arrive."""
    intake = site.forward._push.intake  # type: ignore[union-attr]
    put = intake.put

    def noting(lane: int, moment: float, values: list[tuple[object, float]]) -> None:
        put(lane, moment, values)  # type: ignore[arg-type]
        time = round((moment + site.forward.clock.base) * 1000)  # type: ignore[operator]
        for description, value in values:
            if value == value:  # noqa: PLR0124  a marker is no sample for a query
                labels = dict(description.labels)  # type: ignore[attr-defined]
                key = (labels["__name__"], labels["target"] + labels.get("le", ""))
                expected.setdefault(key, []).append((time, value))

    intake.put = noting  # type: ignore[method-assign]


def _compare(server: Server, expected: dict[tuple[str, str], list[tuple[int, float]]], at: float, span: float) -> None:
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for labels, samples in server.query(f'{{job="commune-agent"}}[{round(span)}s]', at):
        key = (labels["__name__"], labels["target"] + labels.get("le", ""))
        found[key] = [(round(time * 1000), float(value)) for time, value in samples if value != "NaN"]  # markers
    assert found.keys() == expected.keys()
    for key, samples in expected.items():
        assert [time for time, _ in found[key]] == [time for time, _ in samples], f"{key}: {len(found[key])} of {len(samples)}"
        for (_, got), (_, sent) in zip(found[key], samples, strict=True):
            assert math.isclose(got, sent, rel_tol=1e-12), key  # VictoriaMetrics keeps 15 digits


async def test_readings_that_memory_alone_held_are_part_of_the_gap(tmp_path: Path) -> None:
    """Flash is spared, the line is down, and the power fails: the gap begins with what no checkpoint had."""
    hands, url, state = Hands(), f"http://127.0.0.1:{free_port()}/", tmp_path / "state"
    state.mkdir()
    plain = settings(url, state)
    flash = msgspec.structs.replace(plain.core, spool=SpoolSettings(memory_first=True, checkpoint=Duration(600.0)))
    running = SiteUnderTest(state, url, hands, configured=dataclasses.replace(plain, core=flash))
    await running.start()
    spool = running.forward.spool
    assert spool is not None

    async def gap_after_a_power_cut(name: str) -> float:
        await spool.run(lambda: None)
        running.forward.ledger.tick()
        left = shutil.copytree(state, tmp_path / name)
        later = Ledger(left, running.forward.clock, "another boot")
        later.begin()
        (gap,) = later.gaps()
        later.end()
        return gap.begin - hands.start

    running.read()
    hands.advance(590)
    running.read()
    assert await gap_after_a_power_cut("before") == pytest.approx(0.0, abs=0.01)
    spool._disks._written_at -= 601
    await spool.maintain(hands.true())
    hands.advance(60)
    running.read()
    hands.advance(300)
    running.read()
    assert await gap_after_a_power_cut("after") == pytest.approx(650.0, abs=0.01)
    await running.stop()


async def test_a_backlog_outlives_a_boot_years_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power fails while the line is down, and with a dead battery the PC comes back in another year."""
    hands = Hands()
    url = f"http://127.0.0.1:{free_port()}/"
    before = SiteUnderTest(tmp_path, url, hands)
    await before.start()
    before.read()
    await before.stop()
    monkeypatch.setattr(clocks, "boot_id", lambda _: "the next")
    after = SiteUnderTest(tmp_path, url, Hands(hands.true() + 3600, offset=3 * 365 * 86400.0, monotonic=50.0), known=False)
    await after.start()
    await asyncio.sleep(0.2)
    assert after.forward.spool is not None
    kept = (await after.forward.spool.maintain(0.0)).samples
    expired = [gap for gap in after.forward.ledger.gaps() if gap.reason == "expired"]
    await after.stop()
    assert kept == 2 * 3 * 8 + 24, "readings, the last words and their markers"
    assert expired == []
