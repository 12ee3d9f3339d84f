"""File systems: which count, what they hold, and one whose server is gone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe import filesystems
from collectors.probe.filesystems import Space
from collectors.wire.procfs import Mount
from tests.collectors import captured


def test_real_ones_only_each_device_once(tmp_path: Path) -> None:
    asked = filesystems.Filesystems(captured.machine(tmp_path, captured.LAPTOP))
    assert asked.mountpoints() == ["/", "/boot/efi", "/home/lan/so lieu"]


def test_a_containers_root_counts_although_it_is_an_overlay(tmp_path: Path) -> None:
    asked = filesystems.Filesystems(captured.machine(tmp_path, captured.CONTAINER))
    assert asked.mountpoints() == ["/"]


def test_of_one_device_the_shortest_path_and_no_bind_mounts() -> None:
    mounts = [
        Mount("8:1", "/", "/media/data", "ext4", "/dev/sda1"),
        Mount("8:1", "/", "/data", "ext4", "/dev/sda1"),
        Mount("8:2", "/etc/hosts", "/etc/hosts", "ext4", "/dev/sda2"),
        Mount("0:40", "/@home", "/home", "btrfs", "/dev/sda3"),
    ]
    assert filesystems.real_mounts(mounts) == ["/data", "/home"]


def df(path: str) -> tuple[int, int]:
    said = subprocess.run(["df", "-B1", "--output=size,avail", path], capture_output=True, text=True, check=True).stdout
    size, available = map(int, said.splitlines()[1].split())
    return size, available


async def test_as_df_says() -> None:
    found = await filesystems.Filesystems(Machine()).measure(5)
    assert found
    for path, space in found.items():
        size, available = df(path)
        assert space.size == size
        assert abs(space.available - available) < 2**28  # other programs write meanwhile


@pytest.mark.timing
async def test_a_dead_server_holds_up_nobody_and_is_not_asked_twice(tmp_path: Path) -> None:
    back, asked = threading.Event(), list[str]()

    def ask(path: str) -> Space:
        asked.append(path)
        if path == "/home/lan/so lieu":
            back.wait(20)
        return Space(1000, 10)

    found = filesystems.Filesystems(captured.machine(tmp_path, captured.LAPTOP), ask)
    begin = time.monotonic()
    for _ in range(3):
        assert set(await found.measure(0.5)) == {"/", "/boot/efi"}
    assert time.monotonic() - begin < 5
    assert found.hanging == ["/home/lan/so lieu"]
    assert asked.count("/home/lan/so lieu") == 1
    back.set()
    await asyncio.sleep(0.05)
    assert "/home/lan/so lieu" in await found.measure(5)
    assert found.hanging == []


async def test_a_mount_that_cannot_be_asked_or_is_empty_is_left_out(tmp_path: Path) -> None:
    def ask(path: str) -> Space:
        if path == "/":
            raise PermissionError
        return Space(0, 0)

    assert await filesystems.Filesystems(captured.machine(tmp_path, captured.LAPTOP), ask).measure(0.5) == {}


@pytest.mark.timing
@pytest.mark.skipif(sys.platform != "linux", reason="needs a pipe that blocks")
def test_a_hanging_question_does_not_hold_up_the_exit() -> None:
    program = """
import asyncio, os
from collectors.machine import Machine
from collectors.probe.filesystems import Filesystems
read, write = os.pipe()
print(asyncio.run(Filesystems(Machine(), lambda path: os.read(read, 1)).measure(0.1)), flush=True)
"""
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True, cwd=Path.cwd())
    assert done.stdout == "{}\n"
    assert time.monotonic() - begin < 5
