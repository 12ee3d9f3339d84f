"""Layer 0 on captured figures."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from agent import statedir
from agent.diagnose.checks.host import build
from agent.diagnose.graph import Outcome, Status, run
from agent.settings import ClockSettings, defaults
from collectors.probe.filesystems import Space
from tests.agent.diagnose.grounds import codes, ended, ground, write

GIB = 2**30
ROOT_MOUNT = {"/proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"}


async def outcome(name: str, root: Path, results: Any = None, **keywords: Any) -> Outcome:
    (check,) = [check for check in build(ground(root, quick=True, **keywords)) if check.id == name]
    return await check.run(results or {})


@pytest.mark.parametrize(("free", "found"), [(50 * GIB, []), (GIB // 10, ["host.disk_full"]), (0, ["host.disk_full"])])
async def test_disk(tmp_path: Path, free: int, found: list[str]) -> None:
    write(tmp_path, ROOT_MOUNT)
    assert codes(await outcome("disk", tmp_path, spaces={"/": Space(100 * GIB, free)})) == found


async def test_the_disk_of_the_agents_state_counts_whatever_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmpfs = "23 22 0:40 / /mnt/state rw - tmpfs none rw\n24 22 0:41 / /tmp rw - tmpfs none rw\n"
    write(tmp_path, {"/proc/self/mountinfo": ROOT_MOUNT["/proc/self/mountinfo"] + tmpfs})
    monkeypatch.setattr(statedir, "wanted", lambda *_: Path("/mnt/state/commune-agent"))
    spaces = {"/": Space(100 * GIB, 50 * GIB), "/mnt/state": Space(GIB, 0)}
    found = await outcome("disk", tmp_path, spaces=spaces)
    assert [suspect.subject for suspect in found.suspects] == ["/mnt/state"]


async def test_a_small_system_partition_is_not_full_by_its_size(tmp_path: Path) -> None:
    write(tmp_path, ROOT_MOUNT)
    assert codes(await outcome("disk", tmp_path, spaces={"/": Space(300 * 2**20, 100 * 2**20)})) == []


@pytest.mark.parametrize(("available", "found"), [(2_000_000, []), (60_000, ["host.memory"])])
async def test_memory(tmp_path: Path, available: int, found: list[str]) -> None:
    write(tmp_path, {"/proc/meminfo": f"MemTotal: 4000000 kB\nMemAvailable: {available} kB\n"})
    assert codes(await outcome("memory", tmp_path)) == found


async def test_memory_that_nobody_tells_is_not_judged(tmp_path: Path) -> None:
    assert (await outcome("memory", tmp_path)).status is Status.SKIP


async def test_a_processor_that_stands_still_is_not_judged(tmp_path: Path) -> None:
    write(tmp_path, {"/proc/stat": "cpu 1 2 3 4 5 6 7 0 0 0\n"})
    assert (await outcome("cpu", tmp_path)).status is Status.SKIP


@pytest.mark.parametrize(
    ("offset", "running", "found"),
    [
        (86_400.0, None, ["clock.wrong"]),
        (-90.0, None, ["clock.wrong"]),
        (3.0, None, []),
        (3.0, {"clock_offset_seconds": 2.0}, []),
    ],
)
async def test_the_clock_is_held_against_what_services_say(
    tmp_path: Path, offset: float, running: dict[str, float] | None, found: list[str]
) -> None:
    before = ended("service:portal", Outcome(Status.PASS, data={"clock_offset_seconds": offset}))
    assert codes(await outcome("clock", tmp_path, before, running=running)) == found


async def test_without_a_reference_the_clock_is_not_judged(tmp_path: Path) -> None:
    assert (await outcome("clock", tmp_path)).detail == "no reference"


async def test_data_that_waits_for_an_hour_is_told(tmp_path: Path) -> None:
    spool = {"pending_samples": 7, "oldest_timestamp_seconds": 1.0, "last_error": "refused"}
    assert codes(await outcome("agent", tmp_path, running={"spool": spool})) == ["agent.spool"]
    assert codes(await outcome("agent", tmp_path, running={"spool": {"pending_samples": 0}})) == []


async def test_all_of_them_end_in_time(tmp_path: Path) -> None:
    checks = [check for check in build(ground(tmp_path, quick=True)) if check.id != "clock"]
    assert {result.outcome.status for result in (await run(checks, within=3.0)).values()} <= {Status.PASS, Status.SKIP}


async def test_where_no_service_tells_the_time_a_time_server_is_asked_if_a_line_carries(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(lambda: TimeServer(time.time() + 7200), local_addr=("127.0.0.1", 0))
    address = f"127.0.0.1:{server.get_extra_info('sockname')[1]}"
    core = msgspec.structs.replace(defaults().core, clock=ClockSettings(servers=(address,)))
    site = replace(ground(tmp_path), settings=replace(defaults(), core=core))
    (check,) = [check for check in build(site) if check.id == "clock"]
    found = await check.run(ended("uplink:eth0", Outcome(Status.PASS)))
    lost = await check.run(ended("uplink:eth0", Outcome(Status.FAIL)))
    server.close()
    assert (codes(found), found.detail) == (["clock.wrong"], "-7200 s")
    assert lost.status is Status.SKIP


class TimeServer(asyncio.DatagramProtocol):
    """Answers that it is so late (RFC 5905, section 7.3)."""

    def __init__(self, moment: float) -> None:
        self._stamp = round((moment + 2_208_988_800) * 2**32).to_bytes(8)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head = bytes([0x24, 1, 0, 0xEC]) + bytes(8) + b"TEST"
        self._transport.sendto(head + self._stamp + data[40:48] + self._stamp + self._stamp, addr)
