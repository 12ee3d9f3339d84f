"""Survey files on disk: appended one visit at a time, read together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from agent.locale import N_
from agent.survey.trouble import SurveyError, unreadable
from collectors.wire.survey_file import NoVisitError, Visit, read, write


def append(file: Path, visit: Visit) -> None:
    """Add a visit, on disk before this returns.

    Raises:
        OSError: the file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab+") as handle:
        # A power cut may have torn the last line: begin a new one rather than spoil this one too.
        handle.seek(0, os.SEEK_END)
        if handle.tell():
            handle.seek(-1, os.SEEK_END)
            if handle.read(1) != b"\n":
                handle.write(b"\n")
        handle.write(write(visit).encode())
        handle.flush()
        os.fsync(handle.fileno())


def load(files: Iterable[Path]) -> list[Visit]:
    """The visits of several files in the order of their times.

    Raises:
        SurveyError: a file cannot be read, or holds something else.
    """
    found: list[Visit] = []
    for file in files:
        try:
            found += read(file.read_text(encoding="utf-8-sig", errors="replace"), str(file))
        except OSError as error:
            raise unreadable(file, error) from error
        except NoVisitError as error:
            text = N_(
                "{place}: no line of a survey file ({why}). Survey files are written by `agent survey --zone NAME`; captures and"
                " outputs of iw and netsh become one by `agent survey import FILE --zone NAME`."
            )
            raise SurveyError(text, place=error.place, why=error.why) from error
    return sorted(found, key=lambda visit: visit.time)
