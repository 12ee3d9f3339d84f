"""The report: the contract's JSON, text and page."""

import json
import re
from dataclasses import replace
from pathlib import Path
from string import Formatter

import pytest

from agent.diagnose import report
from agent.diagnose.codes import CODES
from agent.diagnose.graph import Check, Outcome, Result, Results, Status, Suspect
from agent.diagnose.judge import Finding, judge
from agent.locale import translator
from tests.agent.diagnose.scenes import SCENES, same_as_recorded, scene


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


def test_the_page_is_whole_and_escaped() -> None:
    page = report.as_html(diagnosis(DOWN), english, "vi")
    tags = set(re.findall(r"<([a-z]+)", page))
    assert {"script", "link", "img", "iframe"}.isdisjoint(tags)
    assert "&lt;answers&gt;" in page
    assert "Đà Lạt &amp; co" in page


def test_hardware_addresses_are_for_the_screen_alone() -> None:
    mac = "02:ab:cd:00:00:01"
    told = diagnosis(Suspect("address.duplicate", "eth0", {"address": "192.168.1.9", "other": mac}))
    outcome = Outcome(Status.FAIL, f"192.168.1.9: {mac}")
    told = replace(told, results={**told.results, "duplicate:eth0": Result(Check("duplicate:eth0", 2, _never), outcome, 0.1)})
    assert mac in report.as_text(told, english)
    sent = report.to_send(told)
    for text in (report.as_json(sent, english), report.as_html(sent, english, "en"), report.as_text(sent, english)):
        assert mac not in text
        assert len(set(re.findall(r"host ([0-9a-f]{16})", text))) == 1
        assert "192.168.1.9" in text


def test_every_sentence_takes_any_facts() -> None:
    for code in CODES.values():
        for template in (code.summary, code.action):
            names = [name for _, name, _, _ in Formatter().parse(template) if name is not None]
            assert all(name.isidentifier() for name in names), code.name
            assert report._fill(template, _finding(code.name), english)


def _finding(code: str) -> Finding:
    rows = [Result(Check("x", CODES[code].layer, _never), Outcome(Status.FAIL, suspects=(Suspect(code, "s"),)), 0.0)]
    return judge({row.check.id: row for row in rows})[0]


@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("name", SCENES)
def test_the_reports_are_as_recorded(name: str, lang: str, tmp_path: Path) -> None:
    found = scene(name, tmp_path, translator(lang))
    written = {
        "txt": report.as_text(found, translator(lang)),
        "json": report.as_json(found, translator(lang)),
        "html": report.as_html(found, translator(lang), lang),
    }
    for suffix, text in written.items():
        same_as_recorded(text, f"{name}.{lang}.{suffix}")
