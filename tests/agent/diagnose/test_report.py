"""The report: the contract's JSON, text, screen and page."""

import io
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.diagnose import report
from agent.diagnose.codes import CODES
from agent.diagnose.graph import Check, Outcome, Result, Results, Status, Suspect
from agent.diagnose.judge import Finding, judge
from agent.locale import translator
from tests.agent.diagnose.scenes import SCENES, scene
from tests.goldens import FOLDER


async def _never(_: Results) -> Outcome:
    raise AssertionError


def english(text: str) -> str:
    return text


def diagnosis(*suspects: Suspect) -> report.Diagnosis:
    rows = [
        Result(Check("gateway:eth0", 3, _never), Outcome(Status.PASS, "192.168.1.1 0.4 ms"), 0.1),
        Result(
            Check("uplink:internet", 4, _never, needs=("gateway:eth0",)),
            Outcome(Status.FAIL if suspects else Status.PASS, "0 of 15 <answers>", {"sent": 15}, suspects),
            1.04,
        ),
        Result(Check("service:portal", 6, _never, needs=("uplink:internet",)), Outcome(Status.SKIP, "uplink:internet"), 0.0),
    ]
    results = {row.check.id: row for row in rows}
    return report.Diagnosis(
        {"commune": "24781", "name": "Đà Lạt & co"}, 1.7e9, 8.2, judge(results), results, notes=("no ARP: no root",)
    )


DOWN = Suspect("link.down", "internet", {"carrier": "vnpt"})


def test_json_is_the_contracts() -> None:
    document = json.loads(report.as_json(diagnosis(DOWN), english))
    assert document["schema"] == 1
    assert document["verdict"] == "wan.down"
    assert document["healthy"] is False
    assert document["started"] == "2023-11-14T22:13:20Z"
    assert document["findings"][0] == {
        "code": "wan.down",
        "subject": "internet",
        "layer": 4,
        "severity": "critical",
        "root": True,
        "explains": [],
        "summary": "The line internet is down beyond the router (vnpt).",
        "action": CODES["wan.down"].action.format(carrier="vnpt"),
        "evidence": ["uplink:internet"],
    }
    assert document["checks"][1] == {
        "id": "uplink:internet",
        "status": "fail",
        "detail": "0 of 15 <answers>",
        "data": {"sent": 15},
        "seconds": 1.04,
    }
    healthy = json.loads(report.as_json(diagnosis(), english))
    assert healthy["healthy"] is True
    assert healthy["verdict"] is None
    assert healthy["findings"] == []


def test_the_verdict_is_the_first_line_and_the_next_step_the_second() -> None:
    lines = report.as_text(diagnosis(DOWN), english).splitlines()
    assert lines[0] == "The line internet is down beyond the router (vnpt)."
    assert lines[1].startswith("  To do: Check the lights of the modem")
    assert "\x1b" not in report.as_text(diagnosis(DOWN), english)
    assert report.as_text(diagnosis(), english).startswith("No fault found.")


def test_an_unknown_carrier_is_told_as_unknown() -> None:
    text = report.as_text(diagnosis(Suspect("link.down", "internet", {"carrier": ""})), english)
    assert "(carrier unknown)" in text


def test_the_screen_fits_a_terminal() -> None:
    out = io.StringIO()
    report.show(diagnosis(DOWN), english, Console(file=out, width=80, force_terminal=True, color_system=None))
    assert max(map(len, out.getvalue().splitlines())) <= 80
    assert "The line internet is down" in out.getvalue()


def test_the_page_is_whole_and_escaped() -> None:
    page = report.as_html(diagnosis(DOWN), english, "vi")
    tags = set(re.findall(r"<([a-z]+)", page))
    assert {"script", "link", "img", "iframe"}.isdisjoint(tags)
    assert "&lt;answers&gt;" in page
    assert "Đà Lạt &amp; co" in page


def test_every_sentence_takes_any_facts() -> None:
    for code in CODES.values():
        for template in (code.summary, code.action):
            names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
            assert all(name.isidentifier() for name in names), code.name
            assert report._fill(template, _finding(code.name), english)


def _finding(code: str) -> Finding:
    rows = [Result(Check("x", CODES[code].layer, _never), Outcome(Status.FAIL, suspects=(Suspect(code, "s"),)), 0.0)]
    return judge({row.check.id: row for row in rows})[0]


@pytest.fixture(autouse=True)
def in_vietnam(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def drawn(found: report.Diagnosis, translate: report.Translate, *, width: int = 80) -> str:
    """The screen without its colours."""
    out = io.StringIO()
    report.show(found, translate, Console(file=out, width=width, force_terminal=True, color_system=None, highlight=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("name", SCENES)
def test_the_screens_are_as_recorded(name: str, lang: str, tmp_path: Path) -> None:
    found = scene(name, tmp_path, translator(lang))
    written = {
        "screen.txt": drawn(found, translator(lang)),
        "txt": report.as_text(found, translator(lang)),
        "json": report.as_json(found, translator(lang)),
        "html": report.as_html(found, translator(lang), lang),
    }
    for suffix, text in written.items():
        file = FOLDER / "diagnose" / f"{name}.{lang}.{suffix}"
        if os.environ.get("RECORD_GOLDEN"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), file.name


@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("name", SCENES)
def test_a_screen_of_80_by_24_holds_the_verdict_and_nothing_is_wider(name: str, lang: str, tmp_path: Path) -> None:
    found = scene(name, tmp_path, translator(lang))
    lines = drawn(found, translator(lang)).splitlines()
    assert len(lines) <= 23, lines  # the prompt takes the last
    assert all(cell_len(line) <= 80 for line in lines)
    assert report.headline(found, translator(lang)) in " ".join(line.strip() for line in lines)
    assert all(cell_len(line) <= 40 for line in drawn(found, translator(lang), width=40).splitlines())
