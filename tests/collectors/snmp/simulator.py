"""snmpsim with many recordings in one process, each recording under a community of its name.

Run as a program it is snmpsim's own responder with one change: the index of a recording is kept in memory and made
at its first request, where snmpsim writes a dbm file for every recording before it answers anything. That takes the
start from half a minute to a second, and needs neither gdbm nor a directory that another user may write.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.collectors.snmp.udp import free_port, system_description


class _Index(dict[str, Any]):
    """What snmpsim expects of a dbm: values come back as bytes."""

    def __setitem__(self, key: str, value: str) -> None:
        super().__setitem__(key, value.encode())

    def close(self) -> None:
        """Nothing to release."""


def _memory_dbm() -> ModuleType:
    module = ModuleType("anydbm")
    files: dict[str, _Index] = {}

    def opened(name: str, flags: str = "r") -> _Index:
        if "n" in flags:
            files[name] = _Index()
        return files[name]

    vars(module)["open"] = opened
    return module


def _serve() -> None:
    kind = ModuleType("whichdb")
    vars(kind)["whichdb"] = lambda _: "memory"
    sys.modules["anydbm"], sys.modules["whichdb"] = _memory_dbm(), kind
    from snmpsim import datafile
    from snmpsim.commands import responder

    def later(self: Any, *_: object) -> Any:  # indexed when first asked
        return self

    datafile.DataFile.index_text = later
    datafile.DataFile.max_queue_entries = 200
    responder.main()


@contextmanager
def simulated(directory: Path, cache: Path) -> Iterator[int]:
    """Serve every recording below a directory on loopback; gives the port.

    Raises:
        RuntimeError: it does not answer within a minute; with what it said.
    """
    port = free_port()
    names = sorted(directory.rglob("*.snmprec"))
    log = cache / "snmpsim.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.collectors.snmp.simulator"),
                f"--data-dir={directory}",
                f"--cache-dir={cache}",
                f"--variation-modules-dir={cache}",
                f"--agent-udpv4-endpoint=127.0.0.1:{port}",
                *("--process-user=root", "--process-group=root"),
                "--log-level=error",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=Path(__file__).parents[3],
        )
    try:
        first = str(names[0].relative_to(directory).with_suffix(""))
        until = time.monotonic() + 60
        while system_description(port, first) is None:
            if process.poll() is not None or time.monotonic() > until:
                message = f"snmpsim did not start: {log.read_text(errors='replace')[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    _serve()
