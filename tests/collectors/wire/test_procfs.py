"""The files of /proc: known text, this machine's own, and any text at all."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import procfs

MOUNTINFO = """22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 27 8:17 /sub /media/d\\303\\242n\\040so rw shared:2 master:3 - vfat /dev/sdb1 rw
31 27 broken
"""


def test_cpu_modes_without_guest_time() -> None:
    assert procfs.parse_cpu("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n") == {
        "user": 1,
        "nice": 2,
        "system": 3,
        "idle": 4,
        "iowait": 5,
        "irq": 6,
        "softirq": 7,
        "steal": 8,
    }
    assert procfs.parse_cpu("cpu  1 2 x\n") == {}
    assert procfs.parse_cpu("") == {}


def test_meminfo_in_octets() -> None:
    assert procfs.parse_meminfo("MemTotal:  2048 kB\nHugePages_Total:    3\nbroken\n") == {
        "MemTotal": 2048 * 1024,
        "HugePages_Total": 3,
    }


@pytest.mark.parametrize(
    ("text", "value"), [("0.42 0.1 0.0 1/2 3\n", 0.42), ("350735.47 1\n", 350735.47), ("80", 80.0), ("x", None), ("", None)]
)
def test_first_number(text: str, value: float | None) -> None:
    assert procfs.parse_first_number(text) == value


def test_mounts_with_their_names_unescaped() -> None:
    mounts = procfs.parse_mountinfo(MOUNTINFO)
    assert [(mount.device, mount.mountpoint, mount.fstype) for mount in mounts] == [
        ("0:21", "/proc", "proc"),
        ("8:1", "/", "ext4"),
        ("8:17", "/media/dân so", "vfat"),
    ]
    assert mounts[2].root == "/sub"


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="needs Linux")
def test_this_machine() -> None:
    assert set(procfs.parse_cpu(Path("/proc/stat").read_text())) == set(procfs.CPU_MODES)
    assert procfs.parse_meminfo(Path("/proc/meminfo").read_text())["MemTotal"] > 2**24
    assert "/" in {mount.mountpoint for mount in procfs.parse_mountinfo(Path("/proc/self/mountinfo").read_text())}


@given(st.one_of(st.text(max_size=300), st.text(alphabet="cpu 0123456789:kBMem-/\\\n", max_size=300)))
def test_any_text_gives_values_and_never_an_error(text: str) -> None:
    assert all(value >= 0 or "-" in text for value in procfs.parse_cpu(text).values())
    assert all(value >= 0 for value in procfs.parse_meminfo(text).values())
    number = procfs.parse_first_number(text)
    assert number is None or number >= 0
    procfs.parse_mountinfo(text)
