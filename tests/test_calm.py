"""The witness sees a machine that is held up, and only tests of time are excused by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.calm import Span, Witness

ROOT = Path(__file__).resolve().parent.parent


def test_a_witness_that_was_held_up_says_so() -> None:
    witness = Witness()
    try:
        time.sleep(0.3)
        span = Span(witness)
        os.kill(witness._process.pid, signal.SIGSTOP)
        time.sleep(0.3)
        os.kill(witness._process.pid, signal.SIGCONT)
        end = time.monotonic() + 5
        while span.excuse() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert "stood still" in (span.excuse() or "")
    finally:
        witness.close()


STORY = """
import os, signal, time
import pytest
from tests.conftest import WITNESS

def hold_up(request):
    time.sleep(0.3)
    process = request.config.stash[WITNESS]._process
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGCONT)
    time.sleep(0.3)

@pytest.mark.timing
def test_of_time(request):
    hold_up(request)
    assert False

def test_of_something_else(request):
    hold_up(request)
    assert False
"""


def test_only_tests_of_time_are_excused(tmp_path: Path) -> None:
    (tmp_path / "test_story.py").write_text(STORY)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-c",
        str(ROOT / "pyproject.toml"),
        "--rootdir",
        str(ROOT),
        "-p",
        "tests.conftest",
        "-rs",
    ]
    done = subprocess.run(
        [*command, "--reruns", "1", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert "1 failed, 1 skipped, 2 rerun" in done.stdout, done.stdout
    assert "this machine stood still" in done.stdout
    assert "test_of_something_else" in done.stdout
