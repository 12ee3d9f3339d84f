"""The main job on real input: the agent without a configuration, on a computer of a site, scraped by a real Prometheus.

Everything around the agent is a real program in network namespaces: gateway with NAT, dnsmasq, nginx with the portals'
names and certificates, two carriers. `make demo` runs this and shows what Prometheus then knows.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.netlab import Lab, Province, Site, available, services

ROOT = Path(__file__).parent.parent.parent
SCRAPE = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: commune-agent
    static_configs: [{targets: ["127.0.0.1:9797"]}]
  - job_name: text
    static_configs: [{targets: ["127.0.0.1:9798"]}]
    metric_relabel_configs: [{source_labels: [__name__], target_label: __name__, replacement: "text_$1"}]
"""
TEXT = """
server {
    listen 127.0.0.1:9798;
    location / { proxy_pass http://127.0.0.1:9797; proxy_set_header Accept "text/plain;version=0.0.4"; }
}
"""
"""Prometheus asks for OpenMetrics and cannot be told otherwise before 2.49; behind this it is given the text format."""


@dataclass
class Job:
    """A site with the agent and Prometheus running."""

    site: Site
    agent: subprocess.Popen[str]
    log: Path

    def fetch(self, url: str, accept: str = "*/*") -> str:
        """A page as the site's computer sees it."""

        def get() -> str:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=5) as answer:
                return str(answer.read().decode())

        return self.site.pc.entered_thread(get)

    def query(self, expression: str) -> dict[str, float]:
        """What Prometheus answers: value by the labels beyond job and instance."""
        return {_labels(row): float(row["value"][1]) for row in self._rows(expression)}

    def names(self, pattern: str) -> set[tuple[str, str]]:
        """Names and labels of the series that Prometheus has now."""
        return {(row["metric"]["__name__"], _labels(row)) for row in self._rows(f'{{__name__=~"{pattern}"}}')}

    def _rows(self, expression: str) -> list[Any]:
        page = self.fetch(f"http://127.0.0.1:9090/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        rows: list[Any] = json.loads(page)["data"]["result"]
        return rows

    def wait(self, expression: str, seconds: float) -> float:
        """Wait until every series of an expression is true (1) and there is one; the seconds that took."""
        begin = time.monotonic()
        found: dict[str, float] = {}
        while time.monotonic() - begin < seconds:
            found = self.query(expression)
            if found and all(value == 1 for value in found.values()):
                return time.monotonic() - begin
            time.sleep(0.25)
        message = f"{expression} is {found} after {seconds} s\n{self.log.read_text()}"
        raise AssertionError(message)


def _labels(row: Any) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(row["metric"].items()) if k not in {"__name__", "job", "instance"})


@contextmanager
def running() -> Iterator[Job]:
    """Build the site and start everything."""
    with tempfile.TemporaryDirectory() as folder, Lab() as lab:
        province = Province(lab)
        site = province.site("xuan-huong")
        log = Path(folder) / "agent.log"
        environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environ |= {"STATE_DIRECTORY": f"{folder}/state", "SSL_CERT_FILE": str(province.ca_file), "PYTHONPATH": str(ROOT)}
        with log.open("w") as handle:
            command = [sys.executable, "-m", "agent", "run"]
            agent = site.pc.popen(command, env=environ, stdout=handle, stderr=handle, cwd=ROOT)
            services.nginx(site.pc, TEXT, ready=("127.0.0.1", 9798))
            services.prometheus(site.pc, SCRAPE)
            yield Job(site, agent, log)


SHOWN = (
    "commune_ping_up",
    "commune_link_up",
    "histogram_quantile(0.5, rate(commune_ping_rtt_seconds_bucket[30s]))",
    "commune_dns_success",
    "commune_http_success",
    "commune_http_duration_seconds",
    'rate(commune_interface_receive_bytes_total{interface="eth0"}[30s])',
    "commune_link_seconds_total",
    "commune_agent_collector_success",
)


def show(job: Job, title: str) -> None:
    """Print what Prometheus knows."""
    print(f"\n── {title} " + "─" * max(0, 100 - len(title)))
    for expression in SHOWN:
        for labels, value in job.query(expression).items():
            print(f"{expression if len(expression) < 60 else expression[:57] + '…':60} {labels:50} {value:g}")


def main() -> None:
    """`make demo`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="how long each part lasts (default: 20)")
    seconds = parser.parse_args().seconds
    reason = available()
    if reason is not None:
        sys.exit(f"the demo needs network namespaces: {reason}")
    with running() as job:
        print("A site: computer, switch, gateway, two carriers, portals; the agent runs without a configuration.")
        job.wait("commune_http_success", 30)
        time.sleep(seconds)
        show(job, "all is well")
        with job.site.cables[0].cut():
            print("\nThe computer's cable is pulled …", flush=True)
            print(f"Prometheus knows after {job.wait('commune_link_up == bool 0', 30):.1f} s.")
            time.sleep(seconds / 2)
            show(job, "the cable is out")
        print("\nThe cable is plugged in again …", flush=True)
        print(f"Prometheus knows after {job.wait('commune_link_up', 30):.1f} s.")
        time.sleep(seconds / 2)
        show(job, "all is well again")
        print("\n── the agent's log " + "─" * 80)
        print(job.log.read_text())


if __name__ == "__main__":
    main()
