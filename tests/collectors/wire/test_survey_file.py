import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.ieee80211 import Bss
from collectors.wire.survey_file import UNHEARD, WALK, ChannelUse, Heard, Visit, latest, read, summarize, write

OWN = Bss("aa:00:00:00:00:01", "CSC-Free", 5180, -60.0, 80, "wpa2", 0.25)
NEIGHBOUR = Bss("bb:00:00:00:00:09", "Quán cà phê", 2437, -70.0)
names = st.text(max_size=12)
signals = st.floats(-120, 0).map(lambda value: round(value, 1))
heard = st.builds(Heard, names, names, st.sampled_from(["2.4", "5", "6"]), st.integers(1, 233), signals)
channels = st.builds(ChannelUse, st.sampled_from(["2.4", "5"]), st.integers(1, 165), st.integers(1, 50), st.none() | signals)
visits = st.builds(
    Visit,
    st.integers(0, 4_000_000_000).map(float),
    names,
    st.lists(names, max_size=3).map(tuple),
    st.lists(heard, max_size=3).map(tuple),
    st.lists(channels, max_size=3).map(tuple),
    st.none() | st.floats(-1e6, 1e6),
    st.none() | st.floats(-1e6, 1e6),
    st.integers(1, 50),
)


def test_medians_of_repeated_scans_count() -> None:
    scans = [[OWN], [Bss(OWN.bssid, OWN.ssid, 5180, -90.0)], [Bss(OWN.bssid, OWN.ssid, 5180, -62.0)]]
    (found,), others = summarize(scans, ["CSC-Free"])
    assert (found.signal_dbm, found.channel, found.band) == (-62, 36, "5")
    assert others == ()


def test_neighbours_are_counted_and_never_named() -> None:
    visit = Visit(0.0, "Hall", ("CSC-Free",), *summarize([[OWN, NEIGHBOUR]] * 3, ["CSC-Free"]))
    line = write(visit)
    assert visit.channels == (ChannelUse("2.4", 6, 1, -70.0),)
    assert "Quán" not in line
    assert "bb:00" not in line
    assert OWN.bssid in line


def test_the_last_visit_of_each_spot_counts() -> None:
    spots = [Visit(time, zone, (), x=x, y=x) for time, zone, x in ((1, "A", 1.0), (3, "A", 1.0), (2, "A", 2.0), (1, "B", 1.0))]
    assert [(visit.zone, visit.x, visit.time) for visit in latest(spots)] == [("B", 1.0, 1), ("A", 2.0, 2), ("A", 1.0, 3)]


def test_visits_of_a_zone_without_a_position_are_spots_of_one_walk_and_a_later_walk_replaces_them() -> None:
    monday, tuesday = [Visit(time, "A", ()) for time in (0, 60, WALK)], [Visit(time, "A", ()) for time in (9e4, 9e4, 9e4 + 60)]
    placed, other = Visit(30, "A", (), x=1.0, y=1.0), Visit(10, "B", ())
    assert latest([*reversed(monday), placed, other]) == [monday[0], other, placed, *monday[1:]]
    assert latest([*tuesday, *monday, placed, other]) == [other, placed, *tuesday]


def test_heard_without_a_signal_is_neither_unheard_nor_weak() -> None:
    silent = dataclasses.replace(OWN, signal_dbm=None)
    (found,), _ = summarize([[silent], [silent]], ["CSC-Free"])
    visit = Visit(0.0, "Hall", ("CSC-Free", "CSC-Staff"), (found,))
    assert "signal_dbm" not in write(visit)
    (again,) = read(write(visit), "f")
    assert (again.signal("CSC-Free"), again.signal("CSC-Staff")) == (None, UNHEARD)
    told = Heard("CSC-Free", "aa:00:00:00:00:99", "5", 36, -90.0)
    assert dataclasses.replace(visit, heard=(found, told)).signal("CSC-Free") == -90


@given(st.lists(visits, max_size=4))
def test_what_is_written_is_read_back(written: list[Visit]) -> None:
    assert list(read("".join(map(write, written)), "f")) == written


def test_a_torn_last_line_is_passed_over_and_others_are_named() -> None:
    line = write(Visit(0.0, "Hall", ()))
    assert len(list(read(line + line[:20], "f"))) == 1
    with pytest.raises(ValueError, match=r"^f:2: no line of a survey file"):
        list(read(line + "{}\n" + line, "f"))


def refusal(text: str) -> str:
    """What `read` has against a text; empty when nothing."""
    try:
        list(read(text, "f"))
    except ValueError as error:
        return str(error)
    return ""


@given(
    st.recursive(st.none() | st.integers() | st.floats() | names, lambda inner: st.lists(inner) | st.dictionaries(names, inner))
)
def test_any_json_is_refused_with_its_line(value: object) -> None:
    assert refusal(json.dumps(value) + "\n").startswith("f:1: ")


@given(
    st.dictionaries(
        st.sampled_from(["survey", "time", "zone", "ssids", "heard", "channels", "x", "scans"]),
        names | st.none() | st.lists(st.none()),
    )
)
def test_any_object_of_a_visits_keys_is_read_or_refused(row: dict[str, object]) -> None:
    assert refusal(json.dumps({"time": "2026-01-01T00:00:00Z", "zone": "", "ssids": [], "heard": [], **row, "survey": 1}) + "\n")[
        :4
    ] in {"", "f:1:"}


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert refusal(text)[:2] in {"", "f:"}
