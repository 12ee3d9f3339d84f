"""The few kernel calls the laboratory needs and Python 3.11 does not offer.

Namespaces belong to a *thread* in Linux, not to a process.  The whole laboratory leans on that: a thread steps into a
node, does one thing there (opens a socket, starts a command) and steps out or ends, while the rest of the test stays
where it was.  Nothing here knows about nodes or links.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

SO_TIMESTAMPNS = 35
SIOCETHTOOL = 0x8946
_ETHTOOL_OFF = (0x17, 0x1F, 0x24)  # transmit checksum, TCP segmentation, generic segmentation

TOOLS = ("ip", "tc", "nft")

T = TypeVar("T")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own."""
    if _libc().unshare(flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"unshare({flags:#x}): {os.strerror(code)}")


def setns(fd: int, kind: int) -> None:
    """Move the calling thread (for a process namespace: its future children) into the namespace `fd`."""
    if _libc().setns(fd, kind) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns({kind:#x}): {os.strerror(code)}")


def in_thread(work: Callable[[], T]) -> T:
    """Run `work` in a thread that ends with it, so that namespaces it enters are left behind for certain."""
    result: list[T] = []
    failure: list[BaseException] = []

    def body() -> None:
        try:
            result.append(work())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, name="netlab")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def offload_off(interface: str) -> None:
    """Let no frame longer than the MTU nor with an unfinished checksum leave `interface` of the current namespace.

    Between virtual interfaces Linux passes 64 KiB bundles with the checksum still to be written.  A rule on packet
    length, a queue counted in bytes or a capture would then see something no cable ever carried.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for command in _ETHTOOL_OFF:
            value = ctypes.create_string_buffer(struct.pack("=II", command, 0))
            request = struct.pack("16sP", interface.encode(), ctypes.addressof(value))
            fcntl.ioctl(handle, SIOCETHTOOL, request)


def available() -> str | None:
    """None when a laboratory can be built here, else the reason why not, for a loud skip.

    The answer comes from doing it once, in threads that end: capability bits and kernel options promise less than they say.
    """
    if sys.platform != "linux":
        return f"network namespaces need Linux, this is {sys.platform}"
    missing = [tool for tool in TOOLS if tool_path(tool) is None]
    if missing:
        return "not installed: " + ", ".join(missing)
    steps = (
        "ip link add dev v0 type veth peer name v1",
        "ip link add dev v2 type bridge",
        "tc qdisc add dev v0 root tbf rate 1mbit burst 2000 latency 10ms",
        "nft -f -",
    )
    rules = "table netdev t {\n chain c {\n type filter hook ingress device v0 priority 0;\n dup to v1 drop\n }\n}\n"

    def attempt() -> str | None:
        try:
            unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)
            unshare(CLONE_NEWPID)  # forbids threads and second children here, so it is only tried, not used
        except OSError as error:
            return f"{error.strerror}; be root or run inside: unshare -Urn"
        return None

    def build() -> str | None:
        unshare(CLONE_NEWNET)
        for step in steps:
            command = step.split()
            command[0] = tool_path(command[0]) or command[0]
            stdin = rules if command[-1] == "-" else ""
            done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return f"{step}: {done.stderr.strip()}"
        return None

    return in_thread(attempt) or in_thread(build)


def tool_path(name: str) -> str | None:
    """Where `name` is installed; system directories count even when an ordinary user's PATH lacks them."""
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/sbin:/usr/local/sbin")
