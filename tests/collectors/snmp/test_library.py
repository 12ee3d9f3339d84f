"""Which profile a device is of when several fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import SnmpDeviceCollector
from collectors.snmp.library import Library, library, version
from collectors.snmp.profile import Match, Profile

NET_SNMP = "1.3.6.1.4.1.8072.3.2.10"


def test_a_vendors_own_subtree_goes_before_a_standard_mib_and_both_before_the_name_of_the_system() -> None:
    profiles = {
        "linux": Profile(match=(Match(oid=NET_SNMP), Match(description="^Linux"))),
        "ups": Profile(match=(Match(oid=NET_SNMP, present="1.3.6.1.2.1.33.1.1"),)),
        "vendor": Profile(match=(Match(oid=NET_SNMP, present="1.3.6.1.4.1.2011.6.174"),)),
        "elsewhere": Profile(match=(Match(oid="1.3.6.1.4.1.9"),)),
    }
    for order in (list(profiles), list(reversed(profiles))):  # the order of files on a disk decides nothing
        found = Library({name: profiles[name] for name in order}).candidates(NET_SNMP, "Linux ups 4.9 armv7l")
        assert [name for name, _ in found] == ["vendor", "ups", "linux", "linux"]


def test_a_changed_profile_of_the_site_is_read_again_and_makes_other_devices_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "acme.yaml"

    def device() -> SnmpDeviceCollector:
        peer = Peer("127.0.0.1", 1, Credentials(), 1.0, 0)
        return SnmpDeviceCollector("a", peer, SnmpSessions(), Machine(), interval=60.0, directory=tmp_path)

    file.write_text("vendor: [{text: Acme}]\n", encoding="utf-8")
    before, known = version(tmp_path), device().identity
    assert library(tmp_path, before).get("acme").vendor[0].text == "Acme"
    assert device().identity == known
    file.write_text("vendor: [{text: Acme Corporation}]\n", encoding="utf-8")
    assert library(tmp_path, before).get("acme").vendor[0].text == "Acme"  # for those that were not reloaded
    assert library(tmp_path, version(tmp_path)).get("acme").vendor[0].text == "Acme Corporation"
    assert device().identity != known


@pytest.mark.parametrize(
    "broken",
    ["vendor: [", "vendors: []", "match: [{description: '('}]", "tables: [{name: a, values: [{metric: commune_no_such}]}]"],
)
def test_a_profile_broken_after_start_up_leaves_those_before_in_place_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    file = tmp_path / "acme.yaml"
    file.write_text(broken, encoding="utf-8")
    assert library(tmp_path, version(tmp_path)).names() == library().names()  # nothing was read before
    file.write_text("vendor: [{text: Acme}]\n", encoding="utf-8")
    sound = library(tmp_path, version(tmp_path))
    assert sound.get("acme").vendor[0].text == "Acme"
    file.write_text(f"# edited\n{broken}", encoding="utf-8")
    caplog.clear()
    assert library(tmp_path, version(tmp_path)) is sound
    (told,) = caplog.records
    assert f"{file}: not a profile" in vars(told)["error"]


@pytest.mark.parametrize("name", library().names())
def test_every_profile_can_be_put_together(name: str) -> None:
    tables = [table.name for table in library().get(name).tables]
    assert len(tables) == len(set(tables))
