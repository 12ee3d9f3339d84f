"""The tables of /proc/net: known lines, and any text at all."""

import ipaddress
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import procnet

ROUTE = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0101A8C0	0003	0	0	100	00000000	0	0	0
wlan0	00000000	0100000A	0003	0	0	600	00000000	0	0	0
ppp0	00000000	00000000	0001	0	0	50	00000000	0	0	0
lo	00000000	00000000	0201	0	0	0	00000000	0	0	0
eth0	0001A8C0	00000000	0001	0	0	100	00FFFFFF	0	0	0
eth0	broken
"""
IPV6_ROUTE = """20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000002 00000000 00450003     eth0
00000000000000000000000000000000 00 00000000000000000000000000000000 00 20010db8000000000000000000000001 00000800 00000002 00000000 00000003     eth1
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo
"""
DEV = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:  155552    1612    0    0    0     0          0         0   155552    1612    0    0    0     0       0          0
  eth0: 18446744073709551615 7 1 2 0 0 0 3 400 5 6 8 0 0 0 0
eth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
 short: 1 2
"""
FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     |-- 127.0.0.1
        /32 host LOCAL
     |-- 192.168.1.5
        /32 host LOCAL
     |-- 192.168.1.255
        /32 link BROADCAST
Local:
     |-- 192.168.1.5
        /32 host LOCAL
     |-- 10.9.0.2
        /32 host LOCAL
"""


def test_default_routes_of_ipv4() -> None:
    routes = procnet.parse_route(ROUTE)
    assert [(route.interface, route.gateway, route.metric) for route in routes if route.is_default] == [
        ("eth0", "192.168.1.1", 100),
        ("wlan0", "10.0.0.1", 600),
        ("ppp0", None, 50),
    ]
    assert routes[4].network == ipaddress.ip_network("192.168.1.0/24")


def test_default_routes_of_ipv6_scope_a_link_local_gateway() -> None:
    routes = [route for route in procnet.parse_ipv6_route(IPV6_ROUTE) if route.is_default]
    assert [(route.interface, route.gateway, route.metric) for route in routes] == [
        ("eth0", "fe80::1%eth0", 1024),
        ("eth1", "2001:db8::1", 2048),
    ]


def test_counters() -> None:
    found = procnet.parse_dev(DEV)
    assert list(found) == ["lo", "eth0", "eth0:1"]
    assert found["eth0"] == procnet.Traffic(2**64 - 1, 7, 1, 2, 400, 5, 6, 8)


def test_addresses_go_to_the_narrowest_connected_network() -> None:
    addresses = procnet.parse_local_addresses(FIB_TRIE)
    assert [str(address) for address in addresses] == ["10.9.0.2", "192.168.1.5"]
    assert procnet.assign(addresses, procnet.parse_route(ROUTE)) == {"eth0": ["192.168.1.5/24"]}


def test_ipv6_addresses() -> None:
    text = "fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nzz 04 40 20 80 eth0\n"
    assert procnet.parse_if_inet6(text) == {"eth0": ["fe80::fc:ff:fe00:1/64"]}


@pytest.mark.skipif(shutil.which("ip") is None or not Path("/proc/net/dev").exists(), reason="needs iproute2 on Linux")
def test_as_iproute2_says() -> None:
    links = json.loads(subprocess.run(["ip", "-s", "-j", "link"], capture_output=True, check=True).stdout)
    assert set(procnet.parse_dev(Path("/proc/net/dev").read_text())) == {link["ifname"] for link in links}
    said = json.loads(subprocess.run(["ip", "-4", "-j", "route", "show", "default"], capture_output=True, check=True).stdout)
    ours = [route for route in procnet.parse_route(Path("/proc/net/route").read_text()) if route.is_default]
    assert {(route["dev"], route.get("gateway"), route.get("metric", 0)) for route in said} == {
        (route.interface, route.gateway, route.metric) for route in ours
    }


LINES = st.text(alphabet="0123456789abcdefABCDEF :.|-/+%\tlothRCALeU", max_size=200)
TABLES = st.one_of(
    st.lists(LINES, max_size=6).map("\n".join),
    st.text(max_size=300),
    st.tuples(st.sampled_from([ROUTE, IPV6_ROUTE, DEV, FIB_TRIE]), st.integers(0, 900), st.text(max_size=5)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + 3 :]
    ),
)


@given(TABLES)
def test_any_text_gives_values_and_never_an_error(text: str) -> None:
    for route in procnet.parse_route(text) + procnet.parse_ipv6_route(text):
        assert route.gateway is None or ipaddress.ip_address(route.gateway)
    for traffic in procnet.parse_dev(text).values():
        assert min(traffic) >= 0
    for held in procnet.parse_if_inet6(text).values():
        assert all(ipaddress.ip_interface(address) for address in held)
    addresses = procnet.parse_local_addresses(text)
    assigned = procnet.assign(addresses, procnet.parse_route(text))
    assert sum(map(len, assigned.values())) <= len(addresses)
