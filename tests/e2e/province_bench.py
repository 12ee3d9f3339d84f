"""A province as it is deployed: one inventory rendered, real servers at the centre, real agents in three communes.

Nothing rendered is edited. Where the containers of `docker-compose.yml` mount a folder, the same folder of the tree is
named; host names of the deployment are in the centre's hosts file; Prometheus and Alertmanager get the flags that the
compose file gives them.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from dashboards.build.promql import AWAKE
from tests.netlab import Lab, Node, Province, Service, Site, services
from tests.netlab.province import HUB

ROOT = Path(__file__).parent.parent.parent
AGENT = [sys.executable, "-m", "agent"]
HOOK_PORT = 9800
QUIET_ALERTS = frozenset({"Deadman"})
TWO_LINES, TWO_COMPUTERS, BEHIND_NAT = "24781", "24805", "24808"
ZONE, WITH_RADIO = "Waiting room", f"{TWO_COMPUTERS}/counter-2"
"""The zone whose Wi-Fi is watched, and the agent that does it (tests/e2e/radio.py)."""

INVENTORY = f"""
province: {{code: "68", slug: lam-dong, name: Lâm Đồng}}
server: {{names: ["{HUB}"]}}
service_hours: {{timezone: Asia/Ho_Chi_Minh, week: "Mon-Sun 00:00-24:00"}}
holidays: {{national: false}}
hub: {{instance: hub-1, links: [{{name: internet, kind: internet, carrier: vnpt, beacons: [1.1.1.1, 8.8.8.8]}}]}}
carriers: [{{name: vnpt, title: VNPT}}, {{name: viettel, title: Viettel}}]
portals:
  - {{name: dichvucong.gov.vn, url: "https://dichvucong.gov.vn/"}}
  - {{name: dichvucong.lamdong.gov.vn, url: "https://dichvucong.lamdong.gov.vn/"}}
notify: {{lang: en, webhooks: [{{name: test, url: "http://127.0.0.1:{HOOK_PORT}/alerts"}}]}}
communes:
  - code: "{TWO_LINES}"
    name: Two lines
    area: da-lat
    latitude: 11.94
    longitude: 108.43
    sites:
      - id: main
        links:
          - {{name: internet, kind: internet, carrier: vnpt, interface: eth0, beacons: [1.1.1.1, 8.8.8.8], hub_address: 100.64.1.2}}
          - {{name: tslcd, kind: tslcd, carrier: viettel, interface: eth1, beacons: [10.0.0.10]}}
        agents: [{{instance: counter-1, role: full}}]
  - code: "{TWO_COMPUTERS}"
    name: Two computers
    area: da-lat
    latitude: 11.95
    longitude: 108.42
    sites:
      - id: main
        links: [{{name: internet, kind: internet, carrier: vnpt, beacons: [1.1.1.1, 8.8.8.8], hub_address: 100.64.2.2}}]
        agents: [{{instance: counter-1, role: full}}, {{instance: counter-2, always_on: true, zone: {ZONE}}}]
        ssids: [CSC-Free]
        devices: [{{name: ups-1, kind: ups, address: 192.168.2.60}}]
        traps: 0.0.0.0:1162
  - code: "{BEHIND_NAT}"
    name: Behind NAT
    area: da-lat
    latitude: 11.96
    longitude: 108.41
    sites:
      - id: main
        links: [{{name: internet, kind: internet, carrier: vnpt, beacons: [1.1.1.1, 8.8.8.8]}}]
        agents: [{{instance: counter-1, role: full}}]
"""


@dataclass(frozen=True)
class Notice:
    """One alert of one notification that reached the webhook."""

    at: float  # time.monotonic
    status: str  # firing, resolved
    alert: str
    labels: dict[str, str]

    @property
    def key(self) -> str:
        """Alert and what it is about, as the events name what they expect."""
        return key_of(self.labels)


def key_of(labels: dict[str, str]) -> str:
    """`SiteDark 24781`, `UplinkDown 24781 internet`, `PortalDown dichvucong.gov.vn`."""
    subject = [
        labels[name] for name in ("commune", "carrier", "area", "link", "instance", "device", "target") if labels.get(name)
    ]
    about = {
        "UplinkDown": ("commune", "link"),
        "AgentSilent": ("commune", "instance"),
        "CarrierOutage": ("carrier",),
        "AreaOutage": ("area",),
        "SiteDark": ("commune",),
        "SiteSilent": ("commune",),
        "UpsOnBattery": ("commune", "device"),
        "WifiDeadZone": ("commune", "zone"),
        "PortalDown": ("target",),
    }.get(labels["alertname"])
    words = subject if about is None else [labels.get(name, "?") for name in about]
    return " ".join([labels["alertname"], *words])


class Hook:
    """The webhook's receiver; it also stands in for Grafana's own metrics, which the rendered Prometheus scrapes."""

    def __init__(self, node: Node) -> None:
        self.notices: list[Notice] = []
        self._servers: list[ThreadingHTTPServer] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                now = time.monotonic()
                for alert in body["alerts"]:
                    outer.notices.append(Notice(now, alert["status"], alert["labels"]["alertname"], alert["labels"]))
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def _answer(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The notices are the log."""

        for port in (HOOK_PORT, 3000):
            with node.enter():
                server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._servers.append(server)

    def stop(self) -> None:
        """Close the ports."""
        for server in self._servers:
            server.shutdown()
            server.server_close()


