"""Connections: accepted, refused, unreachable, unanswered; both families raced; the time as the wire shows it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collectors.machine import SystemClock
from collectors.model import Reason
from collectors.probe import tcp
from collectors.probe.sockets import Endpoint, Fault
from collectors.probe.tcp import TcpResult, measure
from tests.netlab import End, Lab, available

NO_LAB = available()
ROOT = Path(__file__).parents[3]
CLOCK = SystemClock()


@asynccontextmanager
async def listening(host: str = "127.0.0.1") -> AsyncIterator[int]:
    server = await asyncio.start_server(lambda _, writer: writer.close(), host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def free_port() -> int:
    with socket.socket() as channel:
        channel.bind(("127.0.0.1", 0))
        return int(channel.getsockname()[1])


@pytest.mark.timing
async def test_accepted() -> None:
    async with listening() as port:
        result = await measure("127.0.0.1", port, timeout=5, clock=CLOCK)
    assert result.fault is None
    assert result.address == "127.0.0.1"
    assert result.seconds is not None
    assert 0 < result.seconds < 2


async def test_refused() -> None:
    result = await measure("127.0.0.1", free_port(), timeout=5, clock=CLOCK)
    assert result == TcpResult(result.fault)
    assert result.fault is not None
    assert result.fault.reason is Reason.REFUSED
    assert "connection refused" in result.fault.detail


async def test_no_name_at_all() -> None:
    result = await measure("a..b", 443, timeout=5, clock=CLOCK)
    assert result.fault is not None
    assert result.fault.reason is Reason.NAME_UNRESOLVED


async def test_a_resolver_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(host: str, port: int) -> Fault:
        await asyncio.sleep(30)
        raise AssertionError((host, port))

    monkeypatch.setattr(tcp, "resolve", hang)
    result = await measure("portal.example", 443, timeout=0.1, clock=CLOCK)
    assert result.fault is not None
    assert result.fault.reason is Reason.NAME_UNRESOLVED


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_the_family_that_answers_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening() as port:
        both = (Endpoint(socket.AF_INET6, ("::1", port, 0, 0)), Endpoint(socket.AF_INET, ("127.0.0.1", port)))

        async def resolve(host: str, port: int) -> tuple[Endpoint, ...]:
            return both

        monkeypatch.setattr(tcp, "resolve", resolve)
        result = await measure("portal.example", port, timeout=5, clock=CLOCK)
    assert (result.fault, result.address) == (None, "127.0.0.1")


@pytest.mark.skipif(sys.platform != "linux", reason="counts open files in /proc")
async def test_a_cancelled_attempt_leaves_no_socket_behind() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        held = [socket.socket() for _ in range(4)]
        for one in held:  # a queue that is full leaves further requests without an answer
            one.setblocking(False)  # noqa: FBT003
            one.connect_ex(address)
        before = len(list(Path("/proc/self/fd").iterdir()))
        result = await measure(*address, timeout=0.2, clock=CLOCK)
        assert result.fault is not None
        assert result.fault.reason is Reason.TIMEOUT
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(measure(*address, timeout=5, clock=CLOCK), 0.1)
        await asyncio.sleep(0)
        assert len(list(Path("/proc/self/fd").iterdir())) == before
        for one in held:
            one.close()


@pytest.mark.timing
@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_delay_silence_and_unreachable_in_a_network() -> None:
    program = """
import asyncio, sys
from collectors.machine import SystemClock
from collectors.probe.tcp import measure
print(asyncio.run(measure("10.9.0.2", 8080, timeout=1, clock=SystemClock())))
"""
    with Lab() as lab:
        pc, far = lab.node("pc"), lab.node("far")
        link = lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(far, "eth0", ("10.9.0.2/24",)))
        far.popen([sys.executable, "-m", "http.server", "8080"])
        pc.python(
            "import socket,time\nfor _ in range(100):\n  try: socket.create_connection(('10.9.0.2',8080)); break\n  except OSError: time.sleep(.05)"
        )

        def connect() -> str:
            return pc.run([sys.executable, "-c", program], cwd=ROOT).stdout

        with link.delay(0.05), pc.capture("eth0", lambda frame: frame[12:14] == b"\x08\x00" and frame[23] == 6) as capture:
            said = connect()
        sent, answered = capture.frames[0], capture.frames[1]
        assert (sent.direction, answered.direction) == ("out", "in")
        wire = (answered.timestamp_ns - sent.timestamp_ns) / 1e9
        seconds = float(said.partition("seconds=")[2].partition(",")[0])
        assert 0.1 <= wire < 0.3
        assert 0 <= seconds - wire < 0.1
        with link.blackhole():
            assert "'timeout'" in connect()
        pc.ip("route add unreachable 10.8.0.0/16")
        assert "'unreachable'" in pc.run([sys.executable, "-c", program.replace("10.9.0.2", "10.8.0.1")], cwd=ROOT).stdout
