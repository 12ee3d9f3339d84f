"""The agent lives under what its unit restricts: files, rights and system calls, as systemd would set them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.agent.running import ROOT
from tests.netlab import Lab, Province, available
from tests.packaging.confined import STATE, USER, allowed, directives, groups

TOOLS = ("systemd-analyze", "setpriv", "mount")
CONFIG = """
ping: {{interval: 200ms{targets}}}
dns: {{interval: 2s}}
http: {{interval: 2s}}
host: {{interval: 2s}}
interfaces: {{interval: 2s}}
path: {{targets: []}}
lan: {{arp: false, dhcp: false}}
clock: {{servers: []}}
"""
MORE = ", targets: [{name: gateway, address: auto}, {name: added, address: 192.168.1.1}]"


def other_users() -> bool:
    """Outside a user namespace of one user."""
    mapped = Path("/proc/self/uid_map")
    return mapped.exists() and int(mapped.read_text().split()[2]) > USER


needs_root = [
    pytest.mark.netlab,
    pytest.mark.skipif(available() is not None, reason=str(available())),
    pytest.mark.skipif(os.geteuid() != 0 or not other_users(), reason="another user needs real root"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]


def confined(state: Path, *command: str) -> list[str]:
    return [sys.executable, str(ROOT / "tests/packaging/confined.py"), str(state), *command]


def environment(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "STATE_DIRECTORY": STATE, **more}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def other_family() -> int:
    """A family that this kernel has and the unit does not list; without any, one that nobody has."""
    for family in (40, 38, 15, 31, 29):
        try:
            socket.socket(family, socket.SOCK_STREAM if family == 40 else socket.SOCK_SEQPACKET).close()
        except OSError:
            continue
        return family
    return 45


def attempts(state: Path, without: str = "") -> dict[str, Any]:
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        Path(file.name).chmod(0o644)
        command = confined(state, sys.executable, str(ROOT / "tests/packaging/attempts.py"), str(other_family()), file.name)
        done = subprocess.run(
            ["unshare", "-n", *command], env=environment(WITHOUT=without), capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


REFUSED = {
    "families": "EAFNOSUPPORT",
    "namespaces": "EPERM",
    "setuid": "EPERM",
    "executable memory": "EPERM",
    "affinity": "EPERM",
    "system": "EROFS",
    "foreign file": "ENOENT",
    "become root": "EPERM",
    "disk": "ENOENT",
}


class TestConfined:
    pytestmark = needs_root

    def test_what_the_unit_forbids_is_refused_and_what_it_leaves_works(self, state: Path) -> None:
        found = attempts(state)
        assert {name: found[name] for name in REFUSED} == REFUSED
        assert found["tunables"] is not None
        assert [found[name] for name in ("raw socket", "packet socket", "state", "scratch")] == [None] * 4
        assert (found["user"], found["capabilities"], found["no new privileges"]) == (USER, [1 << 13], 1)
        assert (state / "kept").stat().st_uid == USER

    @pytest.mark.parametrize(
        ("directive", "attempt"),
        [
            ("RestrictSUIDSGID", "setuid"),
            ("MemoryDenyWriteExecute", "executable memory"),
            ("SystemCallFilter", "affinity"),
            ("ProtectSystem", "system"),
            ("PrivateTmp", "foreign file"),
        ],
    )
    def test_each_refusal_is_its_directives(self, state: Path, directive: str, attempt: str) -> None:
        """Without the directive the same attempt is allowed, so the refusals are no accident of this machine."""
        found = attempts(state, without=directive)
        assert found[attempt] is None
        assert {name for name in REFUSED if found[name] != REFUSED[name]} == {attempt}

    def test_the_agent_measures_keeps_its_state_and_reloads(self, tmp_path: Path, state: Path) -> None:
        config, log = state / "agent.yaml", tmp_path / "agent.log"
        config.write_text(CONFIG.format(targets=""))
        with Lab() as lab, log.open("w") as handle:
            province = Province(lab)
            site = province.site(sysctls={"net.ipv4.ping_group_range": "1 0"})  # raw sockets, as most systems have it
            authority = state / "ca.pem"
            authority.write_bytes(Path(province.ca_file).read_bytes())
            command = confined(state, sys.executable, "-m", "agent", "run", "-c", f"{STATE}/agent.yaml")
            environ = environment(SSL_CERT_FILE=f"{STATE}/ca.pem")
            agent = site.pc.popen(command, env=environ, stdout=handle, stderr=handle, cwd=ROOT)

            def fetch(path: str) -> str:
                with urllib.request.urlopen(f"http://127.0.0.1:9797{path}", timeout=5) as answer:
                    return str(answer.read().decode())

            def page() -> str:
                try:
                    return site.pc.entered_thread(lambda: fetch("/metrics"))
                except OSError:
                    assert agent.poll() is None, log.read_text()
                    return ""

            def wait(*expressions: str) -> str:
                """Until every expression is found in /metrics."""
                end = time.monotonic() + 90
                said, missing = "", list(expressions)
                while missing and time.monotonic() < end:
                    time.sleep(0.25)
                    said = page()
                    missing = [one for one in expressions if not re.search(one, said, re.MULTILINE)]
                assert not missing, f"{missing}\n{said}\n{log.read_text()}"
                return said

            wait(
                r'^commune_ping_up\{.*target="gateway".*\} 1',
                r'^commune_dns_success\{.*server="192\.168\.1\.1".*\} 1',
                r'^commune_http_success\{.*target="dichvucong\.gov\.vn".*\} 1',
                r"^commune_host_memory_available_bytes\S* [1-9]",
                r'^commune_host_filesystem_size_bytes\{.*mountpoint="/".*\} [1-9]',
                r'^commune_interface_receive_bytes_total\{.*interface="eth0".*\} [1-9]',
                r'^commune_link_up\{link="eth0"\} 1',
                r'^commune_link_seconds_total\{link="eth0",state="up"\} [1-9]',
                *(rf'^commune_agent_collector_success\{{collector="{kind}"\}} 1' for kind in
                  ("ping", "dns", "http", "host", "interfaces", "links")),
            )  # fmt: skip
            config.write_text(CONFIG.format(targets=MORE))
            agent.send_signal(signal.SIGHUP)
            wait(r'^commune_ping_up\{.*target="added".*\} 1')

            status = dict(line.split(":", 1) for line in Path(f"/proc/{agent.pid}/status").read_text().splitlines())
            unit = directives()
            assert status["Uid"].split() == [str(USER)] * 4
            assert (int(status["CapEff"], 16), status["Seccomp"].strip()) == (1 << 13, "2")
            assert int(status["VmHWM"].split()[0]) * 1024 < int(unit["MemoryMax"][0].removesuffix("M")) * 2**20
            assert int(status["Threads"]) < int(unit["TasksMax"][0])
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(20) == 0
        kept = {path.name for path in state.iterdir()} - {"agent.yaml", "ca.pem"}
        assert len(kept) > 1, kept
        assert all((state / name).stat().st_uid == USER for name in kept)
        said = log.read_text()
        assert "Traceback" not in said
        assert "capability=" not in said  # nothing is missing
        assert "no_permission" not in said


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_filter_is_what_systemd_would_make_of_it() -> None:
    calls = allowed(directives()["SystemCallFilter"], groups())
    assert {"openat", "socket", "epoll_wait", "execve", "clone", "exit_group", "clock_gettime"} <= calls
    assert not {"mount", "ptrace", "setuid", "chroot", "reboot", "init_module", "sched_setaffinity", "bpf"} & calls
