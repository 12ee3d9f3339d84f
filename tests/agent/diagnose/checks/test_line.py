"""Layer 4: which checks a line has, and what figures say; lines that carry or not are in tests/e2e."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.diagnose.checks import line
from agent.diagnose.checks.line import build
from agent.diagnose.graph import Outcome, Status, Suspect
from collectors.site import Contract, Interface, Route, Surroundings
from collectors.wire.units import Rate
from tests.agent.diagnose.grounds import GATEWAY, SITE, codes, ended, ground

MEGABIT = 125_000.0
FLOWING = {"download": 1_000_000.0, "upload": 1000.0, "download_variation": 0.5, "upload_variation": 0.5}


def names(site: Surroundings, root: Path, **keywords: Any) -> list[str]:
    return [check.id for check in build(ground(root, site, **keywords))]


def test_a_line_has_its_checks_and_a_quick_answer_fewer(tmp_path: Path) -> None:
    whole = ["uplink", "captive", "quality", "saturation", "mtu", "contract"]
    assert names(SITE, tmp_path) == [f"{kind}:eth0" for kind in whole]
    assert names(SITE, tmp_path, quick=True) == ["uplink:eth0", "captive:eth0"]
    assert names(Surroundings((), (), ()), tmp_path) == []


def test_ipv6_is_checked_where_it_has_an_address_and_a_way_out(tmp_path: Path) -> None:
    both = (Route(4, "eth0", GATEWAY, 100), Route(6, "eth0", "fe80::1", 100))
    card = Interface("eth0", ("192.168.1.10/24", "2001:db8::10/64"), wireless=False)
    local = Interface("eth0", ("192.168.1.10/24", "fe80::10/64"), wireless=False)
    assert "ipv6:eth0" in names(Surroundings(both, (), (card,)), tmp_path)
    assert "ipv6:eth0" not in names(Surroundings(both, (), (local,)), tmp_path)
    assert "ipv6:eth0" not in names(Surroundings(both[:1], (), (card,)), tmp_path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({**FLOWING, "queue_seconds": 0.2}, ["wan.saturated"]),
        ({**FLOWING, "queue_seconds": 0.001}, []),
        ({**FLOWING, "download": 1000.0, "queue_seconds": 0.2}, []),
    ],
)
async def test_a_line_is_full_when_traffic_flows_and_a_queue_stands(
    tmp_path: Path, data: dict[str, float], found: list[str]
) -> None:
    (check,) = [check for check in build(ground(tmp_path)) if check.id == "saturation:eth0"]
    outcome = await check.run(ended("quality:eth0", Outcome(Status.PASS, data=data)))
    assert (codes(outcome), outcome.carries) == (found, True)


@pytest.mark.parametrize(("ratio", "found"), [(0.97, ["wan.saturated"]), (0.5, [])])
async def test_the_running_agent_knows_what_the_whole_site_uses(tmp_path: Path, ratio: float, found: list[str]) -> None:
    rows = [{"link": "eth0", "direction": "download", "ratio": ratio}, {"link": "other", "direction": "upload", "ratio": 1.0}]
    (check,) = [one for one in build(ground(tmp_path, running={"utilization": rows})) if one.id == "saturation:eth0"]
    calm = Outcome(Status.PASS, data={**FLOWING, "download": 1000.0, "queue_seconds": 0.2})
    assert codes(await check.run(ended("quality:eth0", calm))) == found


async def test_without_traffic_figures_fullness_is_not_judged(tmp_path: Path) -> None:
    (check,) = [check for check in build(ground(tmp_path)) if check.id == "saturation:eth0"]
    assert (await check.run(ended("quality:eth0"))).status is Status.SKIP


async def test_without_a_test_the_contract_is_not_judged(tmp_path: Path) -> None:
    (check,) = [check for check in build(ground(tmp_path)) if check.id == "contract:eth0"]
    assert (await check.run({})).status is Status.SKIP


@pytest.mark.parametrize(("download", "found"), [(79 * MEGABIT, ["wan.below_contract"]), (81 * MEGABIT, []), (120 * MEGABIT, [])])
async def test_the_running_agents_test_is_held_against_the_contract(tmp_path: Path, download: float, found: list[str]) -> None:
    tests = {"bandwidth": [{"link": "eth0", "download": download, "upload": None}, {"link": "other", "download": 1.0}]}
    site = ground(tmp_path, running=tests)
    (uplink,) = site.context.uplinks
    promised = replace(uplink, settings=msgspec.structs.replace(uplink.settings, contract=Contract(download=Rate(100 * MEGABIT))))
    site = replace(site, context=replace(site.context, uplinks=(promised,)))
    (check,) = [check for check in build(site) if check.id == "contract:eth0"]
    assert codes(await check.run({})) == found


@pytest.mark.parametrize(("low", "lost", "kept"), [(0.3, False, False), (0.3, True, True), (0.05, False, True)])
async def test_loss_that_pings_alone_suffer_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float, *, lost: bool, kept: bool
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    full = socket.create_server(("127.0.0.1", 0), backlog=0)  # takes one and leaves the others unanswered
    monkeypatch.setattr(line, "FALLBACK_PORTS", (full.getsockname()[1] if lost else port,))
    monkeypatch.setattr(line, "HANDSHAKE_TIMEOUT", 0.3)
    site = ground(tmp_path)
    uplink = replace(site.context.uplinks[0], interface=None)
    said = Outcome(
        Status.FAIL, "40% loss", {"loss_interval": [low, 0.5]}, (Suspect("wan.lossy", "eth0"), Suspect("wan.slow", "eth0"))
    )
    found = await line._confirmed(site, uplink, ["127.0.0.1"], said)
    server.close()
    full.close()
    assert codes(found) == (["wan.lossy", "wan.slow"] if kept else ["wan.slow"])
    assert found.detail == ("40% loss" if kept else "40% loss by pings alone")
