"""The rendered Alertmanager, run for real: every inhibition, every route, and the way from an event to the webhook."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.message
import email.policy
import http.server
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.province.alertmanager import inhibitions
from agent.province.crosscheck import load
from agent.province.render import render
from agent.province.series import hours_name, hours_of
from dashboards.build.promql import AWAKE
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


def rendered(
    work: Path, receiver: Receiver, communes: int, backend: str = "prometheus", **more: Any
) -> tuple[dict[str, Any], Path]:
    inventory = fleet.province(
        communes,
        **{"service_hours": ALWAYS_OPEN, "holidays": {"national": False}, **more},
        notify={"webhooks": [{"name": "t", "url": receiver.url}]},
    )
    (work / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(work / "province.yaml"), work, work / "tree", backend)
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


def test_hours_decide_who_is_told(tmp_path: Path) -> None:
    """By the clock of a real Alertmanager: a page becomes a ticket while the site is closed, and tickets wait till it opens."""
    now = datetime.datetime.now(zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh"))
    days = [(now + datetime.timedelta(days=ahead)).date().isoformat() for ahead in (0, 1)]  # midnight may come meanwhile
    other = (now + datetime.timedelta(days=3)).strftime("%a") + " 00:00-24:00"
    always = ALWAYS_OPEN["week"]
    cases: dict[str, tuple[dict[str, Any], list[str], set[tuple[str, str]]]] = {
        "open": ({"week": always}, [], {("page", "SiteDark"), ("ticket", "DeviceDown")}),
        "closed today": ({"week": other}, [], {("ticket", "SiteDark")}),
        "a holiday": ({"week": always}, days, {("ticket", "SiteDark")}),
        "open for once": (
            {"week": other, "open": [f"{day} 00:00-24:00" for day in days]},
            [],
            {("page", "SiteDark"), ("ticket", "DeviceDown")},
        ),
    }
    with contextlib.ExitStack() as stack:
        told: dict[str, dict[str, Receiver]] = {}
        for name, (hours, closed, _) in cases.items():
            work = tmp_path / name.replace(" ", "-")
            work.mkdir()
            told[name] = {severity: Receiver() for severity in ("page", "ticket")}
            hooks = [{"name": key, "url": to.url, "severities": [key]} for key, to in told[name].items()]
            inventory = fleet.province(
                1, service_hours=hours, holidays={"national": False, "closed": closed}, notify={"webhooks": hooks}
            )
            (work / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
            loaded = load(work / "province.yaml")
            render(loaded, work, work / "tree")
            pattern = hours_name(hours_of(loaded, loaded.communes[0], loaded.communes[0].sites[0]))
            manager = stack.enter_context(remote.alertmanager(work / "tree/alertmanager/alertmanager.yml", work))
            for alert, severity, scope in (("SiteDark", "page", "site"), ("DeviceDown", "ticket", "device")):
                place = SITE if scope == "site" else {**SITE, "commune": "24001"}  # one would explain the other
                post(manager, {**place, "alertname": alert, "severity": severity, "scope": scope, "hours": pattern})
        time.sleep(22)  # a ticket's group waits for 15 s
        for name, (_, _, expected) in cases.items():
            found = {(severity, alert["alertname"]) for severity, to in told[name].items() for _, _, alert, _ in to.seen}
            assert found == expected, name
        for receiver in (receiver for pair in told.values() for receiver in pair.values()):
            receiver.close()


class MailServer(socketserver.ThreadingTCPServer):
    """As much of SMTP (RFC 5321) as takes a message."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.mails: list[email.message.EmailMessage] = []
        super().__init__(("127.0.0.1", 0), MailDialogue)


