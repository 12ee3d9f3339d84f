"""lan: counts on /metrics, names in the detail, strangers known again, and nobody scanned who is not ours."""

from __future__ import annotations

import json
import logging
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from agent.exposition import render
from agent.state import State
from collectors.lan import Acquaintances, LanSettings, build
from collectors.machine import Machine
from collectors.site import Context, Interface, Link, Route, Site, Surroundings, Uplink
from tests import netlab
from tests.collectors.golden import compare
from tests.inlab import inside
from tests.netlab import Lab, Province
from tests.netlab import Site as LabSite

REASON = netlab.available()
needs_lab = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")
ETH = Interface("eth0", ("192.168.1.10/24",))


def context(
    *interfaces: Interface, kind: Literal["internet", "tslcd", "lte", "other"] = "internet", state: Path | None = None
) -> Context:
    routes = (Route(4, "eth0", "192.168.1.1", 100),)
    uplink = Uplink(Link(name="uplink", kind=kind), "eth0", "192.168.1.1")
    return Context(Machine(), Site(), Surroundings(routes, (), interfaces), (uplink,), state_dir=state)


def targets(where: Context, settings: LanSettings = LanSettings()) -> list[str]:  # noqa: B008  it is immutable
    return [one.target for one in build(settings, where)]


def test_private_networks_only() -> None:
    public = Interface("eth1", ("203.0.113.5/24",))
    lonely = Interface("ppp0", ("10.0.0.1/32",))
    assert targets(context(ETH, public, lonely, Interface("wlan0", ()))) == ["eth0"]
    assert targets(context(ETH), LanSettings(arp=False, dhcp=False)) == []


@pytest.mark.parametrize("kind", ["tslcd", "lte"])
def test_never_on_links_of_others(kind: Literal["tslcd", "lte"]) -> None:
    second = Interface("eth1", ("192.168.2.10/24",))
    assert targets(context(ETH, second, kind=kind)) == ["eth1"]


def test_identity_changes_with_address_and_gateway() -> None:
    first, again = build(LanSettings(), context(ETH)), build(LanSettings(), context(ETH))
    moved = build(LanSettings(), context(Interface("eth0", ("192.168.1.11/24",))))
    assert first[0].identity == again[0].identity != moved[0].identity


def test_strangers_are_known_again_after_a_restart_and_only_as_hashes(tmp_path: Path) -> None:
    file = tmp_path / "lan-eth0.json"
    assert Acquaintances(file).meet(["02:00:00:00:00:01", "02:00:00:00:00:02"], 100.0) == []
    later = Acquaintances(file)
    assert later.meet(["02:00:00:00:00:01", "02:00:00:00:00:03"], 200.0) == ["02:00:00:00:00:03"]
    assert later.meet(["02:00:00:00:00:03"], 300.0) == []
    written = file.read_text()
    assert "02:00" not in written
    assert len(json.loads(written)["seen"]) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_hardware_address_is_told_as_the_hash_that_it_is_remembered_by(tmp_path: Path) -> None:
    file = tmp_path / "lan-eth0.json"
    seen = Acquaintances(file)
    seen.meet(["02:00:00:00:00:01"], 100.0)
    (name,) = json.loads(file.read_text())["seen"]
    assert seen.hide("a (02:00:00:00:00:01), 2001:db8::1") == f"a (host {name}), 2001:db8::1"


@pytest.mark.parametrize("text", ["", "[]", '{"key": 3}', '{"key": "zz", "seen": {}}', '{"key": "00", "seen": 5}'])
def test_a_damaged_memory_begins_anew(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lan-eth0.json"
    file.write_text(text)
    fresh = Acquaintances(file)
    assert fresh.meet(["02:00:00:00:00:01"], 1.0) == []
    assert fresh.meet(["02:00:00:00:00:02"], 2.0) == ["02:00:00:00:00:02"]


def test_memory_is_bounded(tmp_path: Path) -> None:
    seen = Acquaintances(None)
    for moment in range(3):
        seen.meet([f"02:00:{moment:02x}:00:{number // 256:02x}:{number % 256:02x}" for number in range(3000)], float(moment))
    assert len(seen._known) == 4096


# In the laboratory


@pytest.fixture(scope="module")
def site() -> Iterator[LabSite]:
    with Lab() as lab:
        yield Province(lab, web=False).site(computers=2)


async def run(allowed: list[str], state_dir: str) -> dict[str, Any]:
    told = Told()
    logging.getLogger("collectors.lan").addHandler(told)
    logging.getLogger("collectors.lan").setLevel(logging.INFO)
    settings = LanSettings(allowed_dhcp_servers=tuple(allowed))
    (collector,) = build(settings, context(ETH, state=Path(state_dir)))
    state = State()
    reading = await collector.collect()
    state.apply(reading, 2250.0)
    return {"text": render(state.series()).decode(), "reason": reading.reason, "detail": reading.detail, "log": told.lines}


class Told(logging.Handler):
    """What the log of this computer says, with what an event is about."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        facts = vars(record)
        self.lines.append(f"{record.getMessage()}: {facts.get('found') or facts.get('mac')}")


def strangers(site: LabSite) -> list[netlab.Node]:
    return [site.lab.nodes[f"{site.name}-{name}"] for name in ("thief", "rogue")]


@needs_lab
def test_healthy_and_then_duplicate_and_rogue_by_the_next_reading(site: LabSite, tmp_path: Path) -> None:
    healthy = inside(site.pc, run, [], str(tmp_path))
    assert healthy["log"] == []
    assert healthy["reason"] is None
    assert healthy["detail"] == ""
    compare("lan", healthy["text"])
    site.duplicate_address(0)
    site.rogue_dhcp()
    ill = inside(site.pc, run, [], str(tmp_path))
    values = dict(line.rsplit(" ", 1) for line in ill["text"].splitlines() if not line.startswith("#"))
    assert values['commune_lan_duplicate_addresses{interface="eth0"}'] == "1.0"
    assert values['commune_lan_dhcp_servers{interface="eth0"}'] == "2.0"
    assert values['commune_lan_rogue_dhcp_servers{interface="eth0"}'] == "1.0"
    assert re.search("192.168.1.10 is used by this computer and host [0-9a-f]{16}(;|$)", ill["detail"])
    assert re.search(r"DHCP server 192.168.1.250 \(host [0-9a-f]{16}\) does not belong here", ill["detail"])
    assert "offers the gateway 192.168.1.250 instead of 192.168.1.1" in ill["detail"]
    macs = [node.run(["cat", "/sys/class/net/eth0/address"]).stdout.strip() for node in strangers(site)]
    assert {f"new host on the local network: {mac}" for mac in macs} <= set(ill["log"])
    found = " ".join(line for line in ill["log"] if line.startswith("local network: "))
    assert [mac in found for mac in macs] == [True, True], "on this computer people can look for the device"
    assert not [mac for mac in macs if mac in ill["detail"] or mac in ill["text"]]
    both = inside(site.pc, run, ["192.168.1.1", "192.168.1.250"], str(tmp_path))
    assert not [line for line in both["log"] if line.startswith("new host")]
    assert 'commune_lan_rogue_dhcp_servers{interface="eth0"} 0.0' in both["text"]
