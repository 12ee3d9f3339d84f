"""The inventory's own mistakes: each file of one mistake gives one exact message."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from agent import schema
from agent.config import ConfigError
from agent.province.crosscheck import load
from agent.province.holidays import closed_days, national
from agent.province.inventory import Holidays, Inventory

ROOT = Path(__file__).parents[3]
EXAMPLE = (ROOT / "config/province.example.yaml").read_text(encoding="utf-8")

MISTAKES = [
    ('code: "24805"', "code: 24805", 'communes[1].code: text is expected; write it in quotes: "24805"'),
    ('code: "24805"', 'code: "24781"', "communes[1].code: 24781 is used twice; it must differ"),
    ('- code: "24805"\n', '- code: "24805"\n    colour: red\n', "communes[1].colour: unknown key"),
    (
        "latitude: 11.9404",
        "latitude: 111.9404",
        "communes[0].latitude: '111.9404' does not fit; accepted: degrees north within Viet Nam, 6 to 24",
    ),
    (
        "longitude: 108.4383",
        "longitude: 11.9404",
        "communes[0].longitude: '11.9404' does not fit; accepted: degrees east within Viet Nam, 102 to 118",
    ),
    ("names: [metrics.lamdong.example, 203.0.113.5]", "names: []", "server.names: empty; write the host name or address"),
    (EXAMPLE[EXAMPLE.rindex("    sites:") :], "    sites: []\n", "communes[1].sites: empty; write one site at least"),
    ("beacons: [1.1.1.1], contract", "beacons: [dns.example], contract", "links[0].beacons[0]: dns.example is no IP address"),
    ("beacons: [8.8.8.8]}]", "beacons: [8.8.8.8], quorum: 2}]", "links[0].quorum: 2 of 1 beacons can never answer"),
    (
        "beacons: [8.8.8.8]}]",
        "beacons: [8.8.8.8], hub_address: 10.68.1.1}]",
        "links[0].hub_address: 10.68.1.1 is used by another site too",
    ),
    ("beacons: [10.0.0.10]}\n", "beacons: [hub]}\n", "hub.links[1].beacons[0]: hub is no IP address"),
    (
        "carrier: vnpt\n            beacons",
        "carrier: vnptt\n            beacons",
        "there is no carrier 'vnptt'; known are: vnpt, viettel",
    ),
    ("{instance: mot-cua, role: full,", "{instance: mot-cua, role: sensor,", "agents: none is of role full; exactly one"),
    ("{instance: counter-2,", "{instance: counter-2, role: full,", "agents: counter-1, counter-2 are of role full"),
    ("address: 192.168.1.3, parent: switch-1", "address: 192.168.1.3, parent: switch-9", "there is no device 'switch-9'"),
    (
        "{name: router-1, kind: router, address: 192.168.1.1,",
        "{name: router-1, kind: router, address: 192.168.1.1, parent: switch-1,",
        "the parents run in a circle",
    ),
    ("device: router-1 ", "device: router-2 ", "links[1].device: there is no device 'router-2'"),
    ("zone: Phòng chờ}\n        ssids", "zone: Sân}\n        ssids", "agents[1].zone: there is no zone 'Sân'"),
    ('communes: ["24781"]', 'communes: ["24782"]', "contacts[1].communes[0]: no commune of this inventory has the code 24782"),
    ("  zalo: {}", "  # zalo: {}", "contacts[0].zalo: nothing is sent by Zalo until notify.zalo is there"),
    ("end: 2026-10-04 05:00", "end: 2026-10-03 05:00", "maintenance[0].end: 2026-10-03 05:00 is not after 2026-10-03 22:00"),
    ("end: 2026-10-04 05:00", "end: 2026-14-04 05:00", "maintenance[0].end: '2026-14-04 05:00' is no moment"),
    (
        'commune: "24781", site: main}',
        'commune: "24781", site: phu}',
        "maintenance[0].site: there is no site 'phu'; known are: main",
    ),
    ("timezone: Asia/Ho_Chi_Minh", "timezone: Europe/Paris", "service_hours.timezone: Europe/Paris has daylight saving time"),
    ("Sat 07:30-11:30", "Sat 7:30-11:30", "sites[1].service_hours.week: '7:30-11:30' is no span of hours"),
    ("closed: [], open: []}  ", "closed: [2026-13-01], open: []}  ", "holidays.closed[0]: '2026-13-01' is no date"),
    ("need: 4Mbit/s, link", "need: 4MB, link", "bridges[0].need: '4MB' is not understood"),
]


def test_the_example_is_valid() -> None:
    inventory = load(ROOT / "config/province.example.yaml")
    assert [commune.code for commune in inventory.communes] == ["24781", "24805"]


def test_the_schema_for_editors_is_current_and_fits_the_example() -> None:
    found = schema.document(Inventory, "Inventory of a province")
    assert (ROOT / "config/province.schema.json").read_text(encoding="utf-8") == schema.as_json(found), "run `make docs`"
    validator = jsonschema.Draft202012Validator(found)
    validator.check_schema(found)
    assert list(validator.iter_errors(yaml.safe_load(EXAMPLE))) == []
    broken = yaml.safe_load(EXAMPLE.replace("slug: lam-dong", "slug: Lam Dong").replace("portals:", "portal:"))
    assert {error.validator for error in validator.iter_errors(broken)} >= {"pattern", "additionalProperties"}


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES, ids=[mistake[2][:40] for mistake in MISTAKES])
def test_one_mistake_one_message(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert EXAMPLE.count(old) >= 1, old
    path = tmp_path / "province.yaml"
    path.write_text(EXAMPLE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    text = str(caught.value)
    assert message in text
    changed = EXAMPLE[: EXAMPLE.index(old)].count("\n") + 1
    line = int(text.splitlines()[0].removeprefix(str(path)).split(":")[1])
    assert abs(line - changed) <= 12, text  # a missing reference points at its list, a value at its own line
    assert len(caught.value.mistakes) <= 2


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    """What does not fit its type hides neither what contradicts the rest of the file nor the communes beside it."""
    path = tmp_path / "province.yaml"
    text = EXAMPLE.replace('code: "68"', "code: 68").replace("kind: tslcd", "kind: leased")
    text = text.replace("latitude: 11.9465", "latitude: 108.4191").replace("- {name: viettel, title", "- {name: vnpt, title")
    text = text.replace('communes: ["24781"]', 'communes: ["24799"]').replace("end: 2026-10-04 05:00", "end: 2026-10-02 05:00")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [mistake.removeprefix(f"{path}:").split(": ", 1)[1].split(";")[0] for mistake in caught.value.mistakes] == [
        "province.code: text is expected",
        "hub.links[1].kind: 'leased' does not fit",
        "carriers[1].name: vnpt is used twice",
        "maintenance[0].end: 2026-10-02 05:00 is not after 2026-10-03 22:00",
        "communes[0].sites[0].links[1].kind: 'leased' does not fit",
        "communes[1].latitude: '108.4191' does not fit",
    ], "a code may belong to a commune that could not be read"


def test_what_is_whole_is_checked_beside_what_is_not(tmp_path: Path) -> None:
    path = tmp_path / "province.yaml"
    text = EXAMPLE.replace("latitude: 11.9404", "latitude: 108").replace(
        "carrier: viettel, beacons: [1.1.1.1], c", "carrier: fpt, c"
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [mistake.split(": ")[1] for mistake in caught.value.mistakes] == [
        "communes[0].latitude",
        "communes[1].sites[0].links[0].carrier",
    ]


def _new_moons(year: int) -> list[int]:
    """Julian day numbers of the new moons in UTC+7 (Meeus, Astronomical Algorithms, chapter 49, main terms)."""
    import math

    found = []
    for k in range(round((year - 2000) * 12.3685) - 2, round((year - 2000) * 12.3685) + 8):
        t = k / 1236.85
        jde = 2451550.09766 + 29.530588861 * k + 0.00015437 * t * t
        sun = math.radians(2.5534 + 29.1053567 * k)
        moon = math.radians(201.5643 + 385.81693528 * k)
        latitude = math.radians(160.7108 + 390.67050284 * k)
        jde += (
            -0.4072 * math.sin(moon) + 0.17241 * math.sin(sun) + 0.01608 * math.sin(2 * moon) + 0.01039 * math.sin(2 * latitude)
        )
        jde += 0.00739 * math.sin(moon - sun) - 0.00514 * math.sin(moon + sun) + 0.00208 * math.sin(2 * sun)
        found.append(math.floor(jde - 70 / 86400 + 7 / 24 + 0.5))
    return found


def test_lunar_dates_follow_the_new_moons() -> None:
    """Tet is the new moon between 21 January and 20 February; Hung Kings' day is nine days after the second one after it."""
    import datetime

    from agent.province.holidays import _LUNAR

    for year, (tet, kings) in _LUNAR.items():
        dates = [datetime.date.fromordinal(number - 1721425) for number in _new_moons(year)]
        index = next(i for i, date in enumerate(dates) if datetime.date(year, 1, 21) <= date <= datetime.date(year, 2, 20))
        assert dates[index].isoformat() == f"{year}-{tet}"
        assert (dates[index + 2] + datetime.timedelta(days=9)).isoformat() == f"{year}-{kings}"


def test_a_holiday_at_the_weekend_is_made_up_for() -> None:
    days = [day.isoformat() for day in national()]
    assert "2026-04-26" in days  # Hung Kings 2026 is a Sunday
    assert "2026-04-27" in days
    assert {"2026-04-30", "2026-05-01", "2026-09-01", "2026-09-02"} <= set(days)
    assert closed_days(Holidays(national=False, closed=("2026-07-01",))) == ("2026-07-01",)
    assert "2026-09-01" not in closed_days(Holidays(open=("2026-09-01",)))
