"""The rendered Alertmanager, run for real: every inhibition, every route, and the way from an event to the webhook."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.province.alertmanager import inhibitions
from agent.province.crosscheck import load
from agent.province.render import render
from tests.agent.province import fleet, remote, simulation

ALWAYS_OPEN = {"timezone": "Asia/Ho_Chi_Minh", "week": "Mon-Sun 00:00-24:00"}
SITE = {"province": "lam-dong", "commune": "24000", "site": "main", "area": "da-lat", "carrier": "vnpt"}


class Receiver:
    """A webhook receiver that remembers what came and when."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, str, dict[str, str], dict[str, str]]] = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in payload["alerts"]:
                    owner.seen.append((time.time(), alert["status"], alert["labels"], alert["annotations"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    found = Receiver()
    yield found
    found.close()


def rendered(work: Path, receiver: Receiver, communes: int, **more: Any) -> tuple[dict[str, Any], Path]:
    inventory = fleet.province(
        communes,
        **{"service_hours": ALWAYS_OPEN, "holidays": {"national": False}, **more},
        notify={"webhooks": [{"name": "t", "url": receiver.url}]},
    )
    (work / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(work / "province.yaml"), work, work / "tree")
    return inventory, work / "tree"


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[str]:
    work = tmp_path_factory.mktemp("alertmanager")
    _, tree = rendered(work, receiver, 2)
    with remote.alertmanager(tree / "alertmanager/alertmanager.yml", work) as address:
        yield address


CASES: list[tuple[dict[str, str], dict[str, str], str]] = [
    # what explains, what it explains, the label in which a near miss differs
    ({"alertname": "ProvinceUnreachable", "scope": "province"}, {"alertname": "SiteDark", "scope": "site"}, "province"),
    ({"alertname": "ProvinceUnreachable", "scope": "province"}, {"alertname": "AreaOutage", "scope": "area"}, "province"),
    ({"alertname": "CarrierOutage", "scope": "carrier"}, {"alertname": "UplinkDown", "scope": "link", "link": "i"}, "carrier"),
    ({"alertname": "CarrierOutage", "scope": "carrier"}, {"alertname": "SiteSilent", "scope": "site"}, "carrier"),
    ({"alertname": "CarrierOutage", "scope": "carrier"}, {"alertname": "AreaOutage", "scope": "area"}, "province"),
    ({"alertname": "AreaOutage", "scope": "area"}, {"alertname": "SiteDark", "scope": "site"}, "area"),
    ({"alertname": "AreaOutage", "scope": "area"}, {"alertname": "UpsOnBattery", "scope": "device", "device": "u"}, "area"),
    ({"alertname": "SiteDark", "scope": "site"}, {"alertname": "UplinkDown", "scope": "link", "link": "i"}, "site"),
    ({"alertname": "SiteDark", "scope": "site"}, {"alertname": "AgentSilent", "scope": "agent", "instance": "x"}, "commune"),
    (
        {"alertname": "SiteSilent", "scope": "site"},
        {"alertname": "PortalUnreachable", "scope": "service", "target": "p"},
        "commune",
    ),
    ({"alertname": "SiteDark", "scope": "site"}, {"alertname": "DnsDown", "scope": "site"}, "site"),
    (
        {"alertname": "GatewayDown", "scope": "link", "link": "i"},
        {"alertname": "UplinkDown", "scope": "link", "link": "i"},
        "link",
    ),
    (
        {"alertname": "GatewayDown", "scope": "link", "link": "i"},
        {"alertname": "DeviceDown", "scope": "device", "kind": "router"},
        "kind",
    ),
    (
        {"alertname": "UplinkFlapping", "scope": "link", "link": "i"},
        {"alertname": "UplinkDown", "scope": "link", "link": "i"},
        "link",
    ),
    (
        {"alertname": "UplinkDown", "scope": "link", "link": "i"},
        {"alertname": "UplinkLoss", "scope": "link", "link": "i"},
        "link",
    ),
    ({"alertname": "UplinkDown", "scope": "link", "link": "i"}, {"alertname": "DnsDown", "scope": "site"}, "site"),
    ({"alertname": "DnsDown", "scope": "site"}, {"alertname": "PortalUnreachable", "scope": "service", "target": "p"}, "site"),
    ({"alertname": "DnsDown", "scope": "site"}, {"alertname": "DnsServerFailing", "scope": "site", "server": "s"}, "site"),
    ({"alertname": "PortalDown", "target": "p"}, {"alertname": "PortalUnreachable", "scope": "service", "target": "p"}, "target"),
    (
        {"alertname": "DeviceSubtree", "parent": "sw", "device": "sw"},
        {"alertname": "DeviceDown", "device": "ap", "parent": "sw"},
        "parent",
    ),
    ({"alertname": "UpsBatteryLow", "device": "u"}, {"alertname": "UpsOnBattery", "device": "u"}, "device"),
    (
        {"alertname": "UplinkLoss", "severity": "ticket", "link": "i"},
        {"alertname": "UplinkLoss", "severity": "info", "link": "i"},
        "link",
    ),
    *[
        (
            {"alertname": "Maintenance", "covers": covers, "link": "i"},
            {"alertname": "UplinkDown", "scope": "link", "link": "i"},
            label,
        )
        for covers, label in (
            ("province", "province"),
            ("area", "area"),
            ("carrier", "carrier"),
            ("commune", "commune"),
            ("site", "site"),
            ("link", "link"),
        )
    ],
]


def post(manager: str, *alerts: dict[str, str]) -> None:
    body = json.dumps([{"labels": alert, "annotations": {}} for alert in alerts]).encode()
    remote.request(f"http://{manager}/api/v2/alerts", body, **{"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("source", "target", "differs"), CASES, ids=[f"{a['alertname']}-{a.get('covers', '')}{b['alertname']}" for a, b, _ in CASES]
)
def test_inhibition_and_its_near_miss(manager: str, source: dict[str, str], target: dict[str, str], differs: str) -> None:
    own = {**SITE, "commune": f"{abs(hash((*source.values(), *target.values()))) % 90000 + 10000}"}
    if differs in {"province", "area", "carrier"}:  # wide sources must not reach into the other cases
        own |= {"province": f"p{own['commune']}", "area": f"a{own['commune']}", "carrier": f"c{own['commune']}"}
    held = {**own, **target}
    free = {**held, differs: "another"}
    narrow = {key: value for key, value in own.items() if key in {"province", "area", "carrier", "commune", "site"}}
    post(manager, {**narrow, **source}, held, free)
    deadline = time.monotonic() + 10
    while True:
        listed = json.loads(remote.request(f"http://{manager}/api/v2/alerts"))
        states = {json.dumps(alert["labels"], sort_keys=True): alert["status"]["state"] for alert in listed}
        found = states.get(json.dumps(held, sort_keys=True)), states.get(json.dumps(free, sort_keys=True))
        if found == ("suppressed", "active"):
            break
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def test_every_inhibition_has_its_case() -> None:
    sources = {case[0]["alertname"] for case in CASES}
    for rule in inhibitions():
        first = rule["source_matchers"][0]
        assert any(name in first for name in sources) or 'severity="ticket"' in first, first
    assert len(CASES) >= len(inhibitions())


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"alertname": "SiteDark", "severity": "page"}, {"page"}),
        ({"alertname": "UpsOnBattery", "severity": "ticket"}, {"ticket"}),
        ({"alertname": "UplinkLoss", "severity": "info"}, {"nobody"}),
        ({"alertname": "DeviceSubtree", "severity": "none"}, {"nobody"}),
        ({"alertname": "ProvinceUnreachable", "severity": "page", "scope": "province"}, {"page"}),
    ],
)
def test_routes(tmp_path: Path, receiver: Receiver, labels: dict[str, str], receivers: set[str]) -> None:
    _, tree = rendered(tmp_path, receiver, 1)
    hours = (tree / "prometheus/rules/inventory.yml").read_text(encoding="utf-8").split("hours: ")[1].split("\n")[0]
    arguments = [f"{key}={value}" for key, value in {**labels, "hours": hours}.items()]
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={tree}/alertmanager/alertmanager.yml", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    # amtool does not look at the clock: a page shows the way of service hours and the one of the night.
    assert receivers <= set(done.stdout.strip().split(",")), done.stdout
    assert set(done.stdout.strip().split(",")) <= receivers | ({"ticket"} if labels["severity"] == "page" else set())


