"""The unit: judged by systemd, and its restrictions lived under, as far as that goes without a running systemd."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.agent.running import ROOT
from tests.netlab import End, Lab, available

UNIT = ROOT / "packaging/systemd/commune-agent.service"
SYSTEMD = shutil.which("systemd-analyze")


def settings() -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in re.findall(r"(?m)^([A-Za-z]+)=(.*)$", UNIT.read_text()):
        found[key] = f"{found[key]} {value}" if key in found else value
    return found


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/commune-agent/bin/agent", sys.executable))
    done = subprocess.run([str(SYSTEMD), "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if UNIT.name in line]
    assert said == []


@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed")
def test_little_is_left_to_attack() -> None:
    done = subprocess.run(
        [str(SYSTEMD), "security", "--offline=yes", "--no-pager", str(UNIT)], capture_output=True, text=True, check=False
    )
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    if match is None:
        pytest.skip(f"this systemd-analyze cannot judge a file: {done.stderr.strip()}")
    assert float(match[1]) < 2.5, done.stdout


def test_the_unit_asks_for_what_the_agent_needs_and_no_more() -> None:
    found = settings()
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == "CAP_NET_RAW"
    assert {"AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_UNIX"} == set(found["RestrictAddressFamilies"].split())
    assert found["MemoryDenyWriteExecute"] == found["NoNewPrivileges"] == found["DynamicUser"] == "yes"


@pytest.mark.netlab
@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.skipif(os.geteuid() != 0, reason="setpriv to another user needs root")
@pytest.mark.parametrize("capability", ["+net_raw", ""], ids=["with CAP_NET_RAW", "without any"])
def test_runs_as_nobody_with_one_capability(tmp_path: Path, capability: str) -> None:
    """What the unit restricts and a process can restrict by itself: user, capabilities, no new privileges, own state."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)  # so that another user reaches it
    reachable = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", "import aiohttp"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if reachable.returncode:
        pytest.skip(f"another user cannot run this interpreter: {reachable.stderr.strip().splitlines()[-1]}")
    log = tmp_path / "agent.log"
    sets = [
        f"--inh-caps=-all{',' if capability else ''}{capability}",
        f"--ambient-caps=-all{',' if capability else ''}{capability}",
    ]
    bounding = f"--bounding-set=-all{',' if capability else ''}{capability}"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs", *sets, bounding]
    with Lab() as lab, log.open("w") as handle:
        pc, gateway = lab.node("pc", {"net.ipv4.ping_group_range": "1 0"}), lab.node("gateway")
        lab.link(End(pc, "eth0", ("192.168.7.10/24",)), End(gateway, "eth0", ("192.168.7.1/24",)))
        pc.route("default", "192.168.7.1", metric=100)
        environ = {**os.environ, "STATE_DIRECTORY": str(state), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        agent = pc.popen([*command, sys.executable, "-m", "agent", "run"], env=environ, stdout=handle, stderr=handle, cwd=ROOT)

        def status() -> dict[str, str | None]:
            with urllib.request.urlopen("http://127.0.0.1:9797/api/v1/status", timeout=5) as answer:
                rows = json.loads(answer.read())["instances"]
            return {f"{row['collector']}/{row['target']}": row["reason"] for row in rows if row["runs"]}

        found: dict[str, str | None] = {}
        pings: set[str | None] = set()
        for _ in range(60):
            time.sleep(0.25)
            try:
                found = pc.entered_thread(status)
            except OSError:
                assert agent.poll() is None, log.read_text()
                continue
            pings = {reason for name, reason in found.items() if name.startswith("ping/")}
            if "host/" in found and ("no_permission" in pings or (capability and pings)):
                break
        assert ("no_permission" in pings) is not bool(capability), log.read_text()
        assert not capability or found["ping/gateway"] is None
        assert found["host/"] is None
        said = [line for line in log.read_text().splitlines() if "capability=CAP_NET_RAW" in line]
        assert len(said) == (0 if capability else 1)
        assert (state / "agent.sock").exists()
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(5) == 0
        assert "Traceback" not in log.read_text()
