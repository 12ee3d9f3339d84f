"""The whole agent beside the programs it replaces: memory, processor time, the cost of a scrape.

    python -m tests.bench.bench_agent [--seconds 60]

In a private network of two nodes: 20 ping, 5 http and 5 dns targets at their default intervals (http and dns every 15 s,
so that a minute shows them), measured by the agent and at the same time by Debian's exporters with Prometheus in agent
mode. Memory is from smaps_rollup: RSS counts shared libraries whole, PSS by share. Before that, the agent alone without a
configuration: how long it takes to be ready, and what it costs while only its gateway answers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from agent.exposition import render
from agent.state import State
from collectors.model import Observations, Reading, gauge
from tests.netlab import End, Lab, Node, available, services

ROOT = Path(__file__).parent.parent.parent
GATEWAY = "192.168.9.1"
ADDRESSES = [f"10.9.0.{number}" for number in range(1, 21)]
TICKS = os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> tuple[float, float]:
    """RSS and PSS in MiB."""
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return tuple(int(rows[name].split()[0]) / 1024 for name in ("Rss", "Pss"))  # type: ignore[return-value]  # two of them


def cpu(pid: int) -> float:
    """Processor seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def agent_configuration() -> str:
    """20 ping, 5 http, 5 dns targets."""
    pings = ", ".join(f"{{name: t{number}, address: {address}}}" for number, address in enumerate(ADDRESSES))
    https = ", ".join(f"{{name: w{number}, url: 'http://{address}/'}}" for number, address in enumerate(ADDRESSES[:5]))
    names = ", ".join(f"{{name: n{number}.example}}" for number in range(5))
    return f"""
ping: {{targets: [{pings}]}}
http: {{interval: 15s, targets: [{https}]}}
dns: {{interval: 15s, servers: [{GATEWAY}], queries: [{names}]}}
path: {{targets: []}}
lan: {{arp: false, dhcp: false}}
clock: {{servers: []}}
"""


PROMETHEUS = """
global: {scrape_interval: 15s}
remote_write: [{url: "http://127.0.0.1:9/"}]
scrape_configs:
  - {job_name: node, static_configs: [{targets: ["127.0.0.1:9100"]}]}
  - {job_name: smokeping, static_configs: [{targets: ["127.0.0.1:9374"]}]}
"""


@contextlib.contextmanager
def started(pc: Node, folder: Path) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """The agent, and what is installed of the programs it replaces."""
    (folder / "agent.yaml").write_text(f"state_dir: {folder}/state\n{agent_configuration()}")
    (folder / "prometheus.yml").write_text(PROMETHEUS)
    (folder / "blackbox.yml").write_text("modules: {http_2xx: {prober: http}, icmp: {prober: icmp}}\n")
    smokeping = {"targets": [{"hosts": ADDRESSES, "interval": "1s", "network": "ip4"}]}
    (folder / "smokeping.yml").write_text(json.dumps(smokeping))
    commands = {
        "agent": [sys.executable, "-m", "agent", "run", "-c", str(folder / "agent.yaml")],
        "node exporter": ["prometheus-node-exporter", "--web.listen-address=127.0.0.1:9100"],
        "blackbox exporter": ["prometheus-blackbox-exporter", f"--config.file={folder}/blackbox.yml"],
        "smokeping prober": ["prometheus-smokeping-prober", f"--config.file={folder}/smokeping.yml"],
        "snmp exporter": ["prometheus-snmp-exporter", "--config.file=/etc/prometheus/snmp.yml"],
        "prometheus (agent mode)": [
            "prometheus",
            "--enable-feature=agent",
            f"--storage.agent.path={folder}/wal",
            f"--config.file={folder}/prometheus.yml",
        ],
    }
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = {}
    for name, command in commands.items():
        if shutil.which(command[0]) is None:
            print(f"{name}: not installed")
            continue
        log = (folder / f"{name}.log").open("w")
        running[name] = pc.popen(command, env=environ, stdout=log, stderr=log, cwd=ROOT)
    yield running


