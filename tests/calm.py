"""Was the machine itself held up while a test ran? A witness beside the tests, for those that judge by time.

A virtual machine's host may take its processors away for tens of milliseconds, or for a tenth of all time. Tests marked `timing`
that fail in such a moment have shown nothing: they are run again, and in the end skipped, loudly, with what the witness saw.
"""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ENTRY = struct.Struct("dd")
STALL = 0.025
"""Seconds by which a sleeper that does nothing else has to wake too late to be called held up."""

WITNESS = f"""
import os, struct, sys, time
parent, entry = os.getppid(), struct.Struct("dd")
until = time.monotonic()
while os.getppid() == parent:
    until += 0.01
    time.sleep(max(until - time.monotonic(), 0))
    late = time.monotonic() - until
    if late > {STALL}:
        os.write(1, entry.pack(until, late))
        until += late
"""


class Witness:
    """A process that sleeps 10 ms at a time and writes down when it woke late, and by how much."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the witness)
        self._process = subprocess.Popen([sys.executable, "-I", "-S", "-c", WITNESS], stdout=self._file)

    def close(self) -> None:
        """End the process; what it wrote is gone with it."""
        self._process.kill()
        self._process.wait()
        self._file.close()

    def stalled(self, since: float) -> float:
        """Seconds that the machine stood still since that time (monotonic)."""
        size = os.fstat(self._file.fileno()).st_size // ENTRY.size * ENTRY.size
        entries = ENTRY.iter_unpack(os.pread(self._file.fileno(), size, 0))
        return float(sum(late for when, late in entries if when + late >= since))


def stolen() -> float:
    """Seconds, over all processors, that the host ran something else while this machine had work (`steal` of proc(5))."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return 0.0


class Span:
    """One run of one test: begun now, judged when it has failed."""

    def __init__(self, witness: Witness) -> None:
        self._witness, self._begin, self._stolen = witness, time.monotonic(), stolen()

    def excuse(self) -> str | None:
        """What held the machine up for more than one percent of this time, and for more than 50 ms; None when nothing did."""
        elapsed = time.monotonic() - self._begin
        stall, steal = self._witness.stalled(self._begin), stolen() - self._stolen
        if max(stall, steal) < max(0.05, elapsed / 100):
            return None
        return f"within {elapsed:.1f} s this machine stood still for {stall:.2f} s and its host took {steal:.2f} s away"
