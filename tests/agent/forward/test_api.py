"""`agent spool` and `agent gaps` as a person uses them, with a running agent and without one."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import CliRunner, Result

from agent.cli import main
from agent.forward import api, gaps
from agent.forward.samples import Description, Row
from agent.forward.spool import Spool
from agent.statedir import SOCKET_NAME
from tests.agent.site import Hands, SiteUnderTest
from tests.receivers.servers import free_port
from tests.receivers.strict import Strict, strict


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


async def test_bad_files_are_said(tmp_path: Path, site: tuple[Path, Path]) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 999)
    wrong = await run("spool", "import", str(tmp_path / "photo.jpg"), "--url", "http://127.0.0.1:1/")
    assert wrong.exit_code == 2
    assert "no file of agent spool export" in wrong.output
    nowhere = await run("spool", "export", "-c", str(site[0]), str(tmp_path / "missing" / "stick.db"))
    assert nowhere.exit_code == 2
    assert "everything stays in the spool" in nowhere.output
    assert "2000 samples" in (await run("spool", "export", "-c", str(site[0]), str(tmp_path / "stick.db"))).output


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
    app = web.Application()
    api.add_routes(app, running.forward, local=True)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(state / SOCKET_NAME)).start()
    exported = await run("spool", "export", "-c", str(file), str(tmp_path / "stick.db"))
    assert "24 samples" in exported.output, exported.output
    assert running.forward.spool is not None
    assert await running.forward.spool.fetch(limit=10) is None
    shown = await run("gaps", "-c", str(file))
    assert "1h00m  refused  (out of bounds)" in shown.output
    rows = json.loads((await run("gaps", "-c", str(file), "--json", "--since", "3h")).output)
    assert [(row["reason"], round(row["seconds"])) for row in rows] == [("refused", 3600)]
    assert "no gaps in the last 30m" in (await run("gaps", "-c", str(file), "--since", "30m")).output
    await runner.cleanup()
    await running.stop()
    stopped = await run("gaps", "-c", str(file))
    assert "refused" in stopped.output, "from the file, when no agent runs"
    assert (state / gaps.FILE).exists()


async def test_a_bad_span_is_said() -> None:
    result = await run("gaps", "--since", "yesterday")
    assert result.exit_code == 2
    assert "--since" in result.output
