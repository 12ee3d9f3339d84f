"""Small private networks for tests of sockets: a thread in a network namespace of its own, and a peer behind a veth."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest

CLONE_NEWNET = 0x40000000
T = TypeVar("T")


def _why_not() -> str | None:
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "needs root for network namespaces (run the tests under unshare -Urn)"
    if not all(map(shutil.which, ("ip", "nft", "nsenter", "unshare"))):
        return "needs ip, nft, nsenter and unshare"
    if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
        return "unshare -n is refused"
    return None


WHY_NOT = _why_not()
needs_namespaces = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


def sh(command: str) -> str:
    """Run a shell command in the caller's namespace; its output."""
    done = subprocess.run(["sh", "-ec", command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def isolated(work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end in a thread with an empty network of its own (loopback is up)."""
    outcome: list[Any] = []

    def body() -> None:
        try:
            assert ctypes.CDLL(None).unshare(CLONE_NEWNET) == 0
            for family in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{family}/accept_dad").write_text("0")
            sh("ip link set lo up")

            async def run() -> T:
                return await work()

            outcome.extend((True, asyncio.run(run())))
        except BaseException as error:
            outcome.extend((False, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    good, value = outcome
    if not good:
        raise value
    result: T = value
    return result


def allow_datagram(group: str = "0 2147483647") -> None:
    """Let groups open datagram ICMP sockets in this namespace ("1 0": none)."""
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(group)


class Peer:
    """Another namespace behind a cable: `near` here is 10.1.0.1 and fd01::1, the peer 10.1.0.2 and fd01::2."""

    def __init__(self, near: str = "eth0", net: int = 1) -> None:
        self.near, self.net = near, net
        self.holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        self.address, self.address6 = f"10.{net}.0.2", f"fd0{net}::2"

    def __enter__(self) -> Self:
        for _ in range(100):
            if Path(f"/proc/{self.holder.pid}/ns/net").readlink() != Path("/proc/thread-self/ns/net").readlink():
                break
            threading.Event().wait(0.01)
        net, near = self.net, self.near
        sh(f"ip link add {near} type veth peer name far{net} netns {self.holder.pid}")
        self.sh(
            "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad;"
            f"echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit; ip link set lo up;"
            f"ip addr add 10.{net}.0.2/24 dev far{net}; ip -6 addr add fd0{net}::2/64 dev far{net} nodad; ip link set far{net} up"
        )
        sh(f"ip addr add 10.{net}.0.1/24 dev {near}; ip -6 addr add fd0{net}::1/64 dev {near} nodad; ip link set {near} up")
        return self

    def sh(self, command: str) -> str:
        """Run a shell command at the peer."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.holder.pid), "-n", "sh", "-ec", command], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def nft(self, *rules: str, hook: str = "input") -> None:
        """Add rules for packets that come in at the peer."""
        self.sh(f"nft add table inet t; nft add chain inet t c '{{ type filter hook {hook} priority 0; }}'")
        for rule in rules:
            self.sh(f"nft 'add rule inet t c {rule}'")

    def __exit__(self, *_: object) -> None:
        self.holder.kill()
        self.holder.wait()
