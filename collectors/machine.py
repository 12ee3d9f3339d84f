"""The computer as an argument: files, commands and clocks.

Collectors read the operating system only through a `Machine`, so that a stranger's laptop is a folder of captured
files in a test, and a clock that is years off is a constructor argument.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

COMMANDS = frozenset({"iperf3", "iw", "netsh", "ping", "route", "scutil", "ipconfig"})
"""The only programs that a collector may start; everything else is read from files or sockets."""


class Clock(Protocol):
    """Three views of time; the differences between them are what a wrong clock is made of."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start, suspend included, never set back."""

    def wall(self) -> float:
        """The computer's idea of UTC, in seconds since 1970; may be wrong and may jump."""

    def true(self) -> float:
        """The best estimate of UTC, in seconds since 1970: `wall` until a reference is known."""

    def true_at(self, monotonic: float) -> float:
        """The best estimate of UTC at a moment of `monotonic`."""


class SystemClock:
    """The operating system's clocks, with no reference: true time is the wall clock."""

    def monotonic(self) -> float:
        """CLOCK_BOOTTIME where there is one, since CLOCK_MONOTONIC stands still in suspend."""
        if sys.platform == "linux":
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    def wall(self) -> float:
        """CLOCK_REALTIME."""
        return time.time()

    def true(self) -> float:
        """The wall clock."""
        return self.wall()

    def true_at(self, monotonic: float) -> float:
        """The wall clock, as it would have shown then at its present rate and offset."""
        return self.wall() - (self.monotonic() - monotonic)


class Completed(NamedTuple):
    """A command that ended: exit status and both outputs as text."""

    status: int
    output: str
    errors: str


class Runner(Protocol):
    """Starts listed commands."""

    async def __call__(self, argv: Sequence[str], timeout: float) -> Completed:  # noqa: ASYNC109  part of the result
        """Run a command to its end.

        Raises:
            TimeoutError: it took longer than `timeout` seconds and was ended.
            FileNotFoundError: it is not installed.
        """


async def run_command(argv: Sequence[str], timeout: float) -> Completed:  # noqa: ASYNC109
    """The real `Runner`: no shell, C locale, no input; the process group is killed when time is up or on cancellation."""
    if argv[0] not in COMMANDS:
        message = f"{argv[0]} is not among the commands that a collector may start"
        raise PermissionError(message)
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), timeout)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Completed(process.returncode or 0, output.decode(errors="replace"), errors.decode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Machine:
    """What a collector sees of the computer it runs on.

    Attributes:
        root: where `/` is; a folder of captured files in a test.
        clock: the three clocks.
        run: starts listed commands.
        platform: as `sys.platform`.
        environ: environment variables (proxy settings, language).
    """

    root: Path = Path("/")
    clock: Clock = field(default_factory=SystemClock)
    run: Runner = run_command
    platform: str = sys.platform
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def is_real(self) -> bool:
        """The root is the computer's own, so that system calls and files tell of the same machine."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """An absolute path of the machine, as a path that can be opened here."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str:
        """A file's text without trailing white space.

        Raises:
            OSError: it cannot be read; sysfs also answers so for attributes that the hardware lacks.
        """
        return self.path(name).read_text(encoding="utf-8", errors="replace").rstrip()

    def read_or_none(self, name: str) -> str | None:
        """A file's text, None where there is none or it cannot be read."""
        try:
            return self.read(name)
        except OSError:
            return None

    def entries(self, name: str) -> list[str]:
        """Names in a folder, sorted; none where the folder is missing."""
        try:
            return sorted(entry.name for entry in self.path(name).iterdir())
        except OSError:
            return []
