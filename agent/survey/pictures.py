"""The files of a report: a heat map of each network and the page that holds them, and the folder that they go to."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.locale import translator
from agent.survey import heatmap, page
from agent.survey.plan import Plan
from agent.survey.report import Change, Survey

PAGE = "report.html"


def names(survey: Survey) -> list[str]:
    """A file name for the picture of each network."""
    found = []
    for number, ssid in enumerate(survey.ssids, start=1):
        suffix = "" if number == 1 else "-" + (re.sub(r"[^a-z0-9]+", "-", ssid.lower()).strip("-") or str(number))
        found.append(f"heatmap{suffix}.png")
    return found


def free_folder(survey: Survey) -> Path:
    """The current folder, unless something of a report lies there: then the first of `report-2`, `report-3`, … that is free.

    Nobody who names no folder expects a file of theirs to be replaced.
    """
    if not any(Path(name).exists() for name in (*names(survey), PAGE)):
        return Path.cwd()
    return next(folder for number in itertools.count(2) if not (folder := Path.cwd() / f"report-{number}").exists())


def write(
    survey: Survey,
    earlier: Survey | None,
    changes: Sequence[Change],
    *,
    plan: Plan | None,
    out: Path,
    language: str,
    site: str,
) -> Iterator[tuple[Path, bool]]:
    """Draw and write all; gives each file, and whether it replaced one.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OSError: the plan is no picture, or a file cannot be written.
    """
    _ = translator(language)
    out.mkdir(parents=True, exist_ok=True)
    pictures = [out / name for name in names(survey)]
    files = [*pictures, out / PAGE]
    replaced = [file.exists() for file in files]
    for ssid, picture in zip(survey.ssids, pictures, strict=True):
        heatmap.draw(survey, ssid, plan, picture, _, earlier)
    files[-1].write_text(page.render(survey, changes, pictures, language, _, site), encoding="utf-8")
    return zip(files, replaced, strict=True)
