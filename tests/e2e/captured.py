"""Captured faults: what a namespace cannot do (duplex, memory, a full disk, …) comes from a captured root.

The site's computer hands over its own /proc and /sys as files, one figure is altered, and the diagnosis runs inside the
computer on these files: all that goes over the network is real.

    python -m tests.e2e.captured FAULT     (in the node)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from agent.diagnose import report
from agent.diagnose.session import diagnose
from agent.settings import defaults
from collectors.machine import Machine, SystemClock
from collectors.probe.filesystems import Filesystems, Space
from tests.e2e.faults import Bench, Fault

FILES = (
    "/etc/resolv.conf",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/net/arp",
    "/proc/net/dev",
    "/proc/net/fib_trie",
    "/proc/net/if_inet6",
    "/proc/net/ipv6_route",
    "/proc/net/route",
    "/proc/self/mountinfo",
    "/proc/stat",
)
NIC = ("carrier", "duplex", "flags", "ifindex", "iflink", "operstate", "speed", "uevent")
GIB = 2**30
DAY = 86400.0
Alter = Callable[[Path], None]


def capture(root: Path) -> None:
    """This computer's files that a diagnosis reads, below `root`."""
    names = [*FILES, *(f"{nic}/{name}" for nic in Path("/sys/class/net").iterdir() for name in NIC)]
    for name in names:
        with contextlib.suppress(OSError):
            text = Path(name).read_text(encoding="utf-8")
            file = root / name.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def _nic(**values: str) -> Alter:
    def alter(root: Path) -> None:
        for name, value in values.items():
            (root / "sys/class/net/eth0" / name).write_text(f"{value}\n", encoding="ascii")

    return alter


def _errors(root: Path) -> None:
    """2 % of a hundred thousand frames came in damaged."""
    file = root / "proc/net/dev"
    lines = file.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        name, colon, figures = line.partition(":")
        if name.strip() == "eth0":
            columns = figures.split()
            columns[1:3] = ["100000", "2000"]
            lines[number] = f"{name}{colon} {' '.join(columns)}"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _memory(root: Path) -> None:
    file = root / "proc/meminfo"
    lines = file.read_text(encoding="utf-8").splitlines()
    figures = {"MemTotal": 4 * 2**20, "MemFree": 50_000, "MemAvailable": 60_000}
    lines = [f"{key}: {figures[key]} kB" if (key := line.partition(":")[0]) in figures else line for line in lines]
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")


def _unaltered(_: Path) -> None:
    pass


ALTERATIONS: dict[str, Alter] = {
    "unaltered": _unaltered,
    "half duplex": _nic(speed="10", duplex="half"),
    "errors": _errors,
    "memory": _memory,
    "disk": _unaltered,
    "clock": _unaltered,
}


class WrongClock(SystemClock):
    """A clock that somebody set a day ahead, with nothing that says so."""

    def wall(self) -> float:
        return super().wall() + DAY


def _space(fault: str, path: str) -> Space:
    return Space(100 * GIB, GIB // 100 if fault == "disk" and path == "/" else 50 * GIB)


async def main(fault: str) -> None:
    """Capture, alter, diagnose, print the document."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        capture(root)
        ALTERATIONS[fault](root)
        machine = Machine(root, clock=WrongClock() if fault == "clock" else SystemClock())
        disks = Filesystems(machine, lambda path: _space(fault, path))
        found = await diagnose(defaults(), machine, lambda text: text, quick=False, filesystems=disks)
        print(report.as_json(found, lambda text: text), end="")


def _captured(fault: str) -> Callable[[Bench], contextlib.AbstractContextManager[None]]:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        bench.captured = fault
        try:
            yield
        finally:
            bench.captured = ""

    return inject


CAPTURED = (
    Fault("captured: 10 Mbit/s half duplex", ("interface.slow",), _captured("half duplex")),
    Fault("captured: interface errors", ("interface.errors",), _captured("errors")),
    Fault("captured: memory exhausted", ("host.memory",), _captured("memory")),
    Fault("captured: disk full", ("host.disk_full",), _captured("disk")),
    Fault("captured: clock off by a day", ("clock.wrong",), _captured("clock")),
    Fault("captured: nothing altered", (None,), _captured("unaltered")),
)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
