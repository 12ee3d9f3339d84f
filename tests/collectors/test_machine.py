"""The computer as an argument: a folder, listed commands, three clocks."""

import asyncio
import time
from pathlib import Path

import pytest

from collectors.machine import Machine, SystemClock, run_command


def test_a_folder_is_a_computer(tmp_path: Path) -> None:
    (tmp_path / "sys/class/net/eth0").mkdir(parents=True)
    (tmp_path / "sys/class/net/eth0/operstate").write_bytes(b"up\n")
    machine = Machine(tmp_path)
    assert not machine.is_real
    assert Machine().is_real
    assert machine.entries("/sys/class/net") == ["eth0"]
    assert machine.entries("/nowhere") == []
    assert machine.read("/sys/class/net/eth0/operstate") == "up"
    assert machine.read_or_none("/sys/class/net/eth0/speed") is None
    with pytest.raises(OSError, match="No such file"):
        machine.read("/sys/class/net/eth0/speed")


@pytest.mark.timing
def test_clocks() -> None:
    clock = SystemClock()
    first, begin = clock.monotonic(), clock.wall()
    assert clock.monotonic() >= first
    assert clock.true() == pytest.approx(time.time(), abs=1)
    assert clock.true_at(clock.monotonic() - 60) == pytest.approx(begin - 60, abs=1)


async def test_only_listed_commands() -> None:
    with pytest.raises(PermissionError, match="rm is not among the commands"):
        await run_command(["rm", "-rf", "/"], 1)


@pytest.mark.timing
async def test_a_command_that_takes_too_long_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collectors.machine.COMMANDS", {"sleep", "sh"})
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        await run_command(["sleep", "30"], 0.2)
    assert time.monotonic() - begin < 2
    done = await run_command(["sh", "-c", "echo $LC_ALL; echo no >&2; exit 3"], 5)
    assert done == (3, "C\n", "no\n")
    task = asyncio.get_running_loop().create_task(run_command(["sleep", "31"], 60))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert process.read_bytes() not in (b"sleep\x0030\0", b"sleep\x0031\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
