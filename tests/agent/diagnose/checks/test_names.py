"""Layer 5: what a name server stands on; servers that answer, lie or do not are in tests/e2e."""

from pathlib import Path

import pytest

from agent.diagnose.checks.names import Proof, _is_invented, _is_local, _portals, build
from agent.diagnose.graph import Check
from collectors.probe.dns import DnsResult
from collectors.site import Surroundings
from tests.agent.diagnose.grounds import GATEWAY, SITE, ground


def check(root: Path, server: str) -> Check:
    (found,) = build(ground(root, Surroundings(SITE.routes, (server,), SITE.interfaces)))
    return found


def test_a_server_next_door_needs_the_router_only(tmp_path: Path) -> None:
    found = check(tmp_path, GATEWAY)
    assert (found.needs, found.needs_any) == ((), ("gateway:eth0",))
    assert "uplink:eth0" in found.stands_on


def test_a_server_next_door_without_a_way_out_needs_the_own_address(tmp_path: Path) -> None:
    (found,) = build(ground(tmp_path, Surroundings((), (GATEWAY,), SITE.interfaces)))
    assert (found.needs, found.needs_any) == ((), ("address:eth0",))


def test_a_server_far_away_needs_a_line(tmp_path: Path) -> None:
    found = check(tmp_path, "1.1.1.1")
    assert (found.needs, found.needs_any) == (("route",), ("uplink:eth0",))


def test_a_server_on_this_computer_needs_nothing(tmp_path: Path) -> None:
    found = check(tmp_path, "127.0.0.53")
    assert (found.needs, found.needs_any) == ((), ())


def test_every_service_is_asked_for_by_name(tmp_path: Path) -> None:
    names = ["dichvucong.gov.vn", "xacthuc.dichvucong.gov.vn", "sso.dancuquocgia.gov.vn", "ocsp.ca.gov.vn"]
    assert _portals(ground(tmp_path)) == names


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("10.66.6.6", True),
        ("192.168.1.1", True),
        ("0.0.0.0", True),
        ("100.64.0.1", True),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
    ],
)
def test_where_no_public_service_can_be(address: str, *, local: bool) -> None:
    assert _is_local(address) == local


def test_proofs_are_ordered() -> None:
    assert Proof.SILENT < Proof.ANSWERS < Proof.VALID


def test_without_any_name_server_entered_this_computer_is_asked_where_a_line_carries(tmp_path: Path) -> None:
    (found,) = build(ground(tmp_path, Surroundings(SITE.routes, (), SITE.interfaces)))
    assert (found.id, found.needs, found.needs_any) == ("dns:127.0.0.1", ("route",), ("uplink:eth0",))


async def test_where_nobody_else_can_be_asked_a_denial_or_an_address_of_nowhere_is_a_lie(tmp_path: Path) -> None:
    site = ground(tmp_path, quick=True)

    async def invented(*records: str) -> bool:
        return await _is_invented(site, "127.0.0.1", "ocsp.ca.gov.vn", DnsResult(None, 0.1, 0, len(records), records))

    assert await invented()
    site = ground(tmp_path, quick=True, environ={"http_proxy": "http://192.168.1.1:3128"})
    assert not await invented()  # the proxy knows it
    assert await invented("0.0.0.0")
    assert await invented("127.0.0.1")
    assert not await invented("8.8.8.8")  # a service may be down there: nothing is sent to find out