def alone(pc: Node, folder: Path, seconds: float) -> None:
    """Start and idle cost of an agent without a configuration."""

    def ready() -> bool:
        with contextlib.suppress(OSError):
            urllib.request.urlopen("http://127.0.0.1:9797/-/ready", timeout=1).close()
            return True
        return False

    environ = {**os.environ, "PYTHONPATH": str(ROOT), "STATE_DIRECTORY": str(folder / "idle")}
    with (folder / "idle.log").open("w") as log:
        for last in (False, True):  # the first start compiles what was never compiled
            begin = time.monotonic()
            agent = pc.popen([sys.executable, "-m", "agent", "run"], env=environ, stdout=log, stderr=log, cwd=ROOT)
            while not pc.entered_thread(ready):
                time.sleep(0.005)
            wall, spent = time.monotonic() - begin, cpu(agent.pid)
            if last:
                print(f"ready after {wall:.2f} s, with {spent:.2f} s of processor time")
                time.sleep(10)
                before = cpu(agent.pid)
                time.sleep(seconds)
                idle = (cpu(agent.pid) - before) / seconds * 100
                rss, pss = memory(agent.pid)
                print(f"without a configuration: {idle:.2f} % of a core (at most 1), RSS {rss:.1f} MiB, PSS {pss:.1f} MiB")
            agent.terminate()
            agent.wait(10)


def probe_blackbox(pc: Node) -> None:
    """What Prometheus would ask the blackbox exporter every 15 s: the five web services."""

    def ask() -> None:
        for address in ADDRESSES[:5]:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:9115/probe?module=http_2xx&target=http://{address}/", timeout=5).read()

    pc.entered_thread(ask)


def page_cost(series: int) -> float:
    """Median milliseconds of a page with so many series."""
    state, found = State(), Observations()
    metric = gauge("commune_bench_seconds", "A bench.", "target", "link")
    for number in range(series):
        found.set(metric, number / 7, f"target-{number}", "internet")
    state.apply(Reading("bench", "", 0.0, found.items), 60.0)
    spent = []
    for _ in range(50):
        begin = time.perf_counter()
        render(state.series())
        spent.append(time.perf_counter() - begin)
    return sorted(spent)[25] * 1000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    seconds = parser.parse_args().seconds
    print(f"/metrics with 1,000 series: {page_cost(1000):.1f} ms (at most 10)")
    if available() is not None:
        sys.exit(f"the rest needs network namespaces: {available()}")
    with tempfile.TemporaryDirectory() as name, Lab() as lab:
        pc, gateway = lab.node("pc"), lab.node("gateway", router=True)
        lab.link(End(pc, "eth0", ("192.168.9.10/24",)), End(gateway, "eth0", (f"{GATEWAY}/24",)))
        gateway.ip(*(f"addr add {address}/32 dev lo" for address in ADDRESSES))
        pc.route("default", GATEWAY, metric=100)
        services.nginx(gateway, "server { listen 80; return 200 ok; }")
        services.dnsmasq(gateway, records={f"n{number}.example": [ADDRESSES[number]] for number in range(5)})
        alone(pc, Path(name), seconds)
        with started(pc, Path(name)) as running:
            time.sleep(10)
            alive = {what: process.pid for what, process in running.items() if process.poll() is None}
            before = {what: cpu(pid) for what, pid in alive.items()}
            begin = time.monotonic()
            while time.monotonic() - begin < seconds:
                probe_blackbox(pc)
                time.sleep(min(15.0, seconds))
            span = time.monotonic() - begin
            print(f"{'':28}{'RSS MiB':>9}{'PSS MiB':>9}{'CPU %':>8}")
            sums = [0.0, 0.0, 0.0]
            for what, pid in alive.items():
                row = [*memory(pid), (cpu(pid) - before[what]) / span * 100]
                print(f"{what:28}{row[0]:9.1f}{row[1]:9.1f}{row[2]:8.2f}")
                if what != "agent":
                    sums = [total + value for total, value in zip(sums, row, strict=True)]
            print(f"{'what the agent replaces':28}{sums[0]:9.1f}{sums[1]:9.1f}{sums[2]:8.2f}")
            for what in running.keys() - alive.keys():
                print(f"{what}: did not run: {(Path(name) / f'{what}.log').read_text().strip().splitlines()[-1:]}")


if __name__ == "__main__":
    main()
