"""Tries what the unit forbids and what it leaves, and prints as JSON what came of each: null, or the error's name."""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path


def outcome(attempt: Callable[[], object]) -> str | None:
    """None when it was allowed."""
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return None


def read_only() -> None:
    """As a write to /usr by its owner would end."""
    if os.statvfs("/usr").f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, "read-only")


def new_namespace() -> None:
    """A user namespace needs no right but this."""
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        raise OSError(ctypes.get_errno(), "unshare")


def own_setuid() -> None:
    """A file of ours that others would run as us."""
    path = Path(os.environ["STATE_DIRECTORY"], "attempt")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def main() -> None:
    """Arguments: a family that the unit does not list, and a file in /tmp."""
    family, file = int(sys.argv[1]), Path(sys.argv[2])
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    found: dict[str, object] = {
        "families": outcome(lambda: socket.socket(family, socket.SOCK_STREAM).close()),
        "namespaces": outcome(new_namespace),
        "setuid": outcome(own_setuid),
        "executable memory": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
        "affinity": outcome(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0))),
        "system": outcome(read_only),
        "foreign file": outcome(file.read_bytes),
        "tunables": outcome(lambda: Path("/proc/sys/net/ipv4/ip_forward").write_text("1")),
        "become root": outcome(lambda: os.setuid(0)),
        "disk": outcome(lambda: Path("/dev/mem").open("rb").close()),
        "raw socket": outcome(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()),
        "packet socket": outcome(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()),
        "state": outcome(Path(os.environ["STATE_DIRECTORY"], "kept").touch),
        "scratch": outcome(Path("/tmp/scratch").touch),
        "user": os.getuid(),
        "capabilities": sorted({int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}),
        "no new privileges": int(status["NoNewPrivs"]),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
