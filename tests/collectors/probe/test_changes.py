"""Changes of the network configuration are noticed at once, and without netlink by the clock."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from collectors.probe import changes
from tests.netlab import End, Lab, available

NO_LAB = available()
WATCH = """
import asyncio, time
from collectors.probe.changes import changes
async def main():
    print("ready", flush=True)
    async for _ in changes(60):
        print(time.monotonic(), flush=True)
asyncio.run(main())
"""


@pytest.mark.timing
async def test_without_netlink_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "listen", lambda: None)
    begin, seen = time.monotonic(), 0
    async for _ in changes.changes(0.05):
        seen += 1
        if seen == 3:
            break
    assert 0.14 < time.monotonic() - begin < 1


@pytest.mark.timing
@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
async def test_with_netlink_the_clock_goes_on() -> None:
    begin = time.monotonic()
    async for _ in changes.changes(0.2):
        break
    assert 0.1 < time.monotonic() - begin < 3


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_one_notice_for_one_pulled_cable() -> None:
    with Lab() as lab:
        pc, switch = lab.node("pc"), lab.node("switch")
        link = lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(switch))
        watcher = pc.popen([sys.executable, "-c", WATCH], cwd=Path(__file__).parents[3])
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "ready\n"
        time.sleep(0.5)
        begin = time.monotonic()
        with link.cut():
            noticed = float(watcher.stdout.readline())
            assert noticed - begin < 3
            time.sleep(changes.SETTLE_AT_MOST)
        again = float(watcher.stdout.readline())
        assert again - noticed > 1  # the other messages of the first change did not count again


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_a_running_agent_follows_a_new_uplink_and_a_new_resolver(tmp_path: Path) -> None:
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9797/metrics').read().decode())"

    def metrics(expected: str) -> float:
        """Seconds until /metrics holds the text."""
        begin = time.monotonic()
        while time.monotonic() - begin < 15:
            said = pc.run([sys.executable, "-c", fetch], check=False).stdout
            if expected in said:
                return time.monotonic() - begin
            time.sleep(0.1)
        pytest.fail(f"{expected} did not appear in:\n{said}")

    with Lab() as lab:
        pc, switch = lab.node("pc"), lab.node("switch")
        lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(switch))
        pc.route("default", "10.9.0.2")
        pc.resolvers("10.9.0.2")
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path)}
        log = (tmp_path / "log").open("w")
        pc.popen([sys.executable, "-m", "agent", "run"], cwd=Path(__file__).parents[3], env=environment, stdout=log)
        metrics('commune_interface_up{device="self",interface="eth0"}')
        lab.link(End(pc, "eth1", ("10.8.0.1/24",)), End(switch))
        assert metrics('commune_interface_up{device="self",interface="eth1"}') < 10
        pc.resolvers("10.9.0.2", "10.8.0.2")
        assert metrics('server="10.8.0.2"') < 15
        log.close()
