"""Host: the golden laptop, unclean boots as a counter that survives, and this machine."""

from __future__ import annotations

from pathlib import Path

from agent.state import State
from collectors import host
from collectors.host import Host, HostSettings
from collectors.machine import Machine
from collectors.model import Reading
from collectors.probe import boots
from collectors.probe.filesystems import Space
from collectors.site import Context, Site, Surroundings
from tests.collectors import captured, golden

SPACES = {"/": Space(250_000_000_000, 100_000_000_000), "/boot/efi": Space(500_000_000, 400_000_000)}


def ask(path: str) -> Space:
    if path not in SPACES:
        raise OSError
    return SPACES[path]


async def test_golden(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path / "root", captured.LAPTOP)
    golden.check("host", [await Host(machine, 30, tmp_path, ask).collect()])


async def test_every_metric_is_declared_and_every_declared_one_is_measured(tmp_path: Path) -> None:
    reading = await Host(captured.machine(tmp_path / "root", captured.LAPTOP), 30, tmp_path, ask).collect()
    assert {observation.metric for observation in reading.observations} == set(host.METRICS)


async def test_unclean_boots_are_counted_once_and_survive(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path / "root", captured.LAPTOP)

    async def session(boot: int, *, clean: bool) -> float:
        captured.write(tmp_path / "root", {"proc/sys/kernel/random/boot_id": f"boot-{boot}\n"})
        state = State()
        collector = Host(machine, 30, tmp_path, ask)
        for _ in range(3):
            state.apply(await collector.collect(), 75)
        if clean:
            await collector.stop()
        return next(float(one.value) for one in state.series() if one.metric is host.UNCLEAN_BOOTS)  # type: ignore[arg-type]

    assert await session(1, clean=True) == 0
    assert await session(2, clean=False) == 0
    assert await session(3, clean=False) == 1
    assert await session(3, clean=False) == 1  # the agent restarted within the boot
    assert await session(4, clean=True) == 2
    assert await session(5, clean=True) == 2


async def test_a_single_run_leaves_the_record_of_boots_alone(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path / "root", captured.LAPTOP)
    collector = Host(machine, 30, tmp_path, ask)
    await collector.once()
    await collector.stop()
    assert not (tmp_path / boots.RECORD).exists()


async def test_a_directory_that_cannot_be_written_costs_the_record_alone(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path / "root", captured.LAPTOP)
    reading = await Host(machine, 30, tmp_path / "missing", ask).collect()
    assert reading.reason is None
    assert any(observation.metric is host.LOAD1 for observation in reading.observations)


async def test_this_machine(tmp_path: Path) -> None:
    context = Context(Machine(), Site(), Surroundings(), (), state_dir=tmp_path)
    (collector,) = host.build(HostSettings(), context)
    await collector.collect()
    reading: Reading = await collector.collect()
    values = {observation.metric for observation in reading.observations}
    assert {host.CPU_SECONDS, host.LOAD1, host.MEMORY_TOTAL, host.FILESYSTEM_SIZE, host.BOOT_TIMESTAMP} <= values
    await collector.stop()
