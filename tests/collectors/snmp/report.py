"""docs/devices.md: every recording, what it was recognised as and how its values compare; written from a run.

`python -m tests.collectors.snmp.report` polls all recordings and writes the page; the tests poll them again and compare
row by row.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path

from collectors.machine import Machine
from collectors.model import Reading
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import SnmpDeviceCollector
from tests.collectors.snmp.expected import Score, compare, document
from tests.collectors.snmp.recordings import copy_shared, shared, unpack_packaged
from tests.collectors.snmp.simulator import simulated

PAGE = Path(__file__).parents[3] / "docs/devices.md"
HEAD = """# Devices

Written by `python -m tests.collectors.snmp.report`: recordings of real devices, served by snmpsim and polled as the agent
polls a device. *Metrics* are the families the device gives a value of, *series* their number; *as expected* is how many
of the values that another program read from the same recording are among ours (there are such values for part of the
recordings only). The tests poll them again and compare this page row by row.

| device | vendor | model | profile | metrics | series | as expected |
|---|---|---|---|---|---|---|
"""

DIFFERENCES = {
    ("apc_smart1500", "sensors"): (
        2,
        (
            "upsBasicBatteryLastReplaceDate and upsAdvBatteryRecommendedReplaceDate (PowerNet-MIB) are dates; the other program"
            " made minutes until and since the day it was run out of them"
        ),
    ),
    ("netagent2", "sensors"): (
        2,
        (
            "`commune_ups_load_ratio` is one for a UPS: the load of the fullest of its three phases"
            " (XPPC-MIB, 1.3.6.1.4.1.935.1.1.1.8.3.5 to 7); the other two are not told"
        ),
    ),
}
"""Where values that another program read are not ours: how many, and why."""


def remarks() -> str:
    """The differences, below the table."""
    lines = [f"- {name}, {kind}: {reason}.\n" for (name, kind), (_, reason) in DIFFERENCES.items()]
    return "\nWhat is not as expected, and why:\n\n" + "".join(lines)


def identity(reading: Reading) -> dict[str, str]:
    """The labels of commune_device_info."""
    for observation in reading.observations:
        if observation.metric.name == "commune_device_info":
            return dict(zip(observation.metric.labels, observation.labels, strict=True))
    return {}


def scores(name: str, reading: Reading) -> dict[str, Score]:
    """The comparison with the expected values, where there are some."""
    folder = shared()
    if folder is None or not (folder / f"{name}.json").exists():
        return {}
    return compare(document(name, folder), reading.observations)


def row(name: str, reading: Reading) -> str:
    """One device as a line of the page."""
    who = identity(reading)
    families = {observation.metric.name for observation in reading.observations}
    told = ", ".join(f"{kind} {score.matched}/{score.expected}" for kind, score in scores(name, reading).items())
    cells = (name, who.get("vendor", ""), who.get("model", ""), who.get("profile", ""))
    safe = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(safe)} | {len(families)} | {len(reading.observations)} | {told} |\n"


async def poll(names: Iterable[str], port: int) -> dict[str, Reading]:
    """Poll recordings one after the other."""
    sessions = SnmpSessions()
    found = {}
    for name in names:
        peer = Peer("127.0.0.1", port, Credentials(2, name), timeout=10)
        device = SnmpDeviceCollector(name, peer, sessions, Machine(), interval=60)
        device.deadline = 120.0  # snmpsim is slower than any device
        found[name] = await device.collect()
    await sessions.close()
    return found


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        names = [*copy_shared(Path(first)), *unpack_packaged(Path(first))]
        with simulated(Path(first), Path(second)) as port:
            readings = asyncio.run(poll(names, port))
    PAGE.write_text(HEAD + "".join(row(name, reading) for name, reading in readings.items()) + remarks(), encoding="utf-8")


if __name__ == "__main__":
    main()
