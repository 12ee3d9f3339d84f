"""Layer 0: disk, memory, processor, clock, and the agent's own spool."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from agent import statedir
from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import (
    CLOCK_WRONG_SECONDS,
    CPU_BUSY_RATIO,
    DISK_FREE_BYTES,
    DISK_FREE_RATIO,
    MEMORY_FREE_RATIO,
)
from agent.diagnose.words import data_size, percent, time_span
from collectors.probe import host, sntp
from collectors.wire.procfs import parse_mountinfo

SAMPLE_SECONDS = 2.0
LOAD_PER_PROCESSOR = 8.0
"""A burst is no fault, nor is a busy quarter of an hour with room to answer: the queue must be long, and for minutes."""
SPOOL_OLD_SECONDS = 3600.0
SNTP_TIMEOUT = 2.0


def build(ground: Ground) -> list[Check]:
    """The checks of layer 0."""
    lines = tuple(f"uplink:{uplink.name}" for uplink in ground.context.uplinks)
    targets = tuple(f"service:{target.name}" for target in ground.settings.kinds["http"].targets)
    targets += tuple(f"captive:{uplink.name}" for uplink in ground.context.uplinks)

    async def disk(_: Results) -> Outcome:
        return await _disk(ground)

    async def memory(_: Results) -> Outcome:
        return _memory(ground)

    async def cpu(_: Results) -> Outcome:
        return await _cpu(ground)

    async def clock(results: Results) -> Outcome:
        return await _clock(ground, results)

    async def agent(_: Results) -> Outcome:
        return _agent(ground)

    checks = [Check("disk", 0, disk), Check("memory", 0, memory), Check("cpu", 0, cpu)]
    checks.append(Check("clock", 0, clock, after=targets))
    if ground.running is not None:
        checks.append(Check("agent", 0, agent, stands_on=lines))
    return checks


async def _disk(ground: Ground) -> Outcome:
    spaces = await ground.filesystems.measure(2.0, _own_disk(ground))
    suspects = []
    details = []
    for mountpoint, space in spaces.items():
        share = space.available / space.size if space.size else 1.0
        details.append(f"{mountpoint} {percent(share)}")
        if share < DISK_FREE_RATIO or space.available < min(DISK_FREE_BYTES, space.size * 5 * DISK_FREE_RATIO):
            suspects.append(Suspect("host.disk_full", mountpoint, {"free": data_size(space.available)}))
    data = {mountpoint: {"size": space.size, "available": space.available} for mountpoint, space in spaces.items()}
    return Outcome(Status.FAIL if suspects else Status.PASS, ", ".join(details), data, tuple(suspects))


def _own_disk(ground: Ground) -> tuple[str, ...]:
    """The mount that holds the agent's state, of whatever type: there the agent keeps what it cannot send yet."""
    place = statedir.wanted(ground.settings, ground.machine)
    if place is None or ground.machine.platform != "linux":
        return ()
    mounts = [Path(mount.mountpoint) for mount in parse_mountinfo(ground.machine.read_or_none("/proc/self/mountinfo") or "")]
    holding = [str(mount) for mount in mounts if place.absolute().is_relative_to(mount)]
    return (max(holding, key=len),) if holding else ()


def _memory(ground: Ground) -> Outcome:
    found = host.memory(ground.machine)
    if found is None or found.available is None:
        return Outcome(Status.SKIP, "unknown")
    share = found.available / found.total
    free, total = data_size(found.available), data_size(found.total)
    data = {"total": found.total, "available": found.available}
    if share < MEMORY_FREE_RATIO:
        return Outcome(
            Status.FAIL, f"{free} / {total}", data, (Suspect("host.memory", "memory", {"free": free, "total": total}),)
        )
    return Outcome(Status.PASS, f"{free} / {total}", data)


async def _cpu(ground: Ground) -> Outcome:
    before = host.cpu_seconds(ground.machine)
    await asyncio.sleep(0.5 if ground.quick else SAMPLE_SECONDS)
    after = host.cpu_seconds(ground.machine)
    spent = {mode: after[mode] - before.get(mode, 0.0) for mode in after}
    whole = sum(spent.values())
    if whole <= 0:
        return Outcome(Status.SKIP, "unknown")
    busy = 1.0 - (spent.get("idle", 0.0) + spent.get("iowait", 0.0)) / whole
    waiting = _queue(ground)
    crowded = waiting > LOAD_PER_PROCESSOR * (os.cpu_count() or 1)
    data = {"busy": round(busy, 3), "load": waiting}
    if busy > CPU_BUSY_RATIO and crowded:
        return Outcome(Status.FAIL, f"{percent(busy)}", data, (Suspect("host.cpu", "cpu", {"busy": percent(busy)}),))
    return Outcome(Status.PASS, percent(busy), data)


def _queue(ground: Ground) -> float:
    """Programs that run or wait to run: the lesser of the means over one and five minutes."""
    means = (ground.machine.read_or_none("/proc/loadavg") or "").split()[:2]
    return min(map(float, means)) if len(means) == 2 else host.load1(ground.machine) or 0.0


async def _clock(ground: Ground, results: Results) -> Outcome:
    """This computer's clock against the agent's estimate, else against what the services answered in their Date header."""
    offsets = []
    told = (ground.running or {}).get("clock_offset_seconds")
    if isinstance(told, int | float):
        offsets.append(float(told))
    for name, result in results.items():
        offset = result.outcome.data.get("clock_offset_seconds")
        if name.startswith(("service:", "captive:")) and isinstance(offset, int | float):
            offsets.append(float(offset))
    if not offsets:
        offsets = await _asked(ground, results)
    if not offsets:
        return Outcome(Status.SKIP, "no reference")
    offset = sorted(offsets)[len(offsets) // 2]
    data = {"offset_seconds": round(offset, 1)}
    if abs(offset) > CLOCK_WRONG_SECONDS:
        span = time_span(abs(offset))
        return Outcome(Status.FAIL, f"{offset:+.0f} s", data, (Suspect("clock.wrong", "clock", {"offset": span}),))
    return Outcome(Status.PASS, f"{offset:+.1f} s", data)


async def _asked(ground: Ground, results: Results) -> list[float]:
    """What the time servers say, asked only where no service told the time."""
    if not any(result.outcome.carries for name, result in results.items() if name.startswith("uplink:")):
        return []
    clock, servers = ground.machine.clock, ground.settings.core.clock.servers
    asked = (sntp.ask(server, clock, ground.wait(SNTP_TIMEOUT)) for server in servers)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    return [clock.wall() - clock.monotonic() - one.base for found in answers if isinstance(found, list) for one in found]


def _agent(ground: Ground) -> Outcome:
    spool = (ground.running or {}).get("spool") or {}
    oldest, pending = spool.get("oldest_timestamp_seconds"), spool.get("pending_samples") or 0
    age = ground.machine.clock.true() - oldest if isinstance(oldest, int | float) else 0.0
    if pending and age > SPOOL_OLD_SECONDS:
        detail = str(spool.get("last_error") or time_span(age))
        return Outcome(Status.WARN, detail, dict(spool), (Suspect("agent.spool", "spool", {"detail": detail}),))
    return Outcome(Status.PASS, "running", {"instances": len((ground.running or {}).get("instances", ()))})
