from pathlib import Path

import pytest

from agent.survey import store
from agent.survey.trouble import SurveyError
from collectors.wire.survey_file import Visit


def test_visits_are_appended_and_read_in_the_order_of_time(tmp_path: Path) -> None:
    files = [tmp_path / "new" / "b.jsonl", tmp_path / "a.jsonl"]
    store.append(files[0], Visit(20.0, "B", ()))
    store.append(files[1], Visit(10.0, "A", ()))
    store.append(files[1], Visit(30.0, "C", ()))
    assert [visit.zone for visit in store.load(files)] == ["A", "B", "C"]


def test_a_line_torn_by_a_power_cut_does_not_spoil_the_next(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    store.append(file, Visit(10.0, "A", ()))
    file.write_bytes(file.read_bytes() + b'{"survey": 1, "ti')
    store.append(file, Visit(20.0, "B", ()))
    assert file.read_text().splitlines()[2].startswith('{"survey": 1')
    with pytest.raises(SurveyError, match=r"a\.jsonl:2"):
        store.load([file])


def test_what_is_no_survey_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(b"\xd4\xc3\xb2\xa1\x02\x00\n\xff\n")
    with pytest.raises(SurveyError, match=r"a\.pcap:1: no line of a survey file .*`agent survey import FILE --zone NAME`"):
        store.load([tmp_path / "a.pcap"])
    with pytest.raises(SurveyError, match=r"none\.jsonl: cannot be read: No such file or directory; name a file"):
        store.load([tmp_path / "none.jsonl"])
