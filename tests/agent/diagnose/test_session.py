"""A diagnosis from beginning to end where there is no network at all, and the question to the running agent."""

import socket
import subprocess
import sys
import time
from pathlib import Path

from aiohttp import web

from agent.diagnose.graph import Status
from agent.diagnose.session import ask_agent, diagnose
from agent.settings import defaults
from collectors.machine import Machine
from tests.agent.diagnose.grounds import nic, write


def same(text: str) -> str:
    return text


async def test_without_any_network_the_cable_is_the_verdict(tmp_path: Path) -> None:
    card = nic("enp1s0", operstate="down", carrier="0") | {"/sys/class/net/enp1s0/device/vendor": "0x8086"}
    machine = Machine(write(tmp_path, card), environ={})
    begin = time.monotonic()
    found = await diagnose(defaults(), machine, same, quick=True)
    assert time.monotonic() - begin < 4
    assert [(finding.code, finding.subject) for finding in found.findings] == [("interface.down", "enp1s0")]
    assert found.results["route"].outcome.status is Status.SKIP
    assert not found.healthy
    assert found.site["instance"] == socket.gethostname()


async def test_the_running_agent_is_asked_over_its_socket(tmp_path: Path) -> None:
    async def status(_: web.Request) -> web.Response:
        return web.json_response({"changes": []})

    application = web.Application()
    application.router.add_get("/api/v1/status", status)
    runner = web.AppRunner(application)
    await runner.setup()
    socket = tmp_path / "agent.sock"
    await web.UnixSite(runner, str(socket)).start()
    try:
        assert await ask_agent(socket) == {"changes": []}
    finally:
        await runner.cleanup()
    assert await ask_agent(socket) is None
    assert await ask_agent(tmp_path / "none") is None
    assert await ask_agent(None) is None


async def test_a_socket_that_nobody_listens_at_is_no_agent(tmp_path: Path) -> None:
    (tmp_path / "agent.sock").write_text("")
    assert await ask_agent(tmp_path / "agent.sock") is None


async def test_what_the_time_did_not_suffice_for_is_told(tmp_path: Path) -> None:
    machine = Machine(write(tmp_path, {"/proc/stat": "cpu 1 0 1 9 0 0 0 0 0 0\n"}), environ={})
    found = await diagnose(defaults(), machine, same, within=0.2)
    assert found.results["cpu"].outcome.detail == "no time left"
    assert any(note.startswith("Not measured for want of time: ") and "cpu" in note for note in found.notes)


def test_what_a_short_answer_can_do_without_is_not_loaded() -> None:
    code = "import sys, agent.cli.diagnose; print({name.partition('.')[0] for name in sys.modules} & set(sys.argv[1:]))"
    heavy = ["rich", "aiohttp", "scapy", "pysnmp", "gufo", "pyroute2", "google", "prometheus_client", "psutil", "sqlite3", "dns"]
    done = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
