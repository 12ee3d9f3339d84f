"""Starts the short process that reads frames (`agent.survey.air`) and takes its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from agent.survey.air import Flood, Sender


@dataclass(frozen=True, slots=True)
class Capture:
    """What was in the air: frames read, those that could not be, access points, and floods in their names."""

    frames: int
    damaged: int
    senders: tuple[Sender, ...]
    floods: tuple[Flood, ...]


class CaptureError(RuntimeError):
    """The capture could not be read; says why."""


def read(*arguments: str, within: float = 600.0) -> Capture:
    """Analyse a capture file, or `--monitor INTERFACE SECONDS`.

    Raises:
        CaptureError: no such file or interface, no capture, or no permission.
    """
    command = [sys.executable, "-m", "agent.survey.air", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)  # noqa: S603  our own module
    except subprocess.TimeoutExpired:
        message = f"{arguments[0]}: not read within {within:g} s"
        raise CaptureError(message) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise CaptureError(lines[-1] if lines else f"{arguments[0]}: cannot be read")
    found = json.loads(done.stdout)
    senders = tuple(Sender(**sender) for sender in found["senders"])
    return Capture(found["frames"], found["damaged"], senders, tuple(Flood(**flood) for flood in found["floods"]))
