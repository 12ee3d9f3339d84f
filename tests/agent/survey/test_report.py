import dataclasses

import pytest

from agent.locale import translator
from agent.survey.report import Limits, advice, as_text, compare, dbm, judge, table
from collectors.wire.survey_file import UNHEARD, ChannelUse, Heard, Visit
from tests.agent.survey.samples import FAR, visits

ENGLISH, VIETNAMESE = translator("en"), translator("vi")
LIMITS = Limits()


def one(*heard: Heard, channels: tuple[ChannelUse, ...] = (), zone: str = "Hall", x: float | None = None) -> Visit:
    return Visit(1.79e9, zone, ("CSC-Free",), heard, channels, x=x, y=x)


def ap(
    signal: float | None, channel: int = 36, band: str = "5", bssid: str = "aa:00:00:00:01:00", load: float | None = None
) -> Heard:
    return Heard("CSC-Free", bssid, band, channel, signal, load=load)


@pytest.mark.parametrize(
    ("signal", "verdict"),
    [(-67.0, "good"), (-67.1, "weak"), (-75.0, "weak"), (-75.1, "dead"), (UNHEARD, "dead"), (None, "unknown")],
)
def test_a_signal_is_judged_by_both_limits(signal: float | None, verdict: str) -> None:
    assert LIMITS.verdict(signal) == verdict


def test_every_zone_has_its_verdict() -> None:
    survey = judge(visits(), LIMITS)
    assert {zone.zone: zone.verdict for zone in survey.zones} == {
        "Quầy tiếp nhận": "good",
        "Phòng chờ": "good",
        "Phòng họp trực tuyến": "weak",
        "Kho lưu trữ": "dead",
        "Sân trước": "dead",
    }
    assert [zone.zone for zone in survey.dead] == ["Kho lưu trữ", "Sân trước"]


def test_the_weakest_spot_decides_and_the_median_is_shown() -> None:
    survey = judge([one(ap(-50), x=0.0), one(ap(-60), x=1.0), one(ap(-80), x=2.0)], LIMITS)
    (zone,) = survey.zones
    assert (zone.signal_dbm, zone.weakest_dbm, zone.spots, zone.verdict) == (-60, -80, 3, "dead")


@pytest.mark.parametrize(
    ("spots", "signal", "weakest", "verdict"),
    [
        ([[ap(None)]], None, None, "unknown"),
        ([[ap(None)], [ap(-50)]], -50, -50, "unknown"),
        ([[ap(None)], [ap(-70)]], -70, -70, "weak"),
        ([[ap(None)], []], None, UNHEARD, "dead"),
        ([[ap(None), ap(-60, bssid="aa:00:00:00:02:00")]], -60, -60, "good"),
    ],
)
def test_what_a_radio_does_not_tell_is_unknown_and_not_dead(
    spots: list[list[Heard]], signal: float | None, weakest: float | None, verdict: str
) -> None:
    survey = judge([one(*heard, x=float(number)) for number, heard in enumerate(spots)], LIMITS)
    (zone,) = survey.zones
    assert (zone.signal_dbm, zone.weakest_dbm, zone.verdict) == (signal, weakest, verdict)
    assert (survey.places, bool(survey.dead)) == ({"Hall": verdict}, verdict == "dead")
    told = "tells no signal in dBm" in "".join(advice(survey, ENGLISH))
    assert told == (verdict == "unknown"), "and what to do about it"


def test_a_change_is_only_told_where_both_are_known() -> None:
    silent, heard, unheard = (judge([one(*spot)], LIMITS) for spot in ([ap(None)], [ap(-50)], []))
    assert [change.gain_db for change in (*compare(silent, heard), *compare(heard, silent), *compare(unheard, heard))] == [
        None
    ] * 3


def test_bands_have_rows_of_their_own() -> None:
    survey = judge([one(ap(-60), ap(-50, 6, "2.4"), ap(-70))], LIMITS)
    assert [(row.band, row.signal_dbm, row.channel) for row in survey.rows] == [("2.4", -50, 6), ("5", -60, 36)]
    assert survey.zones[0].verdict == "good", "the best band covers the zone"


def test_a_zone_where_the_network_was_not_looked_for_is_not_judged() -> None:
    other = dataclasses.replace(one(ap(-50), zone="Yard"), ssids=())
    assert [zone.zone for zone in judge([one(ap(-50)), other], LIMITS).zones] == ["Hall"]


def test_before_and_after_are_compared_by_zone() -> None:
    changes = compare(judge(visits(-9), LIMITS), judge(visits(), LIMITS))
    assert [change.gain_db for change in changes] == [9, 9, 9, 9, None]
    text = as_text(judge(visits(), LIMITS), changes, ENGLISH)
    assert "+9 dB" in text


@pytest.mark.parametrize(
    ("visit", "words"),
    [
        (one(), "no usable signal of CSC-Free (not heard)"),
        (one(ap(-70)), "is weak (-70 dBm)"),
        (one(ap(-50, 6, "2.4")), "2.4 GHz only"),
        (one(ap(-50, 4, "2.4")), "overlaps two others"),
        (
            one(ap(-50, 6, "2.4"), channels=(ChannelUse("2.4", 6, 3, -60.0),)),
            "shares channel 6 (2.4 GHz) with 3 other networks; channel 1",
        ),
        (one(ap(-50, load=0.62)), "busy 62 % of the time"),
        (one(ap(-50), ap(-55, bssid="aa:00:00:00:02:00")), "overlap on channels 36 and 36"),
        (one(ap(-50, 6, "2.4"), ap(-55, 8, "2.4", bssid="aa:00:00:00:02:00")), "overlap on channels 6 and 8"),
        (one(ap(-50)), "nothing to do"),
    ],
)
def test_advice_names_what_is_to_be_done(visit: Visit, words: str) -> None:
    assert any(words in line for line in advice(judge([visit], LIMITS), ENGLISH)), advice(judge([visit], LIMITS), ENGLISH)


def test_a_zone_has_one_verdict_the_worst_of_its_networks() -> None:
    other = dataclasses.replace(one(ap(-50), zone="Yard"), ssids=("CSC-Free", "CSC-Staff"))
    survey = judge([other, one(ap(-70))], LIMITS)
    assert survey.places == {"Yard": "dead", "Hall": "weak"}


def test_the_report_speaks_vietnamese() -> None:
    text = as_text(judge(visits(), LIMITS), [], VIETNAMESE)
    assert "Khu vực" in text
    assert "mất sóng" in text
    assert f"CSC-Free ({FAR}) đang ở kênh 4" in text
    assert dbm(UNHEARD, VIETNAMESE) == "không bắt được"
    assert dbm(None, VIETNAMESE) == "không rõ"


def test_tables_are_aligned() -> None:
    assert table([["a", "bb"], ["ccc", "d"]]) == "a    bb\n---  --\nccc  d\n"
