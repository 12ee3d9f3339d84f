"""Which line the province is reached by: unit tests of the choice; the whole in tests/e2e/test_province.py."""

import socket

import pytest

from agent.forward import ways
from agent.forward.ways import LINUX_TCP_USER_TIMEOUT, TRY_FIRST_AGAIN, Remembering, Ways
from collectors.model import Reason
from collectors.probe.sockets import Fault


class Clock:
    """Seconds that pass when told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_next_line_is_taken_after_a_failure_and_the_first_again_after_a_while() -> None:
    clock = Clock()
    choice = Ways(lambda: ["eth0", "eth0", "eth1", "wwan0"], clock)
    assert choice.several
    chosen = [choice.chosen]
    for _ in range(3):
        choice.failed()
        chosen.append(choice.chosen)
    assert chosen == [None, "eth1", "wwan0", None]
    choice.failed()
    clock.now += TRY_FIRST_AGAIN - 1
    assert choice.chosen == "eth1"
    clock.now += 2
    assert choice.chosen is None


def test_one_line_is_the_kernels_business_and_a_line_that_went_is_forgotten() -> None:
    lines = ["eth0", "eth1"]
    choice = Ways(lambda: lines, Clock())
    choice.failed()
    assert choice.chosen == "eth1"
    lines.remove("eth1")
    assert choice.chosen is None
    assert not choice.several
    choice.failed()
    assert choice.chosen is None


@pytest.mark.parametrize("lines", [["nothing0", "lo"], ["lo"]], ids=["several", "one"])
def test_with_another_line_at_hand_a_dead_one_is_noticed_soon(lines: list[str]) -> None:
    with socket.socket() as channel:
        Ways(lambda: lines, Clock()).hasten(channel)
        assert channel.getsockopt(socket.IPPROTO_TCP, LINUX_TCP_USER_TIMEOUT) == (6000 if len(lines) > 1 else 0)


async def test_the_last_address_holds_when_no_resolver_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = Remembering()
    known = await resolver.resolve("localhost", 80)
    dead = Fault(Reason.NAME_UNRESOLVED, "no resolver answers")

    async def ask(*_: object) -> Fault:
        return dead

    monkeypatch.setattr(ways, "resolve", ask)
    assert await resolver.resolve("localhost", 80) == known
    with pytest.raises(OSError, match="no resolver"):
        await resolver.resolve("other.invalid", 80)
