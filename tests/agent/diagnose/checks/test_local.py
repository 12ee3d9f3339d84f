"""Layers 1 to 3 on captured figures; what answers is tried in tests/e2e."""

from pathlib import Path

import pytest

from agent.diagnose.checks.local import build
from agent.diagnose.graph import Outcome, Status
from collectors.site import Interface, Route, Surroundings
from tests.agent.diagnose.grounds import GATEWAY, SITE, codes, ended, ground, nic, write

DEV = "Inter-| Receive\n face |bytes packets\n  eth0: 1000000 {received} {errors} 0 0 0 0 0 1000 {sent} 0 0 0 0 0 0\n"
FIB = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- {address}
        /32 host LOCAL
"""
ROUTES = (
    "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\neth0 {network} 00000000 0001 0 0 0 {mask} 0 0 0\n"
)


async def outcome(root: Path, name: str, surroundings: Surroundings = SITE) -> Outcome:
    site = ground(root, surroundings)
    (check,) = [check for check in build(site) if check.id == name]
    before = {
        f"address:{interface}": Outcome(Status.PASS, data={"ipv4": bool(SITE.interfaces)}) for interface in site.interfaces()
    }
    return await check.run({name: row for name, found in before.items() for row in ended(name, found).values()})


async def test_a_good_card(tmp_path: Path) -> None:
    write(tmp_path, nic() | {"/proc/net/dev": DEV.format(received=100_000, errors=20, sent=100_000)})
    found = await outcome(tmp_path, "interface:eth0")
    assert (found.status, found.detail) == (Status.PASS, "up, 1 Gbit/s, full duplex")


async def test_a_tunnel_has_no_cable_to_be_slow(tmp_path: Path) -> None:
    write(tmp_path, nic(speed="10", type="65534") | {"/proc/net/dev": DEV.format(received=1, errors=0, sent=1)})
    assert codes(await outcome(tmp_path, "interface:eth0")) == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"speed": "10", "type": "1"}, "interface.slow"),
        ({"operstate": "down", "carrier": "0"}, "interface.down"),
        ({"speed": "10"}, "interface.slow"),
        ({"duplex": "half"}, "interface.slow"),
    ],
)
async def test_a_bad_card(tmp_path: Path, values: dict[str, str], code: str) -> None:
    write(tmp_path, nic(**values))
    assert codes(await outcome(tmp_path, "interface:eth0")) == [code]


async def test_damaged_packets(tmp_path: Path) -> None:
    write(tmp_path, nic() | {"/proc/net/dev": DEV.format(received=10_000, errors=500, sent=10_000)})
    assert codes(await outcome(tmp_path, "interface:eth0")) == ["interface.errors"]


async def test_a_radio_without_a_network_is_not_a_cable_out(tmp_path: Path) -> None:
    write(tmp_path, nic(operstate="down", carrier="0") | {"/sys/class/net/eth0/wireless/link": "0"})
    found = await outcome(tmp_path, "interface:eth0")
    assert (codes(found), found.carries) == ([], False)


@pytest.mark.parametrize(
    ("address", "network", "mask", "found"),
    [
        ("192.168.1.10", "0001A8C0", "00FFFFFF", []),
        ("192.168.1.10", "0801A8C0", "FCFFFFFF", ["address.mask"]),
        ("169.254.7.7", "0000FEA9", "0000FFFF", ["address.link_local"]),
    ],
)
async def test_addresses(tmp_path: Path, address: str, network: str, mask: str, found: list[str]) -> None:
    write(
        tmp_path,
        {"/proc/net/fib_trie": FIB.format(address=address), "/proc/net/route": ROUTES.format(network=network, mask=mask)},
    )
    assert codes(await outcome(tmp_path, "address:eth0")) == found


async def test_no_address(tmp_path: Path) -> None:
    found = await outcome(tmp_path, "address:eth0")
    assert (codes(found), found.carries) == (["address.none"], False)


async def test_routes(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "route")).detail == f"{GATEWAY} (eth0)"
    card = (Interface("eth0", ("192.168.1.10/24",), wireless=False),)
    assert codes(await outcome(tmp_path, "route", Surroundings((), (), card))) == ["route.none"]
    only6 = await outcome(tmp_path, "route", Surroundings((Route(6, "eth0", "fe80::1", 100),), (), card))
    assert (codes(only6), only6.carries) == (["route.none"], True)
