"""What checks stand on."""

from pathlib import Path

from agent.diagnose.ground import DEFAULT_BEACONS
from collectors.site import Interface, Link, Route, Surroundings, Uplink
from tests.agent.diagnose.grounds import SITE, ground, nic, write


def test_beacons_are_the_configured_else_well_known_ones(tmp_path: Path) -> None:
    site = ground(tmp_path)
    (uplink,) = site.context.uplinks
    assert site.beacons(uplink) == DEFAULT_BEACONS[4]
    assert site.beacons(uplink, 6) == DEFAULT_BEACONS[6]
    named = Uplink(Link(name="internet", beacons=("192.0.2.1", "2001:db8::1")), "eth0", None)
    assert (site.beacons(named), site.beacons(named, 6)) == (("192.0.2.1",), ("2001:db8::1",))
    state = Uplink(Link(name="tslcd", kind="tslcd"), None, None)
    assert site.beacons(state) == ()


def test_where_only_ipv6_leads_out_its_beacons_are_asked(tmp_path: Path) -> None:
    only6 = Surroundings((Route(6, "eth0", "fe80::1", 100),), (), (Interface("eth0", ("2001:db8::10/64",), wireless=False),))
    site = ground(tmp_path, only6)
    assert site.beacons(site.context.uplinks[0]) == DEFAULT_BEACONS[6]


def test_interfaces_that_matter(tmp_path: Path) -> None:
    assert ground(tmp_path, SITE).interfaces() == ("eth0",)
    bare = Surroundings((), (), ())
    assert ground(tmp_path, bare).interfaces() == ()
    write(tmp_path, nic("enp1s0") | {"/sys/class/net/enp1s0/device/vendor": "0x8086"})
    assert ground(tmp_path, bare).interfaces() == ("enp1s0",)


def test_what_privilege_would_add_is_said_once(tmp_path: Path) -> None:
    site = ground(tmp_path)
    for _ in range(2):
        site.note_privilege()
        site.note_ping()
    assert len(site.notes) == 2
    assert all("CAP_NET_RAW" in note for note in site.notes)
