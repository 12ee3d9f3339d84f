"""The agent as a process: started, asked over HTTP, ended; for tests of what only a whole process shows."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
QUIET = """
ping: {targets: []}
links: []
dns: {servers: [], queries: []}
http: {targets: []}
path: {targets: []}
lan: {arp: false, dhcp: false}
clock: {servers: []}
"""
"""A configuration that sends nothing: tests of the core run in the machine's own network."""


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Running:
    """An agent that runs."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def get(
        self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET"
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def status(self) -> Any:
        """`/api/v1/status`."""
        return json.loads(self.get("/api/v1/status")[2])

    def wait_ready(self, seconds: float = 10) -> float:
        """Wait until ready; how long that took."""
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            with contextlib.suppress(OSError):
                if self.get("/-/ready")[0] == 200:
                    return time.monotonic() - begin
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def end(self, number: int = signal.SIGTERM, seconds: float = 5) -> tuple[int, float]:
        """Send a signal and wait; exit status and seconds."""
        begin = time.monotonic()
        self.process.send_signal(number)
        status = self.process.wait(seconds)
        return status, time.monotonic() - begin


@contextlib.contextmanager
def running(
    folder: Path, config: str = QUIET, *, script: str | None = None, prefix: Sequence[str] = (), wait: bool = True
) -> Iterator[Running]:
    """Run the agent with a configuration in a folder; `script` is Python to run before it, in the same process."""
    port = free_port()
    file = folder / "agent.yaml"
    file.write_text(f"listen: 127.0.0.1:{port}\nstate_dir: {folder}/state\n{config}")
    code = f"{script or ''}\nfrom agent.cli import main\nmain()"
    log = folder / "agent.log"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with log.open("w") as handle:
        process = subprocess.Popen(
            [*prefix, sys.executable, "-c", code, "run", "-c", str(file)], stdout=handle, stderr=handle, text=True, env=environ
        )
    agent = Running(process, port, log)
    try:
        if wait:
            agent.wait_ready()
        yield agent
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