@dataclass
class Bench:
    """The running province."""

    lab: Lab
    province: Province
    folder: Path
    tree: Path
    hook: Hook
    sites: dict[str, Site]
    ups: Node
    agents: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    servers: dict[str, Service] = field(default_factory=dict)

    @property
    def silent_radio(self) -> Path:
        """While this file is there, no Wi-Fi is heard in `ZONE`."""
        return self.folder / "silent"

    @property
    def centre(self) -> Node:
        """The province's own server."""
        return self.province.province

    # The centre

    def render(self) -> None:
        """`agent province render`, as a person does it."""
        inventory = self.folder / "province.yaml"
        inventory.write_text(INVENTORY, encoding="utf-8")
        done = subprocess.run(
            [*AGENT, "province", "render", str(inventory), "--out", str(self.tree)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start_centre(self) -> None:
        """Alertmanager, Prometheus and its TLS front, with what was rendered for them."""
        self.centre.hosts({"alertmanager": "127.0.0.1", "prometheus": "127.0.0.1", "grafana": "127.0.0.1"})
        compose = yaml.safe_load((self.tree / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
        self.servers["alertmanager"] = services.start(
            self.centre,
            "alertmanager",
            [*self._command("prometheus-alertmanager", compose["alertmanager"]["command"]), "--cluster.listen-address="],
            services.tcp("127.0.0.1", 9093),
        )
        self.servers["prometheus"] = services.start(
            self.centre,
            "prometheus",
            self._command("prometheus", compose["prometheus"]["command"]),
            services.tcp("127.0.0.1", 9090),
            timeout=30,
        )
        front = (self.tree / "front/nginx.conf").read_text(encoding="utf-8")
        front = front.replace("/etc/nginx/tls", str(self.tree / "front/tls"))
        self.servers["front"] = services.nginx(self.centre, front, ready=(HUB, 9443), name="front")

    def _command(self, program: str, flags: list[str]) -> list[str]:
        folder = f"/etc/{program.removeprefix('prometheus-')}"
        data = self.folder / f"{program}-data"
        data.mkdir(exist_ok=True)
        return [
            program,
            *(flag.replace(folder, str(self.tree / Path(folder).name)).replace("/data", str(data)) for flag in flags),
        ]

    def ask(self, path: str, *, prometheus: bool = True) -> Any:
        """JSON of an API of the centre's servers."""
        password = (self.tree / "secrets/report.password").read_text(encoding="ascii").strip()
        url = f"https://prometheus:9090{path}" if prometheus else f"http://127.0.0.1:9093{path}"
        request = urllib.request.Request(url)
        if prometheus:
            request.add_header("Authorization", "Basic " + b64encode(f"report:{password}".encode()).decode())
        context = ssl.create_default_context(cafile=str(self.tree / "hub/ca.crt"))

        def get() -> Any:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
            with opener.open(request, timeout=10) as answer:
                return json.loads(answer.read())

        return self.centre.entered_thread(get)

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What Prometheus answers now."""
        rows = self.ask(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")["data"]["result"]
        return [(row["metric"], float(row["value"][1])) for row in rows]

    def alerts(self) -> dict[str, str]:
        """What Alertmanager has that people hear of: `key_of` its labels to active or suppressed."""
        found: dict[str, str] = {}
        for alert in self.ask("/api/v2/alerts", prometheus=False):
            labels = alert["labels"]
            if labels["severity"] in {"page", "ticket"} and labels["alertname"] not in QUIET_ALERTS:
                found[key_of(labels)] = alert["status"]["state"]
        return found

    # The agents

    def start_agent(self, name: str) -> None:
        """Install the bundle `commune/instance` (or `hub`) as its script does, and run the agent."""
        commune, _, instance = name.partition("/")
        node = self.centre
        bundle = self.tree / "hub"
        if instance:
            node = self.sites[commune].computers[int(instance.rpartition("-")[2]) - 1]
            bundle = self.tree / "agents" / commune / "main" / instance
        home = self.folder / "computers" / name.replace("/", "-")
        environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
        environ |= {"COMMUNE_ETC": str(home), "PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}
        node.run(["sh", bundle / "install.sh"], env=environ)
        environ |= {
            "STATE_DIRECTORY": str(home / "state"),
            "SSL_CERT_FILE": str(self.province.ca_file),
            "PYTHONPATH": str(ROOT),
        }
        with (home / "log").open("a", encoding="utf-8") as log:
            program = [sys.executable, "-m", "tests.e2e.radio", str(self.silent_radio)] if name == WITH_RADIO else AGENT
            command = [*program, "run", "-c", str(home / "agent.yaml")]
            self.agents[name] = node.popen(command, env=environ, stdout=log, stderr=log, cwd=ROOT)

    def log(self, name: str) -> str:
        """What an agent has logged."""
        return (self.folder / "computers" / name.replace("/", "-") / "log").read_text(encoding="utf-8")

    # Waiting

    def until(self, what: str, test: Callable[[], bool], seconds: float) -> float:
        """Poll twice a second; the moment (monotonic) at which `test` held. Fails with the state of everything."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if test():
                return time.monotonic()
            time.sleep(0.5)
        message = f"not within {seconds} s: {what}\nalerts: {self.alerts()}\nnotices: {self.told(0)}"
        raise AssertionError(message)

    def told(self, since: float) -> list[tuple[float, str, str]]:
        """Notices since a moment: seconds after it, status, key."""
        return [(round(n.at - since, 1), n.status, n.key) for n in self.hook.notices if n.at >= since]

    def settle(self, seconds: float = 420) -> None:
        """Return when every agent is heard, the rules judge silence (`AWAKE`) and nobody has anything to complain about."""
        awake = AWAKE.removeprefix("and on () ")
        self.until("rules awake", lambda: bool(self.query(awake)), seconds)
        heard = "count(commune_agent_heartbeat_timestamp_seconds > time() - 45)"
        self.until("every agent heard", lambda: [v for _, v in self.query(heard)] == [len(self.agents)], seconds)
        self.until("no alert", lambda: not self.alerts(), seconds)
        self.until("nothing left open at the webhook", lambda: not self.open(), seconds)

    def open(self) -> set[str]:
        """What the webhook was told of and not yet told the end of."""
        found: set[str] = set()
        for notice in self.hook.notices:
            (found.add if notice.status == "firing" else found.discard)(notice.key)
        return found


UPS = """sysobjectid .1.3.6.1.2.1.33
override .1.3.6.1.2.1.33.1.1.1.0 octet_str "Laboratory"
override .1.3.6.1.2.1.33.1.2.1.0 integer 2
override .1.3.6.1.2.1.33.1.2.3.0 integer 40
override .1.3.6.1.2.1.33.1.2.4.0 integer 95
override .1.3.6.1.2.1.33.1.4.1.0 integer {source}
"""


def feed_ups(node: Node, *, battery: bool) -> Service:
    """The UPS's SNMP agent: UPS-MIB with its output from the mains or from the battery."""
    return services.snmpd(node, options=UPS.format(source=5 if battery else 3))


@contextmanager
def running(folder: Path) -> Iterator[Bench]:
    """Build, render, start, and wait until the province is quiet."""
    with Lab() as lab:
        province = Province(lab)
        sites = {
            TWO_LINES: province.site("two-lines", uplinks="pc"),
            TWO_COMPUTERS: province.site("two-computers", computers=2, uplinks="one"),
            BEHIND_NAT: province.site("behind-nat", uplinks="one"),
        }
        ups = sites[TWO_COMPUTERS].attach("ups", "192.168.2.60/24")
        ups.ip("route add default via 192.168.2.1")
        bench = Bench(lab, province, folder, folder / "tree", Hook(province.province), sites, ups)
        try:
            bench.servers["ups"] = feed_ups(ups, battery=False)
            bench.render()
            bench.start_centre()
            for name in (
                "hub",
                f"{TWO_LINES}/counter-1",
                f"{TWO_COMPUTERS}/counter-1",
                f"{TWO_COMPUTERS}/counter-2",
                f"{BEHIND_NAT}/counter-1",
            ):
                bench.start_agent(name)
            bench.settle()
            yield bench
        finally:
            bench.hook.stop()
