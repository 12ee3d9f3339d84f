"""Starts the short process that reads frames (`agent.survey.air`) and takes its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from agent.locale import N_
from agent.survey.air import Flood, Sender
from agent.survey.trouble import SurveyError, unreadable


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
        SurveyError: no such file or interface, no capture, or no permission.
    """
    is_live = arguments[0] == "--monitor"
    if not is_live:
        try:
            Path(arguments[0]).open("rb").close()
        except OSError as error:
            raise unreadable(arguments[0], error) from error
    command = [sys.executable, "-m", "agent.survey.air", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)  # noqa: S603  our own module
    except subprocess.TimeoutExpired:
        raise CaptureError(N_("{name}: not read within {seconds} s"), name=arguments[0], seconds=f"{within:g}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        text = N_(
            "{said}. Understood are captures of 802.11 frames from an interface in monitor mode (pcap, pcapng, also gzipped)."
        )
        if is_live:
            text = N_("{said}. Listening needs root and an interface in monitor mode; `iw dev` lists the interfaces.")
        raise CaptureError(text, said=lines[-1] if lines else arguments[0])
    found = json.loads(done.stdout)
    if found["frames"] == found["damaged"]:
        name = arguments[1] if is_live else arguments[0]
        raise CaptureError(
            N_("{name}: no whole 802.11 frame was heard; is the interface up, and on a channel in use?"), name=name
        )
    senders = tuple(Sender(**sender) for sender in found["senders"])
    return Capture(found["frames"], found["damaged"], senders, tuple(Flood(**flood) for flood in found["floods"]))
