"""The moments at which sites test: within hours, an interval apart, spread over the province, the same at every start."""

from __future__ import annotations

import datetime
import itertools
import math
import zoneinfo

import pytest

from collectors.probe.slots import PLACES, STRIDE, last_slot, parse_span, place_of, slots_a_day

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
DAY = datetime.datetime(2026, 3, 2, tzinfo=ZONE)


def slots(
    begin: datetime.datetime, hours: int, *, span: str = "07:00-17:00", interval: float = 8 * 3600, place: float = 0.5
) -> list[str]:
    """Every slot that a look each minute finds, as text."""
    found: list[str] = []
    for minute in range(hours * 60):
        now = begin + datetime.timedelta(minutes=minute)
        slot = last_slot(now, span=parse_span(span), interval=interval, place=place, key="a/b/c")
        if slot is not None and slot > begin and f"{slot:%d %H:%M}" not in found:
            found.append(f"{slot:%d %H:%M}")
    return found


def test_spans() -> None:
    assert parse_span("07:00-17:00") == (420, 1020)
    assert parse_span("22:00-02:30") == (1320, 1590)
    assert parse_span("00:00-00:00") == (0, 1440)


@pytest.mark.parametrize(
    ("interval", "place", "expected"),
    [
        (8 * 3600, 0.5, ["02 11:00", "03 11:00"]),
        (8 * 3600, 0.125, ["02 08:00", "02 16:00", "03 08:00", "03 16:00"]),
        (
            2 * 3600,
            0.0,
            [
                "02 07:00",
                "02 09:00",
                "02 11:00",
                "02 13:00",
                "02 15:00",
                "03 07:00",
                "03 09:00",
                "03 11:00",
                "03 13:00",
                "03 15:00",
            ],
        ),
        (24 * 3600, 0.9, ["02 16:00", "03 16:00"]),
    ],
)
def test_an_interval_apart_within_the_hours(interval: float, place: float, expected: list[str]) -> None:
    assert slots(DAY, 48, interval=interval, place=place) == expected


def test_a_night_that_ends_tomorrow() -> None:
    assert slots(DAY, 48, span="22:00-02:00", interval=3 * 3600, place=0.5) == ["02 23:30", "03 23:30"]
    assert slots(DAY, 30, span="22:00-02:00", interval=2 * 3600, place=0.5)[-2:] == ["02 23:00", "03 01:00"]


def test_a_week_apart() -> None:
    found = slots(DAY, 24 * 21, interval=7 * 86400, place=0.5)
    assert len(found) == 3
    assert [(int(b[:2]) - int(a[:2])) % 31 for a, b in itertools.pairwise(found)] == [7, 7]


LAM_DONG = """
22918 22924 22933 22945 22954 22960 22963 22969 22972 22978 22981 23005 23008 23020 23023 23032 23041 23053 23059 23065
23074 23086 23089 23095 23110 23122 23128 23134 23143 23149 23152 23158 23173 23188 23191 23194 23200 23227 23230 23231
23235 23236 23246 23266 23272 24611 24615 24616 24617 24620 24631 24637 24640 24646 24649 24664 24670 24678 24682 24688
24697 24703 24712 24717 24718 24722 24730 24733 24736 24739 24748 24751 24760 24778 24781 24787 24805 24820 24823 24829
24841 24846 24848 24853 24868 24871 24875 24877 24883 24886 24895 24907 24916 24931 24934 24943 24955 24958 24967 24976
24985 24988 24991 25000 25007 25015 25018 25036 25042 25051 25054 25057 25063 25084 25093 25099 25105 25114 25126 25135
25138 25159 25162 25180
"""
"""Codes of its 124 communes, wards and special zones (Decision 19/2025/QD-TTg)."""


@pytest.mark.parametrize("site", ["main", "tan-hoa"])
def test_the_sites_of_a_province_do_not_coincide(site: str) -> None:
    places = sorted(place_of(commune, site) for commune in LAM_DONG.split())
    assert len(places) == 124
    gaps = [(after - before) % 1.0 for before, after in itertools.pairwise([*places, places[0]])]
    assert min(gaps) > 0.999 / PLACES, "19.4 s at an interval of 8 hours"
    assert max(gaps) < 6 / 124
    quarters = [sum(quarter / 4 <= place < (quarter + 1) / 4 for place in places) for quarter in range(4)]
    assert min(quarters) > 20


def test_sites_of_one_commune_and_sites_without_code() -> None:
    assert math.gcd(PLACES, STRIDE) == 1
    assert len({place_of("24781", "main"), place_of("24781", "two"), place_of("", "main"), place_of("", "two")}) == 4
    assert place_of("24781", "main") == place_of("24781", "main")


def test_how_many_a_day() -> None:
    assert slots_a_day(parse_span("07:00-17:00"), 8 * 3600) == 2
    assert slots_a_day(parse_span("07:00-17:00"), 7 * 86400) == 1
