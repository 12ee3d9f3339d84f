"""The pictures: colours, hatching and labels are where the survey says, read back from the drawn picture itself."""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from agent.locale import translator
from agent.survey import heatmap
from agent.survey.plan import Plan, extent_of
from agent.survey.report import Limits, judge
from agent.survey.trouble import MissingExtraError
from tests.agent.survey.samples import visits

LIMITS = Limits()


def drawn(file: Path) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def share(file: Path, red: int, green: int, blue: int, within: int = 45) -> float:
    """Share of the picture's points near a colour."""
    distance = np.abs(drawn(file).astype(int) - np.array([red, green, blue])).max(axis=2)
    return float((distance < within).mean())


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    picture = Image.new("RGB", (1000, 640), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 20, 980, 620), outline="black", width=6)
    pen.line((20, 340, 980, 340), fill="black", width=6)
    picture.save(tmp_path / "plan.png")
    return Plan(tmp_path / "plan.png")


@pytest.mark.parametrize("language", ["en", "vi"])
def test_a_map_over_the_plan_shows_good_and_dead_areas(tmp_path: Path, plan: Plan, language: str) -> None:
    file = tmp_path / "map.png"
    heatmap.draw(judge(visits(), LIMITS), "CSC-Free", plan, file, translator(language))
    assert drawn(file).shape[1] >= 1100
    assert share(file, 0x66, 0xBD, 0x63, 90) > 0.05, "green where it is good"
    assert share(file, 0x7F, 0x00, 0x00, 90) > 0.03, "dark red where it is dead"


def test_a_covered_site_has_no_dead_area(tmp_path: Path, plan: Plan) -> None:
    covered = [visit for visit in visits(20) if visit.heard]
    file = tmp_path / "map.png"
    heatmap.draw(judge(covered, LIMITS), "CSC-Free", plan, file, translator("en"))
    bare = tmp_path / "dead.png"
    heatmap.draw(judge(visits(), LIMITS), "CSC-Free", plan, bare, translator("en"))
    assert share(file, 0x7F, 0x00, 0x00) < share(bare, 0x7F, 0x00, 0x00) / 2


def test_without_a_plan_a_grid_and_without_places_bars(tmp_path: Path) -> None:
    for placed in (True, False):
        file = tmp_path / f"{placed}.png"
        survey = judge(visits(placed=placed), LIMITS)
        heatmap.draw(survey, "CSC-Free", None, file, translator("vi"))
        assert share(file, 255, 255, 255, 6) < 0.95


def test_a_spot_whose_signal_is_not_known_is_marked_and_paints_nothing(tmp_path: Path) -> None:
    unknown = [
        dataclasses.replace(visit, heard=tuple(dataclasses.replace(one, signal_dbm=None) for one in visit.heard))
        for visit in visits()
        if visit.heard
    ]
    survey = judge(unknown, LIMITS)
    labels = heatmap._labels(survey, "CSC-Free", translator("en"))
    assert [label.text.split("\n")[1] for label in labels] == ["unknown"] * 4
    for placed in (True, False):
        file = tmp_path / f"{placed}.png"
        drawing = survey if placed else judge([dataclasses.replace(visit, x=None, y=None) for visit in unknown], LIMITS)
        heatmap.draw(drawing, "CSC-Free", None, file, translator("vi"))
        assert share(file, 0x7F, 0x00, 0x00) < 0.005, "but for the line of the limit"


def test_before_and_after_stand_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "both.png"
    heatmap.draw(judge(visits(), LIMITS), "CSC-Free", None, file, translator("en"), judge(visits(-9), LIMITS))
    height, width, _ = drawn(file).shape
    assert width > 2 * height


def test_the_map_is_right_where_it_was_measured(tmp_path: Path) -> None:
    """The painted value at each spot is the measured one: the best spot is the greenest, the unheard one the reddest."""
    figure = heatmap.libraries().Figure()
    survey = judge(visits(), LIMITS)
    image = heatmap._map(figure.subplots(), survey, "CSC-Free", None, extent_of(survey.visits, None))
    left, right, bottom, top = image.get_extent()
    values = image.get_array()
    for visit in survey.visits:
        assert visit.x is not None
        assert visit.y is not None
        column = round((visit.x - left) / (right - left) * (values.shape[1] - 1))
        row = round((visit.y - top) / (bottom - top) * (values.shape[0] - 1))
        best = visit.best("CSC-Free")
        assert values[row, column] == pytest.approx(best.signal_dbm if best else heatmap.FAINTEST, abs=1.5), visit.zone


def test_a_zone_of_several_spots_is_named_once_and_each_spot_has_its_signal() -> None:
    hall, *others = visits()
    survey = judge([hall, dataclasses.replace(hall, x=320.0), dataclasses.replace(hall, x=260.0, heard=()), *others], LIMITS)
    labels = heatmap._labels(survey, "CSC-Free", translator("vi"))
    assert [(one.text, round(one.x)) for one in labels if one.is_title] == [(hall.zone, 260)]
    told = [one.text for one in labels if one.y == hall.y and one.x < 400 and not one.is_title]
    assert told == ["-48 dBm", "-48 dBm", "không bắt được · mất sóng"]
    assert "Kho lưu trữ\n-79 dBm · mất sóng" in [one.text for one in labels], "alone in its zone: name and signal together"


def test_a_survey_of_several_days_has_their_dates() -> None:
    first, *_ = visits()
    later = dataclasses.replace(first, time=first.time + 2 * 86400)
    one, two = heatmap.days([later, first, first])
    assert (len(one), one[2], one[-5]) == (10, "/", "/")
    assert one != two


@pytest.mark.parametrize(("across", "down"), [(1.0, 1.0), (0.2, 1.6), (2.5, 0.2), (0.0, 0.0)])
def test_a_picture_has_the_shape_of_the_building_and_nothing_of_it_is_cut_off(tmp_path: Path, across: float, down: float) -> None:
    """Tall wings, wide halls, one spot: no ink touches the edge, and the map fills most of the picture."""
    spots = [dataclasses.replace(visit, x=(visit.x or 0) * across, y=(visit.y or 0) * down) for visit in visits()]
    heatmap.draw(judge(spots, LIMITS), "CSC-Free", None, tmp_path / "a.png", translator("vi"))
    with Image.open(tmp_path / "a.png") as picture:
        seen = np.asarray(picture.convert("L")).astype(int)
    assert min(seen[:, :2].min(), seen[:, -2:].min(), seen[:2].min(), seen[-2:].min()) > 200
    coloured = (seen < 250).mean(axis=0) > 0.2
    assert coloured.mean() > 0.4, "columns that show the map"


def test_names_with_a_dollar_are_no_formula(tmp_path: Path) -> None:
    heatmap.draw(judge(visits(ssid="$x^2$"), LIMITS), "$x^2$", None, tmp_path / "a.png", translator("en"))
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"commune-agent\[survey\]"):
        heatmap.libraries()