class Agents:
    """The agents of three communes, as far as their pushes go; `cut` and `set` are what happens to them."""

    def __init__(self, url: str, inventory: dict[str, Any]) -> None:
        self.url, self.inventory = url, inventory
        self.silent: set[str] = set()
        self.values: dict[tuple[str, str, str], float] = {}
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def value(self, name: str, labels: dict[str, str], value: float) -> float:
        for (known, commune, part), changed in self.values.items():
            if known == name and labels.get("commune", labels.get("target", "")[:5]) == commune and part in labels.values():
                return changed
        return value

    def run(self) -> None:
        while not self.stopping.wait(5):
            for batch in simulation.push_batches(self.inventory, time.time(), 0, 1):
                told = [
                    (labels, [(moment, self.value(labels["__name__"], labels, value)) for moment, value in points])
                    for labels, points in batch
                    if labels.get("commune") not in self.silent
                ]
                if told:
                    remote.push(self.url, told)


@pytest.mark.slow
def test_from_event_to_webhook(tmp_path: Path) -> None:
    """Four faults at three communes at once: four alerts, each once, each within its time; then recovery."""
    receiver = Receiver()
    inventory, tree = rendered(tmp_path, receiver, 3)
    for commune in inventory["communes"]:
        commune["code"] = f"{int(commune['code']) + 1:05}"  # none of them is one of the simulation's troubled ones
    assert all(int(commune["code"]) % 31 for commune in inventory["communes"])
    (tmp_path / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(tmp_path / "province.yaml"), tmp_path, tree)
    first, second, third = (commune["code"] for commune in inventory["communes"])
    with (
        remote.alertmanager(tree / "alertmanager/alertmanager.yml", tmp_path) as manager,
        remote.prometheus(tree, tmp_path, alertmanager=manager) as url,
    ):
        agents = Agents(url, inventory)
        agents.thread.start()
        try:
            deadline = time.monotonic() + 200
            while not remote.query(url, "count_over_time(commune:hours_open[2m]) >= 4 and on () count(commune_site_info) == 3"):
                assert time.monotonic() < deadline
                time.sleep(1)
            time.sleep(30)
            assert receiver.seen == [], "nothing is told while all is well, nor while the engine starts"
            event = time.time()
            agents.values |= {
                ("commune_link_up", first, "internet"): 0,
                ("commune_ups_on_battery", first, "ups-1"): 1,
                ("commune_wifi_zone_dead", third, "Quầy"): 1,
                ("commune_ping_up", second, f"{second}/main/internet"): 0,
            }
            agents.silent.add(second)
            limits = {"UplinkDown": 45 + 35, "UpsOnBattery": 45 + 15, "SiteDark": 90, "WifiDeadZone": 150}
            while time.time() - event < max(limits.values()) and len(
                {labels["alertname"] for _, _, labels, _ in receiver.seen}
            ) < len(limits):
                time.sleep(1)
            time.sleep(20)
            told = [
                (labels["alertname"], labels.get("commune", "")) for _, status, labels, _ in receiver.seen if status == "firing"
            ]
            expected = [
                ("SiteDark", second),
                ("UplinkDown", first),
                ("UpsOnBattery", first),
                ("WifiDeadZone", third),
            ]
            assert sorted(told) == expected
            for moment, _, labels, annotations in receiver.seen:
                print(f"{labels['alertname']}: {moment - event:.1f} s")
                assert moment - event < limits[labels["alertname"]], labels
                assert annotations["summary_vi"]
                assert "{{" not in json.dumps(annotations)
            if not os.environ.get("SOAK"):
                return
            agents.silent.clear()
            agents.values.clear()
            healed = time.time()
            while time.time() - healed < 600 and sum(status == "resolved" for _, status, _, _ in receiver.seen) < len(limits):
                time.sleep(1)
            assert sorted(labels["alertname"] for _, status, labels, _ in receiver.seen if status == "resolved") == sorted(limits)
        finally:
            agents.stopping.set()
            agents.thread.join()
            receiver.close()
