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
    name = arguments[1] if is_live else arguments[0]
    if not is_live:
        try:
            Path(name).open("rb").close()
        except OSError as error:
            raise unreadable(name, error) from error
    command = [sys.executable, "-m", "agent.survey.air", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=within, check=False)  # noqa: S603  our own module
    except subprocess.TimeoutExpired:
        raise CaptureError(N_("{name}: not read within {seconds} s"), name=name, seconds=f"{within:g}") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        text = N_("{name}: {why}. Understood are captures of 802.11 frames (pcap, pcapng, also gzipped), made in monitor mode.")
        if is_live:
            text = N_(
                "{name}: {why}. Listening needs root and monitor mode (`iw dev {name} set type monitor`; `iw dev` lists all)."
            )
        raise CaptureError(text, name=name, why=lines[-1] if lines else str(done.returncode))
    found = json.loads(done.stdout)
    if found["frames"] == found["damaged"]:
        raise CaptureError(
            N_("{name}: no whole 802.11 frame was heard; is the interface up, and on a channel in use?"), name=name
        )
    senders = tuple(Sender(**sender) for sender in found["senders"])
    return Capture(found["frames"], found["damaged"], senders, tuple(Flood(**flood) for flood in found["floods"]))
