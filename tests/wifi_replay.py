"""Answers nl80211 requests with what a real kernel answered in the Wi-Fi laboratory (tests/fixtures/wifi)."""

import asyncio
import json
import struct
import subprocess
import sys
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures" / "wifi"
SYSFS = ("sys/class/net/wlan1/phy80211", "sys/class/net/wlan1/wireless")


class Clock:
    """A clock that stands where the test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now

    def true(self) -> float:
        return self.now

    def true_at(self, monotonic: float) -> float:
        return monotonic


class SlowClock(Clock):
    """Four seconds pass between any two looks: the recorded scan took as long."""

    def monotonic(self) -> float:
        self.now += 4
        return self.now


class Replay:
    """A `Wire`: each command's recorded datagrams, with the sequence number of the request; events when asked for none."""

    answers: dict[int, list[bytes]] = {}
    refuse: dict[int, int] = {}
    asked: list[int] = []

    def __init__(self) -> None:
        self._queue: list[bytes] = []

    @classmethod
    def load(cls, name: str) -> type["Replay"]:
        recorded = json.loads((FIXTURES / f"{name}.json").read_text())
        answers = {int(command): [bytes.fromhex(octets) for octets in datagrams] for command, datagrams in recorded.items()}
        return type("Recorded", (cls,), {"answers": answers, "refuse": {}, "asked": []})

    def open(self) -> None:
        self._queue = []

    def close(self) -> None:
        self._queue = []

    def subscribe(self, group: int) -> None:
        assert group
        self._queue = list(self.answers[0])

    async def send(self, octets: bytes) -> None:
        sequence = struct.unpack_from("=I", octets, 8)[0]
        command = octets[16] if octets[4] != 0x10 else 3
        self.asked.append(command)
        if command in self.refuse:
            error = struct.pack("=IHHIIi", 36, 2, 0, sequence, 0, -self.refuse[command]) + octets[:16]
            self._queue = [error]
            return
        self._queue = [numbered(datagram, sequence) for datagram in self.answers[command]]

    async def receive(self) -> bytes:
        if not self._queue:
            await asyncio.sleep(3600)
        return self._queue.pop(0)


def numbered(datagram: bytes, sequence: int) -> bytes:
    """A recorded answer with the sequence number of the present request."""
    octets, offset = bytearray(datagram), 0
    while offset + 16 <= len(octets):
        struct.pack_into("=I", octets, offset + 8, sequence)
        offset += (struct.unpack_from("=I", octets, offset)[0] + 3) & ~3
    return bytes(octets)


def computer(root: Path) -> Path:
    """A root folder with one Wi-Fi interface that is up."""
    for name in SYSFS:
        (root / name).mkdir(parents=True)
    (root / "sys/class/net/wlan1/flags").write_text("0x1003\n")
    return root


COST = """
import asyncio, gc, sys, time
from pathlib import Path
import agent.app, agent.cli.run

def resident():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096

async def main():
    from tests.wifi_replay import Replay, SlowClock, computer
    from collectors.machine import Machine
    recorded = Replay.load("crowd")
    before = resident()
    from collectors.probe.nl80211 import Nl80211
    from collectors.wifi import WifiCollector, WifiSettings
    machine = Machine(computer(Path(sys.argv[1])), SlowClock())
    settings = WifiSettings(ssids=("CSC-Free",))
    collector = WifiCollector(settings, "hall", machine, Nl80211(machine, recorded))
    await collector.collect()
    after = resident()
    scan, link = 0.0, 0.0
    for _ in range(20):
        collector._scanned = None
        begin = time.process_time(); await collector.collect(); scan += time.process_time() - begin
        begin = time.process_time(); await collector.collect(); link += time.process_time() - begin
    share = link / 20 / settings.interval + (scan - link) / 20 / settings.scan_interval
    print(after - before, scan / 20, link / 20, share)

asyncio.run(main())
"""


def cost(folder: Path) -> tuple[int, float, float, float]:
    """Resident octets beside the agent, CPU seconds of a run with and without scan, share of one core at defaults."""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", COST, folder],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={"PYTHONPATH": str(root)},
    )
    octets, scan, link, share = done.stdout.split()
    return int(octets), float(scan), float(link), float(share)
