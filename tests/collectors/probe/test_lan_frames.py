"""The process that speaks raw frames: what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from collectors.probe.lan_frames import DHCP_REPLIES, ND_REPLIES


@pytest.mark.skipif(sys.platform != "linux", reason="raw frames are sent on Linux only")
@pytest.mark.parametrize(
    "job", [{"do": "dhcp", "seconds": 0.1}, {"do": "owners", "own4": ["192.168.1.1"], "own6": [], "seconds": 0.1}]
)
def test_an_interface_that_is_not_there(job: dict[str, object]) -> None:
    asked = json.dumps({**job, "interface": "nosuch0"})
    command = [sys.executable, "-m", "collectors.probe.lan_frames"]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=False, timeout=60)
    assert json.loads(done.stdout) == {"reason": "no_address", "detail": "no such device: nosuch0"}, done.stderr


@pytest.mark.parametrize("program", [DHCP_REPLIES, ND_REPLIES])
def test_every_jump_of_a_filter_lands_inside_it(program: tuple[tuple[int, int, int, int], ...]) -> None:
    for place, (code, if_true, if_false, _) in enumerate(program):
        if code == 0x15:
            assert place + 1 + max(if_true, if_false) < len(program)
    assert [row[0] for row in program[-2:]] == [6, 6]
    assert [row[3] for row in program[-2:]] == [0xFFFF, 0]
