"""Other people's traffic is what the interface carries and the test's connections do not."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe.transfer_guard import Carried, Guard, Own, connections, others

linux = pytest.mark.skipif(sys.platform != "linux", reason="sock_diag is Linux's")
HEAD = "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes\n"


@pytest.mark.parametrize(
    ("after", "limits", "found"),
    [
        (Carried(2.0, 2_000, 200, 1_800, 190), (500.0, 500.0), None),
        (Carried(2.0, 2_000, 200, 0, 190), (500.0, 500.0), ("download", 1000.0)),
        (Carried(2.0, 2_000, 4_000, 1_800, 190), (500.0, 500.0), ("upload", 1905.0)),
        (Carried(2.0, 2_000, 4_000, 0, 0), (None, None), None),
        (Carried(0.0, 2_000, 4_000, 0, 0), (1.0, 1.0), None),
    ],
)
def test_what_others_carry(after: Carried, limits: tuple[float | None, float | None], found: tuple[str, float] | None) -> None:
    assert others(Carried(0.0, 0, 0, 0, 0), after, limits) == found


@linux
def test_own_octets_are_those_of_real_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = Own(["127.0.0.1"])
        base = own.totals()
        assert base is not None
        with socket.create_connection(server.getsockname()) as near:
            far, _ = server.accept()
            with far:
                near.sendall(b"x" * 30000)
                got = 0
                while got < 30000:
                    got += len(far.recv(65536))
                now = own.totals()
                assert now is not None
                assert connections("127.0.0.99") == []
        # Both ends are of this machine, so both directions carry it; a connection that has gone still counts.
        assert all(30000 <= now[side] - base[side] < 34000 for side in (0, 1))
        later = own.totals()
        assert later is not None
        assert later[0] >= now[0]


@linux
async def test_the_guard_tells_of_others(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/dev").write_text(HEAD + "  eth0: 1000 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n")
    total = 0

    class Filling(Machine):
        def read_or_none(self, name: str) -> str | None:
            nonlocal total
            total += 1_000_000
            return HEAD + f"  eth0: {total} 10 0 0 0 0 0 0 2000 20 0 0 0 0 0 0\n" if name == "/proc/net/dev" else None

    guard = Guard(Filling(root=tmp_path), "eth0", ["192.0.2.1"], (100_000.0, 100_000.0))
    direction, rate = await guard.until_others()
    assert direction == "download"
    assert rate > 100_000
    assert guard.own == 0
