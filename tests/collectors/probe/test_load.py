"""How busy an interface is, and the bufferbloat grade."""

from __future__ import annotations

from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe.load import grade, use_of

HEAD = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"


@pytest.mark.parametrize(
    ("idle", "loaded", "letter"),
    [
        (0.020, 0.024, "A+"),
        (0.020, 0.040, "A"),
        (0.020, 0.075, "B"),
        (0.020, 0.200, "C"),
        (0.020, 0.400, "D"),
        (0.020, 0.900, "F"),
        (0.020, 0.015, "A+"),
        (None, 0.1, None),
        (0.1, None, None),
    ],
)
def test_grades(idle: float | None, loaded: float | None, letter: str | None) -> None:
    assert grade(idle, loaded) == letter


async def test_an_idle_interface_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text(HEAD + "  eth0: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n")
    machine = Machine(root=tmp_path, platform="linux")
    found = await use_of(machine, "eth0", 0.05)
    assert found is not None
    assert (found.receive, found.transmit) == (0.0, 0.0)
    assert await use_of(machine, "eth1", 0.0) is None
