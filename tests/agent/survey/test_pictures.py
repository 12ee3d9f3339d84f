"""The files of a report, and the folder that they go to."""

import dataclasses
from pathlib import Path

import pytest

from agent.survey import pictures
from agent.survey.report import Limits, judge
from tests.agent.survey.samples import visits


def test_every_network_has_a_picture_of_its_own() -> None:
    several = dataclasses.replace(visits()[0], ssids=("CSC Nội bộ", "CSC-Free", "Đ"))
    assert pictures.names(judge([several], Limits())) == ["heatmap.png", "heatmap-csc-free.png", "heatmap-3.png"]


def test_a_report_that_lies_there_is_not_replaced_unless_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    survey = judge(visits(placed=False), Limits())

    def write(out: Path) -> list[tuple[str, bool]]:
        written = pictures.write(survey, None, [], plan=None, out=out, language="vi", site="Xã")
        return [(file.name, is_replaced) for file, is_replaced in written]

    assert pictures.free_folder(survey) == tmp_path
    assert write(tmp_path) == [("heatmap.png", False), ("report.html", False)]
    assert pictures.free_folder(survey) == tmp_path / "report-2"
    assert write(tmp_path / "report-2") == [("heatmap.png", False), ("report.html", False)]
    assert pictures.free_folder(survey) == tmp_path / "report-3"
    assert write(tmp_path) == [("heatmap.png", True), ("report.html", True)]
    assert "Khảo sát vùng phủ Wi-Fi: Xã" in (tmp_path / "report.html").read_text(encoding="utf-8")
