"""The floor plan under a heat map: what is no picture is named, and lengths are what they say."""

import sys
from pathlib import Path

import pytest
from PIL import Image

from agent.survey.heatmap import libraries
from agent.survey.plan import Plan, backdrop, extent_of
from agent.survey.trouble import MissingExtraError, SurveyError
from tests.agent.survey.samples import visits


def test_a_plan_that_is_no_picture_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan.txt").write_text("hello")
    with pytest.raises(SurveyError, match=r"plan\.txt: no picture; a floor plan is a PNG or JPEG file"):
        Plan.of(tmp_path / "plan.txt", None)
    with pytest.raises(SurveyError, match=r"none\.png: cannot be read: No such file"):
        Plan.of(tmp_path / "none.png", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match=r"commune-agent\[survey\]"):
        Plan.of(tmp_path / "plan.txt", None)


def test_a_plan_in_metres_has_a_ruler(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 640), "white").save(tmp_path / "plan.png")
    metres = Plan.of(tmp_path / "plan.png", 34.0)
    assert extent_of([], metres) == pytest.approx((0.0, 34.0, 21.76, 0.0))
    assert extent_of([], Plan(metres.file)) == (0.0, 1000.0, 640.0, 0.0)
    axis = libraries().Figure().subplots()
    backdrop(axis, metres, extent_of([], metres))
    assert [text.get_text() for text in axis.texts] == ["5 m"]
    (ruler,) = axis.lines
    assert ruler.get_xdata()[1] - ruler.get_xdata()[0] == pytest.approx(5)


def test_without_a_plan_every_spot_has_room() -> None:
    left, right, bottom, top = extent_of(visits(), None)
    assert all(left < (visit.x or 0) < right and top < (visit.y or 0) < bottom for visit in visits())
