"""A site's line is cut and comes back: live data first, the backlog beside it, nothing missing, and no gap in the ledger.

The agent is the whole program on a site's computer, the receiver a real Prometheus at the province; between them is a
carrier whose cable is pulled. What counts as live is shortened, so that a cut of half a minute has a backlog.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.parse
import urllib.request
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.netlab import Lab, Node, Province, available, services

ROOT = Path(__file__).parents[2]
CUT, LIVE, EVERY, SLOWLY = 20.0, 6.0, 3.0, 20
HOLE = 14.0
"""Seconds without a sample that tell of a loss: pings are read every ten, and only a line that is up makes more of them."""
HUB = "203.0.113.10"
CONFIG = f"""
listen: 127.0.0.1:9797
state_dir: %s
site: {{province: lam-dong, commune: "24781", instance: counter-1}}
ping: {{targets: [{{name: gateway, address: auto}}]}}
links: []
dns: {{servers: [], queries: []}}
http: {{targets: []}}
path: {{targets: []}}
lan: {{arp: false, dhcp: false}}
clock: {{servers: []}}
remote_write: {{url: "http://{HUB}:9090/api/v1/write", interval: {EVERY:g}s, timeout: 3s, backlog_samples_per_second: {SLOWLY}}}
"""
START = f"from agent.forward.remote import writer; writer.SHORTEST_LIVE = {LIVE}; from agent.cli import main; main()"
PROBES = 'commune_ping_sent_total{target="gateway"}'
STORAGE = "storage: {tsdb: {out_of_order_time_window: 30d}}\n"

pytestmark = [pytest.mark.netlab, pytest.mark.skipif(available() is not None, reason=str(available()))]


def fetch(node: Node, url: str) -> Any:
    def get() -> Any:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)

    return node.entered_thread(get)


def times(node: Node, selector: str) -> list[float]:
    """When the samples of a series are that Prometheus has; each time once, or Prometheus would not have taken it."""
    query = urllib.parse.urlencode({"query": f"{selector}[10m]"})
    rows = fetch(node, f"http://127.0.0.1:9090/api/v1/query?{query}")["data"]["result"]
    return sorted(moment for row in rows for moment, _ in row["values"])


def test_a_cut_of_the_line_leaves_no_trace_in_the_data(tmp_path: Path) -> None:
    with Lab() as lab:
        province = Province(lab, names=False, web=False)
        site, centre = province.site(uplinks="one"), province.province
        services.prometheus(centre, STORAGE, arguments=["--web.enable-remote-write-receiver"])
        (tmp_path / "agent.yaml").write_text(CONFIG % (tmp_path / "state"))
        command = [sys.executable, "-c", START, "run", "-c", str(tmp_path / "agent.yaml")]
        environ = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with (tmp_path / "log").open("w") as log:
            agent = site.pc.popen(command, env=environ, stdout=log, stderr=log, cwd=ROOT)

        def wait(what: str, until: float) -> None:
            end = time.monotonic() + 90
            while not (found := times(centre, PROBES)) or found[-1] < until:
                assert time.monotonic() < end, f"{what}: {(tmp_path / 'log').read_text()}"
                time.sleep(0.1)

        wait("the first samples", 0)
        with site.line.cut():
            begun = time.time()
            time.sleep(CUT)
            assert times(centre, PROBES)[-1] < begun + 1
        healed = time.time()
        wait("live data", healed - EVERY)
        at_first = [moment for moment in times(centre, PROBES) if begun < moment < healed - LIVE - EVERY]
        end = time.monotonic() + 120
        while max(_steps(times(centre, PROBES))) > HOLE:
            assert time.monotonic() < end, (tmp_path / "log").read_text()
            time.sleep(0.3)
        at_last = [moment for moment in times(centre, PROBES) if begun < moment < healed - LIVE - EVERY]
        assert len(at_first) < len(at_last), "the backlog came before what is new"
        assert fetch(site.pc, "http://127.0.0.1:9797/api/v1/gaps") == {"gaps": []}
        agent.send_signal(signal.SIGTERM)
        agent.wait(20)
        assert max(_steps(times(centre, PROBES))) < HOLE
        assert "province not reached" in (tmp_path / "log").read_text()
        assert "province reached" in (tmp_path / "log").read_text()
        assert "refused" not in (tmp_path / "log").read_text()


def _steps(moments: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(moments)] or [float("inf")]
