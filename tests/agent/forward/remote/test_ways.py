"""Which line the province is reached by: unit tests of the choice; the whole in tests/e2e/test_province.py."""

import asyncio
import socket

import pytest

from agent.forward.remote.ways import TRY_FIRST_AGAIN, UNACKNOWLEDGED, Remembering, Ways
from collectors.model import Reason
from collectors.probe.sockets import Fault


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_next_line_is_taken_after_a_failure_and_the_first_again_after_a_while() -> None:
    clock = Clock()
    ways = Ways(lambda: ["eth0", "eth0", "eth1", "wwan0"], clock)
    assert ways.several
    chosen = [ways.chosen]
    for _ in range(3):
        ways.failed()
        chosen.append(ways.chosen)
    assert chosen == [None, "eth1", "wwan0", None]
    ways.failed()
    clock.now += TRY_FIRST_AGAIN - 1
    assert ways.chosen == "eth1"
    clock.now += 2
    assert ways.chosen is None


def test_one_line_is_the_kernels_business_and_a_line_that_went_is_forgotten() -> None:
    lines = ["eth0", "eth1"]
    ways = Ways(lambda: lines, Clock())
    ways.failed()
    assert ways.chosen == "eth1"
    lines.remove("eth1")
    assert ways.chosen is None
    assert not ways.several
    ways.failed()
    assert ways.chosen is None


async def test_a_connection_leaves_by_the_chosen_line() -> None:
    ways = Ways(lambda: ["nothing0", "lo"], Clock())
    ways.failed()
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        with await ways.connect("127.0.0.1", server.sockets[0].getsockname()[1]) as channel:
            assert channel.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
            assert channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED * 1000


async def test_the_last_address_holds_when_no_resolver_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Remembering()
    known = await resolver.resolve("localhost", 80)

    async def dead(host: str, port: int) -> Fault:
        return Fault(Reason.NAME_UNRESOLVED, f"{host} has no address: no resolver answers on {port}")

    monkeypatch.setattr("agent.forward.remote.ways.resolve", dead)
    assert await resolver.resolve("localhost", 80) == known
    with pytest.raises(OSError, match="no resolver"):
        await resolver.resolve("other.invalid", 80)

    async def silent(host: str, port: int) -> Fault:
        return await asyncio.Future()

    monkeypatch.setattr("agent.forward.remote.ways.resolve", silent)
    monkeypatch.setattr("agent.forward.remote.ways.NAME_WITHIN", 0.01)
    assert await resolver.resolve("localhost", 80) == known
