"""The terminal screen: verdict, next step, how it is known, then the table of checks, within 80 x 24."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.diagnose import report, screen
from agent.locale import translator
from tests.agent.diagnose.scenes import SCENES, same_as_recorded, scene
from tests.goldens import FOLDER


def drawn(found: report.Diagnosis, translate: report.Translate, *, width: int = 80, height: int = 24) -> str:
    """The screen without its colours."""
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None, highlight=False)
    screen.show(found, translate, console)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("name", SCENES)
def test_the_screens_are_as_recorded(name: str, lang: str, tmp_path: Path) -> None:
    same_as_recorded(drawn(scene(name, tmp_path, translator(lang)), translator(lang)), f"{name}.{lang}.screen.txt")


@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("name", SCENES)
def test_a_screen_of_80_by_24_holds_everything_and_nothing_is_wider(name: str, lang: str, tmp_path: Path) -> None:
    found = scene(name, tmp_path, translator(lang))
    lines = drawn(found, translator(lang)).splitlines()
    assert len(lines) <= 23, lines  # the prompt takes the last
    assert all(cell_len(line) <= 80 for line in lines)
    assert all(cell_len(line) <= 40 for line in drawn(found, translator(lang), width=40).splitlines())


@pytest.mark.parametrize("name", ["line-down.en", "line-down.vi", "loss-and-portal-500.vi", "cable-out.en", "healthy.vi"])
def test_the_page_shows_the_screens_as_they_are(name: str) -> None:
    golden = (FOLDER / "diagnose" / f"{name}.screen.txt").read_text(encoding="utf-8").strip("\n")
    assert f"```\n{golden}\n```" in (FOLDER.parents[1] / "docs" / "diagnosis.md").read_text(encoding="utf-8")


def test_the_verdict_is_first_then_the_next_step_the_evidence_and_the_table(tmp_path: Path) -> None:
    text = drawn(scene("line-down", tmp_path, translator("en")), translator("en"))
    order = ["The line eth0 is down", "  To do: Check the lights", "  Since ", "  Known from: uplink:eth0", "x line"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.lstrip().startswith(order[0])


def test_where_room_is_short_the_checks_give_way_and_the_layers_stay(tmp_path: Path) -> None:
    found = scene("loss-and-portal-500", tmp_path, translator("en"))
    assert "    service:ocsp.ca.gov.vn " in drawn(found, translator("en"))
    lines = drawn(found, translator("en"), height=20).splitlines()
    assert len(lines) <= 19
    assert sum(line.startswith("    ") for line in lines) == 1
    assert lines[-1].startswith("x services")


def test_what_could_not_be_looked_at_stands_below_the_table(tmp_path: Path) -> None:
    found = replace(scene("healthy", tmp_path, translator("en")), notes=["no ARP [no root]"])
    assert drawn(found, translator("en")).splitlines()[-1] == "* no ARP [no root]"
