"""The keeper: process 1 of the laboratory's process namespace.  Run as a script, standard library only.

It makes nodes on request and otherwise waits for the test that built the laboratory to go away.  When the socket to it
closes, for whatever reason (a clean end, an exception, SIGTERM, SIGKILL), the keeper removes the laboratory's files and
exits; the kernel then kills every process of the namespace, and the network namespaces vanish with them.  No signal
handler, no atexit hook and no list of things to clean can be forgotten this way.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

NEW = 0x00020000 | 0x04000000 | 0x40000000  # mount, host name, network
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
PRIVATE_FILES = (Path("/etc/resolv.conf"), Path("/etc/hosts"))

libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str | None, flags: int = 0) -> None:
    """Call the kernel; an OSError names the target."""
    if libc.mount(source.encode(), target.encode(), kind.encode() if kind else None, flags, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"mount {target}: {os.strerror(code)}")


def furnish(name: str, directory: Path, sysctls: dict[str, str]) -> list[str]:
    """Make the namespaces of one node in this process; returns what could not be had, for the record."""
    if libc.unshare(NEW) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare: {os.strerror(code)}")
    missing: list[str] = []
    socket.sethostname(name)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    for kind, target in (("sysfs", "/sys"), ("proc", "/proc")):
        try:
            mount(kind, target, kind)
        except OSError as error:  # containers may refuse; most tests can live without
            missing.append(str(error))
    directory.mkdir(exist_ok=True)
    for shared in PRIVATE_FILES:
        own = directory / shared.name
        own.write_text(f"127.0.0.1 localhost {name}\n::1 localhost\n" if own.name == "hosts" else "", encoding="utf-8")
        if shared.exists():
            mount(str(own), str(shared.resolve()), None, MS_BIND)
        else:
            missing.append(f"no {shared} to replace")
    for key, value in sysctls.items():
        try:
            Path("/proc/sys", key.replace(".", "/")).write_text(value, encoding="utf-8")
        except OSError as error:
            missing.append(f"sysctl {key}: {error.strerror}")
    return missing


def hold(channel: socket.socket, request: dict[str, object]) -> None:
    """Become a node: namespaces, an answer that carries their descriptors, then sleep until killed."""
    opened: list[int] = []
    try:
        sysctls = request["sysctls"]
        assert isinstance(sysctls, dict)
        missing = furnish(str(request["name"]), Path(str(request["directory"])), sysctls)
        opened = [os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY) for kind in ("net", "mnt", "uts")]
        answer: dict[str, object] = {"pid": os.getpid(), "missing": missing}
    except (OSError, KeyError, AssertionError) as error:
        answer = {"error": str(error)}
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", opened))] if opened else []
    channel.sendmsg([json.dumps(answer).encode()], control)
    channel.close()
    for fd in opened:
        os.close(fd)
    if "error" in answer:
        os._exit(1)
    while True:
        signal.pause()


def main() -> None:
    """Serve requests until the other end of the channel is gone."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    directory = Path(sys.argv[2])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphaned daemons come to process 1 and must not pile up
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # Files and processes are looked up by this namespace's own numbers.
    libc.unshare(NEW & ~0x04000000)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    with contextlib.suppress(OSError):
        mount("proc", "/proc", "proc")
    channel.send(b"{}")
    while True:
        try:
            message = channel.recv(65536)
        except ConnectionError:
            break
        if not message:
            break
        if os.fork() == 0:
            try:
                hold(channel, json.loads(message))
            finally:
                os._exit(1)
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    for _ in range(100):  # a dying process may still have been writing
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            break
        time.sleep(0.01)
    os._exit(0)


if __name__ == "__main__":
    main()
