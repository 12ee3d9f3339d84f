"""Asking a time server: against one on loopback that tells what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from collectors.machine import SystemClock
from collectors.probe import sntp
from collectors.probe.sockets import Endpoint
from collectors.wire import ntp
from tests.receivers.time_server import time_server, told


async def test_the_base_is_true_minus_monotonic_time() -> None:
    clock = SystemClock()
    async with time_server(lambda: time.time() + 1000) as server:
        (found,) = await sntp.ask(server, clock)
    assert found.base + clock.monotonic() == pytest.approx(time.time() + 1000, abs=0.05)
    assert 0 <= found.error < 0.05


async def test_silence_is_a_timeout() -> None:
    async with time_server(lambda: None) as server:
        with pytest.raises(TimeoutError):
            await sntp.ask(server, SystemClock(), timeout=0.2)


async def test_a_closed_port_is_an_error_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        await sntp.ask(f"127.0.0.1:{port}", SystemClock(), timeout=2.0)


async def test_a_name_of_many_servers_is_several_references(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoints: list[Endpoint] = []

    async def resolve(_: str, __: int, *, datagram: bool) -> tuple[Endpoint, ...]:
        assert datagram
        return tuple(endpoints)

    monkeypatch.setattr(sntp, "resolve", resolve)
    async with contextlib.AsyncExitStack() as servers:
        for number in range(6):
            moment = None if number == 1 else time.time() + number
            server = await servers.enter_async_context(time_server(lambda moment=moment: moment))  # type: ignore[misc]
            endpoints.append(Endpoint(socket.AF_INET, ("127.0.0.1", int(server.rpartition(":")[2]))))
        clock = SystemClock()
        found = await sntp.ask("pool.example", clock)
    assert [round(one.base + clock.monotonic() - time.time()) for one in found] == [0, 2, 3]


async def test_an_answer_from_another_port_does_not_arrive() -> None:
    """The answer itself is right; only the kernel sees that the server did not send it."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        server.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        server.setblocking(False)  # noqa: FBT003
        asking = loop.create_task(sntp.ask(f"127.0.0.1:{server.getsockname()[1]}", SystemClock(), timeout=0.5))
        data, asker = await loop.sock_recvfrom(server, 100)
        other.sendto(told(data, time.time()), asker)
        with pytest.raises(TimeoutError):
            await asking


class Sleeper:
    """The computer sleeps while the answer is under way: its clock passes over an hour."""

    def __init__(self) -> None:
        self.asked = 0

    def monotonic(self) -> float:
        self.asked += 1
        return time.monotonic() + (3600.0 if self.asked > 1 else 0.0)


async def test_what_was_answered_before_a_suspend_is_not_believed() -> None:
    async with time_server(time.time) as server:
        with pytest.raises(ntp.MalformedError, match="too late"):
            await sntp.ask(server, Sleeper())  # type: ignore[arg-type]
