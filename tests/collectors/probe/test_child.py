"""A module of ours in a process of its own: its answer, its failures, and that it never outlives its deadline."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from collectors.model import Reason
from collectors.probe.child import ChildError, run_module


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "a_child.py"


async def test_job_in_answer_out(module: Path) -> None:
    module.write_text("import json, sys; print(json.dumps({'twice': 2 * json.load(sys.stdin)['number']}))")
    assert await run_module("a_child", {"number": 21}, 20) == {"twice": 42}


async def test_a_module_beside_us_is_not_ours(module: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "b_child.py").write_text("print('{}')")
    before = Path.cwd()
    os.chdir(elsewhere)
    try:
        with pytest.raises(ChildError, match="No module named b_child"):
            await run_module("b_child", {}, 20)
    finally:
        os.chdir(before)


async def test_a_reason_is_passed_on(module: Path) -> None:
    module.write_text('print(\'{"reason": "no_permission", "detail": "give CAP_NET_RAW"}\')')
    with pytest.raises(ChildError, match="give CAP_NET_RAW") as caught:
        await run_module("a_child", {}, 20)
    assert caught.value.reason is Reason.NO_PERMISSION


@pytest.mark.parametrize(("text", "said"), [("raise SystemExit('gone wrong')", "status 1: gone wrong"), ("print(7)", "status 0")])
async def test_no_answer_is_internal(module: Path, text: str, said: str) -> None:
    module.write_text(text)
    with pytest.raises(ChildError, match=said) as caught:
        await run_module("a_child", {}, 20)
    assert caught.value.reason is Reason.INTERNAL


def alive(file: Path) -> bool:
    try:
        os.kill(int(file.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timing
async def test_killed_and_reaped_at_the_deadline(module: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    module.write_text(
        "import os, signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    begin = time.monotonic()
    with pytest.raises(ChildError, match=r"did not end within 1\.5 s") as caught:
        await run_module("a_child", {}, 1.5)
    assert caught.value.reason is Reason.DEADLINE
    assert time.monotonic() - begin < 6
    assert not alive(note)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_killed_when_cancelled(module: Path, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    module.write_text(f"import os, time, pathlib; pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)")
    task = asyncio.get_running_loop().create_task(run_module("a_child", {}, 60))
    async with asyncio.timeout(20):
        while not note.exists() or not note.read_text():  # noqa: ASYNC110  another process's file
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(note)
