"""Background tasks are named, kept and heard."""

import asyncio
import gc
import logging

import pytest

from agent.tasks import spawn


async def test_a_failure_nobody_awaits_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        message = "lost"
        raise RuntimeError(message)

    spawn(fail(), "doomed")
    gc.collect()
    await asyncio.sleep(0.01)
    (record,) = caplog.records
    assert (record.levelno, record.message, vars(record)["task"]) == (logging.ERROR, "task failed", "doomed")
    assert "lost" in vars(record)["error"]


async def test_results_and_cancellations_are_quiet(caplog: pytest.LogCaptureFixture) -> None:
    async def answer() -> int:
        return 42

    assert await spawn(answer(), "answers") == 42
    task = spawn(asyncio.sleep(60), "sleeps")
    assert task.get_name() == "sleeps"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert caplog.records == []
