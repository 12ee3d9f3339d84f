"""Which profile a device is of when several fit."""

from __future__ import annotations

import pytest

from collectors.snmp.profile import Library, Match, Profile, library

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


@pytest.mark.parametrize("name", library().names())
def test_every_profile_can_be_put_together(name: str) -> None:
    tables = [table.name for table in library().get(name).tables]
    assert len(tables) == len(set(tables))
