"""Bench: packets and CPU of our polling against prometheus-snmp-exporter, on the same simulated switches in one run.

`python -m tests.bench.bench_snmp` prints the ratios. The exporter walks the same columns (module `same`) and all of
ifTable and ifXTable as its stock `if_mib` does; we poll after the device was explored, as the agent does all day.
"""

from __future__ import annotations

import asyncio
import gc
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from collectors.machine import Machine
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import EXPLORE_EVERY, SnmpDeviceCollector
from tests.collectors.snmp.recordings import copy_shared, unpack_packaged
from tests.collectors.snmp.simulator import simulated

SWITCHES = {28: "network_switch_dlink-des3038", 52: "zynos_xgs1935"}
POLLS = 30
IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"
SAME = [f"{IF}.{column}" for column in (8, 13, 14, 19, 20)] + [f"{IFX}.{column}" for column in (1, 6, 7, 10, 11, 15)]


class Relay:
    """A UDP relay that counts the questions."""

    def __init__(self, port: int) -> None:
        self.questions = 0
        self._up = port
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._listener.bind(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        by_address: dict[Any, socket.socket] = {}
        by_socket: dict[socket.socket, Any] = {}
        while True:
            ready, _, _ = select.select([self._listener, *by_socket], [], [])
            for one in ready:
                data, address = one.recvfrom(65535)
                if one is not self._listener:
                    self._listener.sendto(data, by_socket[one])
                    continue
                if address not in by_address:
                    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                    upstream.connect(("127.0.0.1", self._up))
                    by_address[address], by_socket[upstream] = upstream, address
                by_address[address].send(data)
                self.questions += 1


def module(name: str, walk: list[str], columns: list[str], community: str) -> str:
    """A module of snmp.yml."""
    metrics = "".join(
        f"  - {{name: m{column.replace('.', '_')}, oid: {column}, type: gauge, help: x, "
        f"indexes: [{{labelname: ifIndex, type: gauge}}], "
        f"lookups: [{{labels: [ifIndex], labelname: ifName, oid: {IFX}.1, type: DisplayString}}]}}\n"
        for column in columns
        if column != f"{IFX}.1"
    )
    walks = "".join(f"  - {one}\n" for one in walk)
    auth = f"  version: 2\n  max_repetitions: 25\n  auth:\n    community: {community}\n"
    return f"{name}:\n  walk:\n{walks}{auth}  metrics:\n{metrics}"


def exporter(community: str, relay: Relay, folder: Path) -> dict[str, tuple[float, float]]:
    """Packets and CPU seconds per scrape, by module."""
    stock = [f"{IF}.{column}" for column in (3, 4, 5, 7, 8, 9, 10, 11, 13, 14, 16, 17, 19, 20)] + [
        f"{IFX}.{column}" for column in range(2, 16)
    ]
    config = folder / "snmp.yml"
    config.write_text(module("same", SAME, SAME, community) + module("if_mib", ["1.3.6.1.2.1.2", IFX], stock, community))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = shutil.which("prometheus-snmp-exporter")
    assert program is not None
    process = subprocess.Popen(
        [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"], stderr=subprocess.DEVNULL
    )
    found = {}
    try:
        time.sleep(1.5)
        for name in ("same", "if_mib"):
            url = f"http://127.0.0.1:{port}/snmp?module={name}&target=127.0.0.1:{relay.port}"
            urllib.request.urlopen(url).read()
            packets, times = relay.questions, psutil.Process(process.pid).cpu_times()
            for _ in range(POLLS):
                urllib.request.urlopen(url).read()
            after = psutil.Process(process.pid).cpu_times()
            spent = after.user + after.system - times.user - times.system
            found[name] = ((relay.questions - packets) / POLLS, spent / POLLS)
    finally:
        process.terminate()
        process.wait()
    return found


async def ours(community: str, relay: Relay, directory: Path | None, profile: str) -> tuple[float, float]:
    """Packets and CPU seconds per poll of a device that is known already; the relay, a thread of this process, is not counted."""
    sessions = SnmpSessions("gufo")
    peer = Peer("127.0.0.1", relay.port, Credentials(2, community))
    device = SnmpDeviceCollector(community, peer, sessions, Machine(), interval=60, profile=profile, directory=directory)
    await device.collect()
    await device.collect()
    packets, spent = relay.questions, time.thread_time()
    for _ in range(min(POLLS, EXPLORE_EVERY - 3)):
        reading = await device.collect()
        assert reading.reason is None
    return (relay.questions - packets) / POLLS, (time.thread_time() - spent) / POLLS


async def fleet(community: str, port: int, count: int = 50) -> tuple[float, float]:
    """CPU seconds for one poll of `count` devices, and MiB that grow over their polls."""
    sessions = SnmpSessions("gufo")
    peer = Peer("127.0.0.1", port, Credentials(2, community))
    devices = [SnmpDeviceCollector(f"switch-{number}", peer, sessions, Machine(), interval=60) for number in range(count)]
    for device in devices:
        device.deadline = 120.0
        await device.collect()
    for device in devices:
        await device.collect()
    gc.collect()
    before, spent = psutil.Process().memory_info().rss, time.process_time()
    for device in devices:
        await device.collect()
    spent = time.process_time() - spent
    for _ in range(3):
        for device in devices:
            await device.collect()
    gc.collect()
    return spent, (psutil.Process().memory_info().rss - before) / 2**20


def main() -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second, tempfile.TemporaryDirectory() as third:
        unpack_packaged(Path(first))
        copy_shared(Path(first))
        own = Path(third) / "profiles"
        own.mkdir()
        (own / "same.yaml").write_text("inherits: [if-mib]\n")
        with simulated(Path(first), Path(second)) as port:
            for ports, community in SWITCHES.items():
                relay = Relay(port)
                theirs = exporter(community, relay, Path(third))
                packets, cpu = asyncio.run(ours(community, relay, own, "same"))
                for name, limit in (("same", (1.0, 1.2)), ("if_mib", (0.5, 0.5))):
                    ratio = packets / theirs[name][0], cpu / theirs[name][1]
                    print(
                        f"{ports} ports, {name}: packets {packets:.0f} / {theirs[name][0]:.0f} = {ratio[0]:.2f} (at most {limit[0]}), "
                        f"CPU {cpu * 1e3:.2f} / {theirs[name][1] * 1e3:.2f} ms = {ratio[1]:.2f} (at most {limit[1]})"
                    )
            spent, grown = asyncio.run(fleet(SWITCHES[28], port))
            print(
                f"50 switches: {spent:.2f} s CPU a minute = {spent / 60:.2%} of a core (at most 3 %), memory {grown:+.1f} MiB (at most 10)"
            )


if __name__ == "__main__":
    main()
