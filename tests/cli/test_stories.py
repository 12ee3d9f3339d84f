"""Stories of the command line: one file each with the command, the files it meets and what must be said.

A story begins with `$ agent …`; `--- NAME` begins a file, `--- stdout` and `--- stderr` what is expected there, and
`--- status N` the exit status. In what is expected, a line `...` stands for any lines and `…` for any text in a line.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
STORIES = sorted(HERE.glob("*.txt"))


def expected(text: str) -> re.Pattern[str]:
    """The pattern that the expected lines stand for."""
    lines = text.splitlines(keepends=True)
    return re.compile("".join("(?:.*\n)*?" if line == "...\n" else re.escape(line).replace("…", ".*") for line in lines))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path, tmp_path: Path) -> None:
    head, *parts = re.split(r"(?m)^--- ", path.read_text(encoding="utf-8"))
    (command,) = re.findall(r"(?m)^\$ agent (.*)$", head)
    said = {"stdout": "", "stderr": ""}
    status = 0
    for part in parts:
        name, _, content = part.partition("\n")
        if name.startswith("status "):
            status = int(name.removeprefix("status "))
        elif name in said:
            said[name] = content
        else:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content, encoding="utf-8")
    environ = {**os.environ, "COLUMNS": "100", "HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "agent", *command.split()],
        cwd=tmp_path,
        env={**environ, "PYTHONPATH": str(HERE.parent.parent), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert "Traceback" not in done.stderr
    for name, found in (("stdout", done.stdout), ("stderr", done.stderr)):
        assert expected(said[name]).fullmatch(found), f"{name} is:\n{found}"
    assert done.returncode == status
