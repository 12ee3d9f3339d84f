"""Starts the short process that reads frames (`agent.survey.air`) and takes its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from agent.locale import N_
from agent.survey.air import Flood, Sender
from agent.survey.trouble import SurveyError


@dataclass(frozen=True, slots=True)
class Capture:
    """What was in the air: frames read, those that could not be, access points, and floods in their names."""

    frames: int
    damaged: int
    senders: tuple[Sender, ...]
    floods: tuple[Flood, ...]


class CaptureError(SurveyError):
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
        raise CaptureError(N_("{name}: not read within {seconds} s"), name=arguments[0], seconds=f"{within:g}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise CaptureError("{why}", why=lines[-1] if lines else arguments[0])
    found = json.loads(done.stdout)
    if found["frames"] == found["damaged"]:
        name = arguments[1] if arguments[0] == "--monitor" else arguments[0]
        raise CaptureError(
            N_("{name}: no whole 802.11 frame was heard; is the interface up, and on a channel in use?"), name=name
        )
    senders = tuple(Sender(**sender) for sender in found["senders"])
    return Capture(found["frames"], found["damaged"], senders, tuple(Flood(**flood) for flood in found["floods"]))
