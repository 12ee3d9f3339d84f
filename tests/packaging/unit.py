"""Reads the systemd unit."""

from __future__ import annotations

import re
from pathlib import Path

from tests.agent.running import ROOT

UNIT = ROOT / "packaging/systemd/commune-agent.service"


def settings(path: Path = UNIT) -> dict[str, list[str]]:
    """Every directive with its values, in order."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"(?m)^([A-Za-z]+)=(.*)$", path.read_text(encoding="utf-8")):
        found.setdefault(key, []).append(value)
    return found
