"""`agent spool` and `agent gaps` as a person uses them, with a running agent and without one."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from agent.cli import main
from agent.forward import api, gaps
from agent.forward.remote.split import FRUITLESS_FIRST
from agent.forward.samples import Description, Row
from agent.forward.spool import Spool
from agent.forward.store import Store
from agent.httpd import HttpServer
from agent.statedir import SOCKET_NAME
from collectors.machine import Machine
from collectors.wire.units import Duration
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import free_port
from tests.receivers.strict import Strict, strict, until

HOUR = 3_600_000


async def run(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, list(arguments))


@pytest.fixture
def site(tmp_path: Path) -> tuple[Path, Path]:
    """A configuration, and its state directory with something in the spool and the ledger."""
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "agent.yaml"
    file.write_text(f"state_dir: {state}\nremote_write: {{url: 'http://127.0.0.1:1/'}}\n")
    spool = Spool(state, max_bytes=2**26, max_age=1e12)
    now = round(time.time() * 1000)
    spool.append(
        Row(0, None, now - 60_000 * n, [(Description((("__name__", f"m{k}"),), "gauge"), 1.0) for k in range(4)])
        for n in range(500)
    )
    spool.close()
    return file, state


async def test_a_stick_carries_what_waits_and_nothing_is_sent_twice(site: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = site
    stick = tmp_path / "stick.db"
    exported = await run("spool", "export", "-c", str(file), str(stick))
    assert exported.exit_code == 0, exported.output
    assert "2000 samples" in exported.output
    again = await run("spool", "export", "-c", str(file), str(tmp_path / "second.db"))
    assert "0 samples" in again.output
    receiver = Strict()
    async with strict(receiver):
        for expected in ("2000 samples accepted, 0 refused", "0 samples accepted, 0 refused"):
            imported = await run("spool", "import", str(stick), "--url", receiver.url)
            assert imported.exit_code == 0, imported.output
            assert expected in imported.output
    assert receiver.count == 2000
    released = await run("spool", "release", "-c", str(file))
    assert "2000 samples wait for the line again" in released.output


async def test_an_interrupted_import_goes_on_where_it_stopped(site: tuple[Path, Path], tmp_path: Path) -> None:
    file, _ = site
    stick = tmp_path / "stick.db"
    await run("spool", "export", "-c", str(file), str(stick))
    stopped = await run("spool", "import", str(stick), "--url", f"http://127.0.0.1:{free_port()}/")
    assert stopped.exit_code == 1
    assert "repeat the command" in stopped.output
    async with strict() as receiver:
        assert "2000 samples accepted" in (await run("spool", "import", str(stick), "--url", receiver.url)).output


async def test_a_stick_meets_a_line_that_comes_back(tmp_path: Path) -> None:
    """The line returns between export and import, the import is cut in half and repeated: every sample arrives once."""
    state, file, stick = tmp_path / "state", tmp_path / "agent.yaml", tmp_path / "stick.db"
    state.mkdir()
    file.write_text(f"state_dir: {state}\n")
    receiver = Strict()

    def arrived(name: str) -> list[tuple[int, float]]:
        return [sample for labels, found in receiver.samples.items() if dict(labels)["__name__"] == name for sample in found]

    async with strict(receiver):
        url, receiver.fault = receiver.url, _refuse
        running = SiteUnderTest(state, url, Hands(runs=True), configured=settings(url, state, interval=Duration(1.0)))
        await running.start()
        server = HttpServer()
        api.add_routes(server, running.forward, local=True)
        await server.listen_locally(state / SOCKET_NAME)
        spool = running.forward.spool
        assert spool is not None
        before = round(time.time() * 1000) - 3 * HOUR
        carried = Description((("__name__", "carried"),), "gauge")
        spool.append(Row(0, None, before + 1000 * n, [(carried, float(n))]) for n in range(20_000))
        exported = await run("spool", "export", "-c", str(file), str(stick))
        assert exported.exit_code == 0, exported.output
        receiver.fault = None
        running.read()
        await until(lambda: bool(arrived("commune_test_up")), 60)
        assert arrived("carried") == [], "by the stick, not by the line"
        left = 1

        async def cut_in_half(request: web.Request) -> web.StreamResponse | None:
            nonlocal left
            left -= 1
            return await _refuse(request) if left < 0 else None

        receiver.fault = cut_in_half
        first = await run("spool", "import", str(stick), "--url", url)
        assert first.exit_code == 1, first.output
        half = len(arrived("carried"))
        assert 0 < half < 20_000
        receiver.fault = None
        for _ in range(2):
            again = await run("spool", "import", str(stick), "--url", url)
            assert again.exit_code == 0, again.output
        await server.stop(0.1)
        await running.stop()
    assert sorted(arrived("carried")) == [(before + 1000 * n, float(n)) for n in range(20_000)]


async def _refuse(request: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


async def test_a_receiver_that_refuses_everything_does_not_empty_the_stick(site: tuple[Path, Path], tmp_path: Path) -> None:
    """A wrong address, or a Prometheus without a window for late samples."""
    stick = tmp_path / "stick.db"
    await run("spool", "export", "-c", str(site[0]), str(stick))

    async def too_old(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text="out of bounds")

    receiver = Strict()
    async with strict(receiver):
        receiver.fault = too_old
        refused = await run("spool", "import", str(stick), "--url", receiver.url)
        assert refused.exit_code == 1, refused.output
        assert "out of bounds" in refused.output
        receiver.fault = None
        assert "2000 samples accepted, 0 refused" in (await run("spool", "import", str(stick), "--url", receiver.url)).output


async def test_what_is_too_old_does_not_keep_the_rest_of_a_stick(tmp_path: Path) -> None:
    """Prometheus with a window of 30 days: the first days of a stick that travelled for some."""
    stick, old = tmp_path / "stick.db", Description((("__name__", "old"),), "gauge")
    store = Store(stick)
    now = round(time.time() * 1000)
    store.append(Row(0, None, now - 40 * 24 * HOUR + 1000 * n, [(old, 1.0)]) for n in range(9000))
    store.append(Row(0, None, now - HOUR + 1000 * n, [(old, 2.0)]) for n in range(100))
    store.close()
    refusals = 0

    async def too_old(request: web.Request) -> web.StreamResponse | None:
        nonlocal refusals
        refusals += 1
        return web.Response(status=400, text="out of bounds") if refusals <= FRUITLESS_FIRST + 12 else None

    receiver = Strict()
    async with strict(receiver):
        receiver.fault = too_old
        for said in ("accepted", "0 samples accepted, 0 refused"):
            imported = await run("spool", "import", str(stick), "--url", receiver.url)
            assert imported.exit_code == 0, imported.output
            assert said in imported.output
    assert receiver.count >= 100


async def test_bad_files_are_said(tmp_path: Path, site: tuple[Path, Path]) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 999)
    wrong = await run("spool", "import", str(tmp_path / "photo.jpg"), "--url", "http://127.0.0.1:1/")
    assert wrong.exit_code == 2
    assert "no file of agent spool export" in wrong.output
    nowhere = await run("spool", "export", "-c", str(site[0]), str(tmp_path / "missing" / "stick.db"))
    assert nowhere.exit_code == 2
    assert "everything stays in the spool" in nowhere.output
    assert "2000 samples" in (await run("spool", "export", "-c", str(site[0]), str(tmp_path / "stick.db"))).output


async def test_an_export_takes_no_other_files_place(tmp_path: Path, site: tuple[Path, Path]) -> None:
    """The second stick of the day, the same name: the samples of the first are neither on the line nor anywhere else any more."""
    file, _ = site
    stick = tmp_path / "stick.db"
    await run("spool", "export", "-c", str(file), str(stick))
    before = stick.read_bytes()
    for language, said in (("en", "exists already"), ("vi", "đã có sẵn")):
        again = await run("spool", "export", "-c", str(file), str(stick), "--lang", language)
        assert again.exit_code == 2
        assert said in again.output
    assert stick.read_bytes() == before
    assert not (tmp_path / "stick.db.part").exists()


async def test_a_file_that_is_no_export_is_not_an_empty_one_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "pulled.db").write_bytes(b"")
    with sqlite3.connect(tmp_path / "other.db") as database:
        database.execute("CREATE TABLE guest(name)")
    database.close()
    for name in ("pulled.db", "other.db"):
        before = (tmp_path / name).read_bytes()
        wrong = await run("spool", "import", str(tmp_path / name), "--url", "http://127.0.0.1:1/")
        assert wrong.exit_code == 2
        assert "no file of agent spool export" in wrong.output
        assert (tmp_path / name).read_bytes() == before


async def test_a_damaged_stick_is_said_and_its_samples_come_by_the_line(tmp_path: Path, site: tuple[Path, Path]) -> None:
    stick = tmp_path / "stick.db"
    await run("spool", "export", "-c", str(site[0]), str(stick))
    whole = stick.read_bytes()
    with sqlite3.connect(stick) as database:
        database.execute("UPDATE row SET body = x'00112233' WHERE id = 400")
    database.close()
    async with strict() as receiver:
        for _ in range(2):
            flipped = await run("spool", "import", str(stick), "--url", receiver.url)
            assert flipped.exit_code == 2, flipped.output
            assert "agent spool release" in flipped.output
            stick.write_bytes(whole[: len(whole) // 2])
    assert "2000 samples wait for the line again" in (await run("spool", "release", "-c", str(site[0]))).output


async def test_a_name_without_a_password_is_said(tmp_path: Path) -> None:
    (tmp_path / "stick.db").touch()
    result = await run("spool", "import", str(tmp_path / "stick.db"), "--url", "http://127.0.0.1:1/", "--username", "x")
    assert result.exit_code == 2
    assert "--password-file" in result.output


@pytest.mark.parametrize("runs", [True, False])
async def test_a_site_that_nobody_told_the_time_has_its_stick_too(tmp_path: Path, runs: bool) -> None:  # noqa: FBT001
    """No line, no time server, no gateway that knows it: there a stick is needed most."""
    state, file = tmp_path / "state", tmp_path / "agent.yaml"
    state.mkdir()
    file.write_text(f"state_dir: {state}\n")
    machine = Machine()
    hands = Hands(machine.clock.wall(), monotonic=machine.clock.monotonic(), runs=True)
    running = SiteUnderTest(state, f"http://127.0.0.1:{free_port()}/", hands, known=False)
    await running.start()
    running.read()
    server = HttpServer()
    api.add_routes(server, running.forward, local=True)
    await server.listen_locally(state / SOCKET_NAME)
    if not runs:
        await server.stop(0.1)
        await running.stop()
    nothing = await run("spool", "export", "-c", str(file), str(tmp_path / "first.db"))
    assert "0 samples in" in nothing.output
    assert "samples stay here" in nothing.output
    exported = await run("spool", "export", "-c", str(file), str(tmp_path / "second.db"), "--clock-is-right")
    assert exported.exit_code == 0, exported.output
    assert "stay here" not in exported.output
    store = Store(tmp_path / "second.db")
    batch = store.fetch(since=None, before=None, lane=0, limit=10**6)
    store.close()
    assert batch.samples >= 24
    assert all(abs(time - hands.true() * 1000) < 10_000 for times, _ in batch.columns.values() for time in times)
    if runs:
        await server.stop(0.1)
        await running.stop()


async def test_a_stick_that_cannot_be_written_is_said(tmp_path: Path, site: tuple[Path, Path]) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", stick], capture_output=True, check=False).returncode:  # noqa: ASYNC221  at once
        pytest.skip("mounting needs root")
    try:
        await run("spool", "export", "-c", str(site[0]), str(stick / "site.db"))
        subprocess.run(["mount", "-o", "remount,ro", stick], check=True)  # noqa: ASYNC221  at once
        refused = await run("spool", "import", str(stick / "site.db"), "--url", "http://127.0.0.1:1/")
        assert refused.exit_code == 2
        assert "must be on a disk that can be written" in refused.output
    finally:
        subprocess.run(["umount", "-l", stick], check=False)  # noqa: ASYNC221  at once


async def test_a_running_agent_exports_and_tells_its_gaps(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    file = tmp_path / "agent.yaml"
    file.write_text(f"state_dir: {state}\n")
    running = SiteUnderTest(state, f"http://127.0.0.1:{free_port()}/", Hands(runs=True))
    await running.start()
    running.read()
    now = time.time()
    running.forward.ledger.lost("refused", now - 7200, now - 3600, "out of bounds")
    server = HttpServer()
    api.add_routes(server, running.forward, local=True)
    await server.listen_locally(state / SOCKET_NAME)
    exported = await run("spool", "export", "-c", str(file), str(tmp_path / "stick.db"))
    assert "24 samples" in exported.output, exported.output
    assert running.forward.spool is not None
    assert await running.forward.spool.fetch(limit=10) is None
    shown = await run("gaps", "-c", str(file))
    assert "1h00m  refused: refused by the province  (out of bounds)" in shown.output
    spoken = (await run("gaps", "-c", str(file), "--lang", "vi")).output
    assert "kéo dài  lý do" in spoken
    assert "1h00m  refused: máy chủ tỉnh từ chối  (out of bounds)" in spoken
    assert (
        "không có khoảng trống số liệu trong 30m qua"
        in (await run("gaps", "-c", str(file), "--lang", "vi", "--since", "30m")).output
    )
    rows = json.loads((await run("gaps", "-c", str(file), "--json", "--since", "3h")).output)
    assert [(row["reason"], round(row["seconds"])) for row in rows] == [("refused", 3600)]
    assert "no gaps in the last 30m" in (await run("gaps", "-c", str(file), "--since", "30m")).output
    await server.stop(0.1)
    await running.stop()
    stopped = await run("gaps", "-c", str(file))
    assert "refused" in stopped.output, "from the file, when no agent runs"
    assert (state / gaps.FILE).exists()


async def test_a_ledger_that_cannot_be_read_is_not_a_time_without_gaps(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f"state_dir: {tmp_path}\n")
    nothing = await run("gaps", "-c", str(file))
    assert nothing.exit_code == 0
    assert "none has left a ledger" in nothing.output
    (tmp_path / gaps.FILE).write_bytes(b"nothing of the kind" * 400)
    damaged = await run("gaps", "-c", str(file))
    assert damaged.exit_code == 2
    assert "cannot be read" in damaged.output


async def test_a_bad_span_is_said() -> None:
    result = await run("gaps", "--since", "yesterday")
    assert result.exit_code == 2
    assert "--since" in result.output
