"""Access points and an LTE router read over SNMP, from recordings of real ones to what the dashboards show.

snmpsim answers as they did, the agent polls them and pushes, a real Prometheus with the province's rendered rules judges.
Everything stays on loopback.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.province.crosscheck import load
from agent.province.render import render
from agent.survey import store
from collectors.wire.survey_file import Heard, Visit
from tests.agent.province import fleet, remote
from tests.agent.running import QUIET, Running, running
from tests.collectors.snmp.recordings import shared
from tests.collectors.snmp.simulator import simulated
from tests.dashboards.test_boards import expand, panels

ROOT = Path(__file__).parents[2]
HALL, YARD = "Phòng chờ", "Sân"
RECORDED = {"ap-hall": ("unifi_ukultra", HALL), "ap-yard": ("aruba-instant_105", YARD), "lte-1": ("routeros_ltap-mini", None)}
ALONE = QUIET.replace("links: []", "links: [{name: internet, interface: lo, gateway: null, beacons: [127.0.0.1]}]")
"""Not even the gateway is asked whether it is there."""
MOBILE = "mobile: {weak_dbm: %s}\n"
"""The recorded router hears -105 dBm: good by default, weak by stricter limits."""


@dataclass
class World:
    """The agent, Prometheus, and the access point of the yard that can be switched off."""

    agent: Running
    folder: Path
    prometheus: str
    yard: ExitStack

    def wait(self, expression: str, expected: dict[str, float], label: str, seconds: float = 60) -> None:
        """Wait until Prometheus answers so: values by one label."""
        deadline = time.monotonic() + seconds
        found: dict[str, float] = {}
        while found != expected:
            assert time.monotonic() < deadline, (expression, found, self.agent.log.read_text())
            time.sleep(0.5)
            rows = remote.query(self.prometheus, expression)
            found = {row["metric"].get(label, ""): float(row["value"][1]) for row in rows}

    def shown(self, title: str) -> list[dict[str, Any]]:
        """What the panel of that title shows of this site."""
        board = json.loads((ROOT / "dashboards/grafana/commune-wifi.json").read_text(encoding="utf-8"))
        (panel,) = [one for one in panels(board) if one["title"].endswith(f"/ {title}")]
        return [row for target in panel["targets"] for row in remote.query(self.prometheus, expand(target["expr"]))]

    def metrics(self, prefix: str) -> dict[str, float]:
        """Series of `/metrics` with their values."""
        lines = [line for line in self.agent.get("/metrics")[2].decode().splitlines() if line.startswith(prefix)]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    recordings = shared()
    if recordings is None:
        pytest.skip("no recordings beside the repository (shared/data/snmp)")
    work = tmp_path_factory.mktemp("zones")
    inventory = fleet.province(1)
    (work / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(work / "province.yaml"), work, work / "tree", "prometheus")
    with ExitStack() as stack, ExitStack() as yard:
        url = stack.enter_context(remote.prometheus(work / "tree", work, interval="2s"))
        ports = {}
        for name, (recording, zone) in RECORDED.items():
            folder, cache = work / name, work / f"{name}-cache"
            folder.mkdir()
            cache.mkdir()
            (folder / f"{recording}.snmprec").write_bytes((recordings / f"{recording}.snmprec").read_bytes())
            ports[name] = (yard if zone == YARD else stack).enter_context(simulated(folder, cache))
        auths = {recording: {"version": "2c", "community": recording} for recording, _ in RECORDED.values()}
        devices = [
            {"name": name, "address": "127.0.0.1", "port": ports[name], "auth": recording, "zone": zone, "timeout": "1s"}
            for name, (recording, zone) in RECORDED.items()
        ]
        commune = inventory["communes"][0]["code"]
        config = (
            f"{ALONE}site: {{province: lam-dong, commune: '{commune}', site: main, instance: counter-1}}\n"
            f"snmp: {json.dumps({'interval': '4s', 'auths': auths, 'devices': devices})}\n"
            "survey: {interval: 2s}\n"
            f"remote_write: {{url: '{url}/api/v1/write', interval: 2s}}\n"
        )
        agent = stack.enter_context(running(work, config + MOBILE % -110))
        yield World(agent, work, url, yard)


def test_zone_and_radio_of_an_access_point_reach_the_page_of_the_agent_and_the_board(world: World) -> None:
    world.wait("commune:zone_dead", {HALL: 0, YARD: 0}, "zone")
    exposed = world.metrics("commune_device_zone_info")
    assert exposed == {
        f'commune_device_zone_info{{device="ap-hall",zone="{HALL}"}}': 1,
        f'commune_device_zone_info{{device="ap-yard",zone="{YARD}"}}': 1,
    }
    clients = world.metrics("commune_wifi_ap_clients")
    assert any('device="ap-hall"' in name for name in clients)
    assert any('device="ap-yard"' in name for name in clients)
    told = {(row["metric"]["zone"], row["metric"]["device"]): row["value"][1] for row in world.shown("Access points by zone")}
    assert told == {(HALL, "ap-hall"): "1", (YARD, "ap-yard"): "1"}
    assert {row["metric"]["device"] for row in world.shown("Clients")} == RECORDED.keys(), "the LTE router has a radio too"
    assert [row["value"][1] for row in world.shown("Zones watched")] == ["2"]
    polled = {one["target"]: one["reason"] for one in world.agent.status()["instances"] if one["collector"] == "snmp"}
    assert polled == dict.fromkeys(RECORDED)


def test_an_lte_router_is_judged_by_the_limits_of_the_configuration_and_told_to_whoever_is_on_call(world: World) -> None:
    world.wait("commune_mobile_coverage", {"good": 1}, "state")
    assert world.metrics("commune_mobile_signal_rsrp_dbm") == {'commune_mobile_signal_rsrp_dbm{modem="lte-1"}': -105}
    assert [(row["metric"]["modem"], row["value"][1]) for row in world.shown("Mobile signal")] == [("lte-1", "-105")]
    assert [(row["metric"]["state"], row["value"][1]) for row in world.shown("Mobile coverage")] == [("good", "0")]
    file = world.folder / "agent.yaml"
    file.write_text(file.read_text().replace(MOBILE % -110, MOBILE % -100))
    assert world.agent.get("/-/reload", method="POST")[0] == 200
    world.wait("commune_mobile_coverage", {"weak": 1}, "state")
    world.wait('ALERTS{alertname="BackupLineWeak", alertstate="pending"}', {"lte-1": 1}, "modem")
    assert [(row["metric"]["state"], row["value"][1]) for row in world.shown("Mobile coverage")] == [("weak", "1")]


def test_a_survey_of_this_morning_reaches_the_board(world: World) -> None:
    now = time.time()
    heard = (Heard("CSC-Free", "02:00:00:00:00:01", "5", 36, -71.0),)
    visits = [Visit(now - 3600, YARD, ("CSC-Free",), heard, source="iw"), Visit(now - 3000, HALL, ("CSC-Free",))]
    for visit in visits:
        store.append(world.folder / "state/surveys/morning.jsonl", visit)
    world.wait("commune_survey_signal_dbm", {YARD: -71}, "zone")
    world.wait("count by (zone) (commune_survey_timestamp_seconds)", {YARD: 1, HALL: 1}, "zone")
    signal, ago = world.shown("Surveyed signal")[0], world.shown("Surveyed signal")[1:]
    assert (signal["metric"]["zone"], signal["metric"]["name"], signal["value"][1]) == (YARD, "Xã Số 0", "-71")
    assert {row["metric"]["zone"]: round(float(row["value"][1]), -2) for row in ago} == {YARD: 3600, HALL: 3000}


def test_the_zone_of_an_access_point_that_falls_silent_is_dead_and_its_neighbour_is_not(world: World) -> None:
    world.wait("commune:zone_dead", {HALL: 0, YARD: 0}, "zone")
    world.yard.close()
    world.wait("commune:zone_dead", {HALL: 0, YARD: 1}, "zone")
    told = {row["metric"]["zone"]: row["value"][1] for row in world.shown("Access points by zone")}
    assert told == {HALL: "1", YARD: "0"}
    assert [row["value"][1] for row in world.shown("Dead zones")] == ["1"]