class MailDialogue(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.wfile.write(b"220 sink\r\n")
        for line in self.rfile:
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(email.message_from_bytes(body, policy=email.policy.default))
            self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n")


def test_people_are_told_in_their_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mails from the real Alertmanager, with the rendered templates: Vietnamese and English, local time, whom to call."""
    monkeypatch.setenv("TZ", "Asia/Ho_Chi_Minh")  # as docker-compose.yml sets it
    with MailServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        notify = {"email": {"smarthost": f"127.0.0.1:{server.server_address[1]}", "sender": "m@p.example", "require_tls": False}}
        contacts = [
            {"name": "A", "email": "a@p.example"},
            {"name": "B", "email": "b@p.example"},
            {"name": "C", "email": "c@p.example", "lang": "en"},
        ]
        inventory = fleet.province(1, service_hours=ALWAYS_OPEN, notify=notify, contacts=contacts)
        (tmp_path / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
        render(load(tmp_path / "province.yaml"), tmp_path, tmp_path / "tree")
        alert = {
            "labels": {**SITE, "alertname": "SiteDark", "severity": "page", "scope": "site", "hours": ""},
            "annotations": {
                "summary_vi": "Xã A mất hoàn toàn.",
                "action_vi": "Gọi đầu mối (B 0900).",
                "summary_en": "A is dark.",
                "action_en": "Call <the contact>.",
                "dashboard_url": "http://g/d/x",
                "runbook_url": "http://r/SiteDark.md",
            },
            "startsAt": "2026-11-26T07:05:00Z",
        }
        with remote.alertmanager(tmp_path / "tree/alertmanager/alertmanager.yml", tmp_path) as manager:
            body = json.dumps([alert]).encode()
            remote.request(f"http://{manager}/api/v2/alerts", body, **{"Content-Type": "application/json"})
            deadline = time.monotonic() + 30
            while len(server.mails) < 2:
                assert time.monotonic() < deadline, server.mails
                time.sleep(0.2)
        server.shutdown()
    vi, en = sorted(server.mails, key=lambda mail: str(mail["To"]))
    assert (vi["To"], vi["Subject"]) == ("a@p.example, b@p.example", "[SỰ CỐ] Xã A mất hoàn toàn.")
    assert (en["To"], en["Subject"]) == ("c@p.example", "[INCIDENT] A is dark.")
    text = vi.get_body().get_content()  # type: ignore[union-attr]
    for part in (
        "từ 14:05 26/11/2026",
        "Việc cần làm: Gọi đầu mối (B 0900).",
        'href="http://g/d/x"',
        'href="http://r/SiteDark.md"',
    ):
        assert part in text, text
    assert "Next step: Call &lt;the contact&gt;." in en.get_body().get_content()  # type: ignore[union-attr]


def test_a_page_reaches_zalo_through_the_bridge(tmp_path: Path) -> None:
    """The rendered Alertmanager logs in at `agent province notify` with its rendered configuration; only the API is ours."""
    sent: list[tuple[str, dict[str, str]]] = []

    class Api(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"ok": true, "result": {}}')

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api) as api:
        threading.Thread(target=api.serve_forever, daemon=True).start()
        bridge = f"127.0.0.1:{remote.free_port()}"
        notify = {"zalo": {"api": f"http://127.0.0.1:{api.server_port}", "bridge": f"http://{bridge}"}}
        contacts = [{"name": "A", "zalo": "111"}, {"name": "B", "zalo": "222", "lang": "en"}]
        inventory = fleet.province(1, service_hours=ALWAYS_OPEN, notify=notify, contacts=contacts)
        (tmp_path / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
        tree = tmp_path / "tree"
        (tree / "secrets").mkdir(parents=True)
        (tree / "secrets/zalo-token").write_text("12:geheim\n", encoding="utf-8")
        render(load(tmp_path / "province.yaml"), tmp_path, tree)
        mounts = {"/etc/alertmanager": tree / "alertmanager", "/etc/commune-notify": tree / "notify", "/data": tmp_path}
        config, settings = tree / "alertmanager/alertmanager.yml", tree / "notify/notify.yaml"
        for file in (config, settings):
            text = file.read_text(encoding="utf-8").replace("0.0.0.0:9796", bridge)
            for inside, outside in mounts.items():
                text = text.replace(inside, str(outside))
            file.write_text(text, encoding="utf-8")
        program = [sys.executable, "-m", "agent", "province", "notify", "-c", str(settings)]
        with (
            remote.running(program, f"http://{bridge}/-/healthy", tmp_path / "bridge.log"),
            remote.alertmanager(config, tmp_path) as manager,
        ):
            post(manager, {**SITE, "alertname": "SiteDark", "severity": "page", "scope": "site", "hours": ""})
            deadline = time.monotonic() + 30
            while len(sent) < 2:
                assert time.monotonic() < deadline, (tmp_path / "bridge.log").read_text(encoding="utf-8")
                time.sleep(0.2)
        api.shutdown()
        assert "geheim" not in (tmp_path / "bridge.log").read_text(encoding="utf-8")
    assert {path for path, _ in sent} == {"/bot12:geheim/sendMessage"}
    assert {message["chat_id"]: message["text"].split(" ")[0] for _, message in sent} == {"111": "SỰ", "222": "INCIDENT"}


class Agents:
    """The agents of three communes, as far as their pushes go; `cut` and `set` are what happens to them."""

    def __init__(self, url: str, inventory: dict[str, Any], login: remote.Login | None = None) -> None:
        self.url, self.inventory, self.login = url, inventory, login
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
                    remote.push(self.url, told, self.login)


def _only_writes(front: str, login: remote.Login) -> None:
    """The front takes a known user's samples and nothing else."""
    stranger = dataclasses.replace(login, password="wrong")
    for refused, call in (
        (401, lambda: remote.push(front, [({"__name__": "up"}, [(time.time(), 1.0)])], stranger)),
        (
            404,
            lambda: remote.request(
                f"{front}/api/v1/query?query=up", user=login.user, password=login.password, context=login.context
            ),
        ),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            call()
        assert caught.value.code == refused
        caught.value.close()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["prometheus", "victoriametrics", "victoriametrics-cluster", "mimir"])
def test_from_event_to_webhook(tmp_path: Path, backend: str) -> None:
    """Four faults at three communes at once: four alerts, each once, each within its time; then recovery.

    All but Prometheus are the rendered tree with its front and its credentials; what arrives late pages nobody there either. The
    programs of VictoriaMetrics' cluster and of Mimir are no packages of Debian: they are run where a developer has them in PATH.
    """
    receiver = Receiver()
    inventory, tree = rendered(tmp_path, receiver, 3, backend)
    for commune in inventory["communes"]:
        commune["code"] = f"{int(commune['code']) + 1:05}"  # none of them is one of the simulation's troubled ones
    assert all(int(commune["code"]) % 31 for commune in inventory["communes"])
    inventory["contacts"] = []
    (tmp_path / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(tmp_path / "province.yaml"), tmp_path, tree, backend)
    first, second, third = (commune["code"] for commune in inventory["communes"])
    with (
        remote.alertmanager(tree / "alertmanager/alertmanager.yml", tmp_path) as manager,
        remote.served(backend, tree, tmp_path, manager) as (url, front, login),
    ):
        if login is not None:
            _only_writes(front, login)
        agents = Agents(front, inventory, login)
        agents.thread.start()
        try:
            deadline = time.monotonic() + 200
            while not remote.query(url, f"count(commune_site_info) == 3 {AWAKE}"):
                assert time.monotonic() < deadline
                time.sleep(1)
            time.sleep(30)
            assert receiver.seen == [], "nothing is told while all is well, nor while the engine starts"
            late = {"__name__": "commune_link_up", "job": "commune-agent", "province": "lam-dong", "link": "tslcd"}
            outage = [(time.time() - 1200 + second, 0.0) for second in range(0, 600, 15)]
            remote.push(front, [({**late, "commune": third, "site": "main", "instance": "counter-1"}, outage)], login)
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
