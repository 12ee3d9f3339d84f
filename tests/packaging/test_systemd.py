"""The unit: judged by systemd, and its restrictions lived under, as far as that goes without a running systemd."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.agent.running import ROOT
from tests.netlab import End, Lab, Node, Province, available
from tests.packaging.unit import UNIT, settings

SYSTEMD = shutil.which("systemd-analyze")
NO_LAB = available() or (None if os.geteuid() == 0 else "another user, capabilities and mounts need root")
needs_root = pytest.mark.skipif(NO_LAB is not None, reason=str(NO_LAB))


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
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == ["CAP_NET_RAW"]
    assert {"AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_UNIX"} == set(found["RestrictAddressFamilies"][0].split())
    assert found["MemoryDenyWriteExecute"] == found["NoNewPrivileges"] == found["DynamicUser"] == ["yes"]


def reasons(pc: Node) -> dict[str, str | None]:
    """Every instance that has run, with what kept it from its answer."""

    def status() -> dict[str, str | None]:
        with urllib.request.urlopen("http://127.0.0.1:9797/api/v1/status", timeout=5) as answer:
            rows = json.loads(answer.read())["instances"]
        return {f"{row['collector']}/{row['target']}": row["reason"] for row in rows if row["runs"]}

    return pc.entered_thread(status)


@dataclass(frozen=True)
class Other:
    """Another user's means: a state directory of its own, and an interpreter that it can run."""

    state: Path
    python: str
    environ: dict[str, str]


@pytest.fixture
def other(tmp_path: Path) -> Other:
    """Skips where no interpreter is within reach of another user, as where the only one lies in a closed home directory."""
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environ |= {"STATE_DIRECTORY": str(state), "PYTHONDONTWRITEBYTECODE": "1"}
    environ["PYTHONPATH"] = os.pathsep.join((str(ROOT), sysconfig.get_path("purelib")))
    said = ""
    for python in (sys.executable, "/usr/bin/python3"):
        # By way of a shell: setpriv itself may still run what its user may not.
        trial = [
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "sh",
            "-c",
            '"$0" -c "import agent.app, scapy"',
            python,
        ]
        done = subprocess.run(trial, cwd="/", env=environ, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return Other(state, python, environ)
        said += done.stderr
    pytest.skip(f"another user can run no interpreter here: {said.strip().splitlines()[-1]}")


@pytest.mark.netlab
@needs_root
@pytest.mark.parametrize("capability", ["+net_raw", ""], ids=["with CAP_NET_RAW", "without any"])
def test_runs_as_nobody_with_one_capability(tmp_path: Path, other: Other, capability: str) -> None:
    """What the unit restricts and a process can restrict by itself: user, capabilities, no new privileges, own state."""
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
        agent = pc.popen(
            [*command, other.python, "-m", "agent", "run"], env=other.environ, stdout=handle, stderr=handle, cwd=ROOT
        )

        found: dict[str, str | None] = {}
        pings: set[str | None] = set()
        for _ in range(60):
            time.sleep(0.25)
            try:
                found = reasons(pc)
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
        assert (other.state / "agent.sock").exists()
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(5) == 0
        assert "Traceback" not in log.read_text()


RESTRICTED = "tests.packaging.restricted"
FORBIDDEN = """
import ctypes, errno, mmap, os, socket

libc = ctypes.CDLL(None, use_errno=True)

def told(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
    except PermissionError as error:
        return errno.errorcode[error.errno]
    return "allowed"

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

print(told(lambda: open("/written", "w")))
print(told(lambda: open(os.environ["STATE_DIRECTORY"] + "/written", "w")))
print(told(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)))
print(told(lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)))
print(told(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)))
print(told(lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None)))
print(told(lambda: call("unshare", 0x20000)))
print(told(lambda: call("setuid", 0)))
print(told(lambda: call("sethostname", b"x", 1)))
"""


def restricted(other: Other) -> list[str]:
    """Starts a command of the other user's interpreter under the unit's restrictions."""
    return [sys.executable, "-m", RESTRICTED, "root", str(UNIT), str(other.state), other.python]


@pytest.mark.netlab
@needs_root
@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed: it knows the groups of system calls")
def test_what_the_unit_forbids_is_refused(other: Other) -> None:
    command = [*restricted(other), "-c", FORBIDDEN]
    done = subprocess.run(command, cwd=ROOT, env=other.environ, capture_output=True, text=True, check=False)
    said = done.stdout.split()
    assert said == ["EROFS", "allowed", "EACCES", "EPERM", "allowed", "EPERM", "EPERM", "EPERM", "EPERM"], (said, done.stderr)


@pytest.mark.netlab
@needs_root
@pytest.mark.skipif(SYSTEMD is None, reason="systemd-analyze is not installed: it knows the groups of system calls")
def test_everything_is_measured_under_the_units_restrictions(tmp_path: Path, other: Other) -> None:
    wanted = {"ping/gateway", "links/eth0", "host/", "interfaces/", "http/dichvucong.gov.vn", "lan/eth0"}
    config = tmp_path / "agent.yaml"
    config.write_text("host: {interval: 5s}\nhttp: {interval: 5s}\nlan: {interval: 20s}\npath: {interval: 20s}\n")
    with Lab() as lab, (tmp_path / "log").open("w") as log:
        province = Province(lab)
        site = province.site()
        site.pc.sysctl("net.ipv4.ping_group_range", "1 0")
        command = [*restricted(other), "-m", "agent", "run", "-c", str(config)]
        environ = {**other.environ, "SSL_CERT_FILE": str(province.ca_file)}
        agent = site.pc.popen(command, env=environ, stdout=log, stderr=log, cwd=ROOT)
        text = (tmp_path / "log").read_text
        found: dict[str, str | None] = {}
        end = time.monotonic() + 60
        while not (wanted <= found.keys() and not [name for name in wanted if found[name]]):
            assert agent.poll() is None, text()
            assert time.monotonic() < end, (found, text())
            time.sleep(0.5)
            try:
                found = reasons(site.pc)
            except OSError:
                continue
        assert [name for name, reason in found.items() if reason == "no_permission"] == []
        assert {reason for name, reason in found.items() if name.startswith("dns/")} == {None}
        agent.send_signal(signal.SIGHUP)
        while "configuration reloaded" not in text():
            assert time.monotonic() < end + 10, text()
            time.sleep(0.2)
        agent.send_signal(signal.SIGTERM)
        assert agent.wait(10) == 0
    assert "Traceback" not in text()
    assert (other.state / "counters.json").exists()
