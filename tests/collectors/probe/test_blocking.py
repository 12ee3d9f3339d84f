"""Blocking calls beside the event loop."""

import asyncio
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.probe.blocking import begin
from tests.netlab import End, Lab, available

NO_LAB = available()
ROOT = Path(__file__).parents[3]


async def test_result_and_exception() -> None:
    assert await begin(lambda: 42, "answer") == 42
    with pytest.raises(ZeroDivisionError):
        await begin(lambda: 1 / 0, "fault")


@pytest.mark.timing
async def test_many_hanging_calls_do_not_hold_up_another() -> None:
    gate = threading.Event()
    hanging = [begin(lambda: gate.wait(10), "hang") for _ in range(50)]
    started = time.monotonic()
    assert await asyncio.wait_for(begin(lambda: 1, "quick"), 2) == 1
    assert time.monotonic() - started < 1
    gate.set()
    assert all(await asyncio.gather(*hanging))


async def test_a_cancelled_wait_lets_go() -> None:
    gate = threading.Event()
    waiting = begin(lambda: gate.wait(10), "hang")
    waiting.cancel()
    gate.set()
    await asyncio.sleep(0.05)
    assert waiting.cancelled()


@pytest.mark.timing
@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_the_agent_stops_at_once_while_every_name_hangs(tmp_path: Path) -> None:
    with Lab() as lab:
        pc, gone = lab.node("pc"), lab.node("gone")
        link = lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(gone, addresses=("10.9.0.2/24",)))
        pc.route("default", "10.9.0.2")
        pc.resolvers("10.9.0.2")
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path)}
        with link.blackhole(), (tmp_path / "log").open("w") as log:
            agent = pc.popen([sys.executable, "-m", "agent", "run"], cwd=ROOT, env=environment, stdout=log)
            threads = Path(f"/proc/{agent.pid}/task")
            until = time.monotonic() + 15
            while len(list(threads.iterdir())) < 3 and time.monotonic() < until:  # the portals' names are asked for
                time.sleep(0.1)
            assert len(list(threads.iterdir())) >= 3
            told = time.monotonic()
            agent.terminate()
            assert agent.wait(10) == 0
            assert time.monotonic() - told < 2
