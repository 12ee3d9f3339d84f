import dataclasses
import os
from pathlib import Path

from agent.exposition import render
from agent.state import State
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.site import Context, Site, Surroundings
from collectors.survey import SurveyCollector, SurveySettings, build
from collectors.wire.survey_file import Heard, Visit, write
from tests.goldens import check_golden


def heard(signal: float, band: str = "5") -> Heard:
    return Heard("CSC-Free", f"aa:00:00:00:00:{band[:1]}0", band, 36 if band == "5" else 6, signal)


def visit(time: float, zone: str, *signals: Heard, x: float | None = None) -> str:
    return write(Visit(time, zone, ("CSC-Free",), signals, x=x, y=x))


def collector(root: Path) -> SurveyCollector:
    context = Context(Machine(root), Site(), Surroundings(), (), state_dir=root)
    (found,) = build(SurveySettings(), context)
    assert isinstance(found, SurveyCollector)
    return found


def series(reading: Reading) -> dict[str, object]:
    return {" ".join((one.metric.name, *one.labels)): one.value for one in reading.observations}


async def test_surveys_of_several_days_are_exposed_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "surveys"
    folder.mkdir()
    (folder / "1.jsonl").write_text(visit(1.79e9, "Hall", heard(-80)) + visit(1.79e9, "Store"))
    (folder / "2.jsonl").write_text(
        visit(1.7901e9, "Hall", heard(-61), heard(-58, "2.4"))
        + "".join(visit(1.79e9, "Yard", heard(-60 - x), x=x) for x in (0, 4, 20))
    )
    reading = await collector(tmp_path).collect()
    state = State()
    state.apply(reading, 1.0)
    check_golden("survey", render(state.series()).decode())
    found = series(reading)
    assert found["commune_survey_signal_dbm Hall CSC-Free 5"] == -61
    assert found["commune_survey_signal_dbm Yard CSC-Free 5"] == -64
    assert "commune_survey_signal_dbm Store CSC-Free 5" not in found
    assert found["commune_survey_timestamp_seconds Store CSC-Free 5"] == 1.79e9


async def test_a_signal_that_is_not_known_is_absent_and_its_time_told(tmp_path: Path) -> None:
    (tmp_path / "surveys").mkdir()
    (tmp_path / "surveys/1.jsonl").write_text(visit(1.79e9, "Hall", dataclasses.replace(heard(-80), signal_dbm=None)))
    assert series(await collector(tmp_path).collect()) == {"commune_survey_timestamp_seconds Hall CSC-Free 5": 1.79e9}


async def test_a_new_visit_shows_at_the_next_interval(tmp_path: Path) -> None:
    folder = tmp_path / "surveys"
    folder.mkdir()
    file = folder / "1.jsonl"
    survey = collector(tmp_path)
    assert (await survey.collect()).reason is Reason.NOT_SUPPORTED
    file.write_text(visit(1.79e9, "Hall", heard(-80)))
    assert series(await survey.collect())["commune_survey_signal_dbm Hall CSC-Free 5"] == -80
    file.write_text(file.read_text() + visit(1.7901e9, "Hall", heard(-55)))
    assert series(await survey.collect())["commune_survey_signal_dbm Hall CSC-Free 5"] == -55


async def test_a_damaged_file_is_named_and_the_others_remain(tmp_path: Path) -> None:
    folder = tmp_path / "surveys"
    folder.mkdir()
    (folder / "a.jsonl").write_text("no survey\n" * 2)
    (folder / "b.jsonl").write_text(visit(1.79e9, "Hall", heard(-50)))
    reading = await collector(tmp_path).collect()
    assert reading.reason is Reason.MALFORMED
    assert f"{folder / 'a.jsonl'}:1" in reading.detail
    assert len(series(reading)) == 2


async def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "surveys"
    folder.mkdir()
    file = folder / "1.jsonl"
    file.write_text(visit(1.79e9, "Hall", heard(-50)))
    survey = collector(tmp_path)
    first = await survey.collect()
    stat = file.stat()
    file.write_text(file.read_text().replace("-50", "-99"))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert series(await survey.collect()) == series(first)


async def test_without_a_state_directory_there_is_nothing_to_show(tmp_path: Path) -> None:
    (survey,) = build(SurveySettings(), Context(Machine(tmp_path), Site(), Surroundings(), ()))
    assert (await survey.collect()).reason is Reason.NOT_SUPPORTED
