"""Which networks are looked at; who answers there is tried in tests/e2e."""

from pathlib import Path

import pytest

from agent.diagnose.checks.lan import _other_mask, _unseen, build
from agent.diagnose.graph import Status
from collectors.model import Reason
from collectors.probe.lan import Offer
from collectors.site import Interface, Route, Surroundings
from tests.agent.diagnose.grounds import GATEWAY, ground


def site(*addresses: str) -> Surroundings:
    return Surroundings((Route(4, "eth0", GATEWAY, 100),), (), (Interface("eth0", addresses, wireless=False),))


@pytest.mark.parametrize(
    ("addresses", "names"),
    [
        (("192.168.1.10/24",), ["duplicate:eth0", "dhcp:eth0"]),
        (("2001:db8::10/64", "10.1.2.3/16"), ["duplicate:eth0", "dhcp:eth0"]),
        (("203.0.113.7/24",), []),
        ((), []),
    ],
)
def test_only_private_networks_are_looked_at(tmp_path: Path, addresses: tuple[str, ...], names: list[str]) -> None:
    assert [check.id for check in build(ground(tmp_path, site(*addresses)))] == names


def test_a_quick_answer_looks_at_none(tmp_path: Path) -> None:
    assert build(ground(tmp_path, site("192.168.1.10/24"), quick=True)) == []


@pytest.mark.parametrize(
    ("own", "mask", "found"),
    [
        ("192.168.1.10/16", "255.255.255.0", ("192.168.1.10/16", "192.168.1.0/24")),
        ("192.168.1.10/24", "255.255.255.0", None),
        ("192.168.1.10/16", None, None),
        ("10.0.0.5/8", "255.255.255.0", None),
    ],
)
def test_a_mask_that_is_not_everybodys(tmp_path: Path, own: str, mask: str | None, found: tuple[str, str] | None) -> None:
    offer = Offer(GATEWAY, "aa:aa:aa:aa:aa:aa", "192.168.1.150", mask)
    assert _other_mask(ground(tmp_path, site(own)), "eth0", (offer,)) == found


def test_what_privilege_would_add_is_noted(tmp_path: Path) -> None:
    looking = ground(tmp_path)
    assert _unseen(looking, Reason.NO_PERMISSION, "").status is Status.SKIP
    assert len(looking.notes) == 1
    assert _unseen(looking, Reason.INTERNAL, "broken").status is Status.ERROR
