"""Golden files: what a collector's reading looks like on /metrics, reviewed by diff and re-recorded only by flag."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from agent.exposition import render
from agent.state import State
from collectors.model import Reading

FOLDER = Path(__file__).parents[1] / "golden"


def exposed(*readings: Reading) -> str:
    """The readings in the Prometheus text format."""
    state = State()
    for reading in readings:
        state.apply(reading, 1.0)
    return render(state.series()).decode()


def check(name: str, readings: Iterable[Reading], *, volatile: str = r"(?!)") -> None:
    """Compare with tests/golden/<name>.prom; values of series that match `volatile` are replaced by `#`."""
    compare(name, exposed(*readings), volatile=volatile)


def compare(name: str, text: str, *, volatile: str = r"(?!)") -> None:
    """As `check`, with the text at hand."""
    got = "".join(re.sub(r" \S+$", " #", line) + "\n" if re.match(volatile, line) else f"{line}\n" for line in text.splitlines())
    file = FOLDER / f"{name}.prom"
    if os.environ.get("RECORD_GOLDEN"):
        FOLDER.mkdir(exist_ok=True)
        file.write_text(got, encoding="utf-8")
    assert got == file.read_text(encoding="utf-8")
