"""The file systems that can fill up, and their space, asked so that a dead network mount holds up nobody.

`statvfs` on a server that is gone blocks in the kernel until it comes back, and no signal ends it. So each mount is
asked in a thread of its own, which may hang; a mount whose last question hangs is not asked again until that ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from collectors.machine import Machine
from collectors.probe.blocking import begin
from collectors.wire.procfs import Mount, parse_mountinfo

REAL = frozenset({
    "bcachefs", "btrfs", "cifs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jfs", "jffs2", "nfs",
    "nfs4", "ntfs", "ntfs3", "reiserfs", "smb3", "ubifs", "vfat", "xfs", "zfs",
})  # fmt: skip
"""Types that hold files for good; images (squashfs, iso9660) are always full and tell nothing."""

FOREIGN = ("/snap/", "/var/lib/docker/", "/var/lib/containers/", "/var/lib/containerd/", "/var/lib/kubelet/", "/run/docker/")
"""Mounts of container and package managers: the same space again."""


class Space(NamedTuple):
    """Octets of a file system: its size, and what is left for unprivileged users."""

    size: int
    available: int


SUBVOLUMES = frozenset({"bcachefs", "btrfs"})
"""Types whose parts are mounted by design, where elsewhere a part means a bind mount: the same space again."""


def real_mounts(mounts: Iterable[Mount]) -> list[str]:
    """Mount points worth watching, one per device (the shortest path), sorted; the root whatever its type."""
    chosen: dict[str, str] = {}
    for mount in mounts:
        if not _counts(mount):
            continue
        kept = chosen.get(mount.device)
        if kept is None or len(mount.mountpoint) < len(kept):
            chosen[mount.device] = mount.mountpoint
    return sorted(set(chosen.values()))


def _counts(mount: Mount) -> bool:
    if mount.mountpoint == "/":
        return mount.fstype != "rootfs"
    whole = mount.root == "/" or mount.fstype in SUBVOLUMES
    return whole and mount.fstype in REAL and not f"{mount.mountpoint}/".startswith(FOREIGN)


def ask(path: str) -> Space:
    """One file system's space, from the kernel.

    Raises:
        OSError: it cannot be asked.
    """
    if sys.platform == "win32":
        import shutil  # noqa: PLC0415  Windows has no statvfs

        usage = shutil.disk_usage(path)
        return Space(usage.total, usage.free)
    import os  # noqa: PLC0415  beside its use on POSIX

    answer = os.statvfs(path)
    return Space(answer.f_blocks * answer.f_frsize, answer.f_bavail * answer.f_frsize)


class Filesystems:
    """Asks every file system; keeps which ones hang.

    Args:
        machine: the computer.
        ask: what asks one mount point, replaced where the machine is a folder.
    """

    def __init__(self, machine: Machine, ask: Callable[[str], Space] = ask) -> None:
        self._machine = machine
        self._ask = ask
        self._asking: dict[str, asyncio.Future[Space | None]] = {}

    def mountpoints(self) -> list[str]:
        """The mount points worth watching now."""
        if self._machine.platform == "linux":
            return real_mounts(parse_mountinfo(self._machine.read_or_none("/proc/self/mountinfo") or ""))
        import psutil  # noqa: PLC0415  only where there is no /proc

        return [part.mountpoint for part in psutil.disk_partitions() if part.fstype and "cdrom" not in part.opts]

    async def measure(self, within: float, also: Iterable[str] = ()) -> dict[str, Space]:
        """Space by mount point, without those that do not answer within `within` seconds or have no size.

        `also` are mount points to ask whatever their type.
        """
        wanted = list(dict.fromkeys([*self.mountpoints(), *also]))
        for path in wanted:
            if path not in self._asking:
                self._asking[path] = begin(partial(self._space, path), f"statvfs {path}")
        questions = {self._asking[path]: path for path in wanted}
        if not questions:
            return {}
        done, _ = await asyncio.wait(questions, timeout=within)
        found: dict[str, Space] = {}
        for question in done:
            path = questions[question]
            del self._asking[path]
            space = question.result()
            if space is not None and space.size:
                found[path] = space
        for path in [path for path, question in self._asking.items() if question.done()]:
            del self._asking[path]  # unmounted while its question hung
        return dict(sorted(found.items()))

    @property
    def hanging(self) -> list[str]:
        """Mount points whose last question has not been answered yet."""
        return sorted(path for path, question in self._asking.items() if not question.done())

    def _space(self, path: str) -> Space | None:
        try:
            return self._ask(path)
        except OSError:
            return None
