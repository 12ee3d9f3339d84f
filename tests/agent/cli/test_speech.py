"""The language of the command line, and an end without a traceback whatever becomes of the output."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from agent.cli import main, speech
from agent.locale import translator

ROOT = Path(__file__).parents[3]
AGENT = f"PYTHONPATH={ROOT} {sys.executable} -m agent"


@pytest.mark.parametrize(
    ("words", "language"),
    [
        ("gaps --lang vi", "vi"),
        ("--lang=vi gaps", "vi"),
        ("gaps --lang", None),
        ("gaps --lang xx", None),
        ("gaps --language vi", None),
        ("gaps vi", None),
    ],
)
def test_the_language_may_stand_anywhere(words: str, language: str | None) -> None:
    assert speech.asked(words.split()) == language


def test_a_command_is_translated_as_a_copy() -> None:
    before = [(parameter.name, getattr(parameter, "help", None)) for parameter in main.params]
    spoken = speech.spoken(main, translator("vi"))
    assert spoken.help.startswith("Giám sát")
    assert [parameter.name for parameter in spoken.params].count("lang") == 1
    assert [(parameter.name, getattr(parameter, "help", None)) for parameter in main.params] == before


def test_click_still_says_what_is_translated() -> None:
    said = {
        text
        for module in (click.core, click.decorators, click.exceptions, click.formatting, click.types)
        for text in texts(module)
    }
    assert set(speech.CLICKS_OWN) <= said


def texts(module: object) -> set[str]:
    """Every constant of a module of click."""
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    return {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("metrics --format json >/dev/full", 2, "output: No space left on device"),
        ("check-config {example} >/dev/full", 2, "output: No space left on device"),
        ("--help >/dev/full", 2, "output: No space left on device"),
        ("check-config {example} >&-", 0, ""),
        ("check-config {example} >&- 2>&-", 0, ""),
        ("check-config nowhere.yaml <&- >&-", 2, "nowhere.yaml: cannot be read: No such file or directory; name a readable file"),
        ("metrics --format json | head -c 1 >&2", 0, "["),
    ],
)
def test_an_output_that_takes_nothing_is_no_traceback(line: str, status: int, said: str, tmp_path: Path) -> None:
    command = f"{AGENT} {line.format(example=ROOT / 'config/agent.example.yaml')}"
    environ = {**os.environ, "LANG": "C.UTF-8"}
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (status, said)
