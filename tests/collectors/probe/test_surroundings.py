"""Surroundings of captured computers, of the laboratory's, and of this one against iproute2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.machine import Machine
from collectors.probe import surroundings
from collectors.site import Interface, Route, Surroundings
from tests.collectors import captured
from tests.netlab import Lab, Province, available

NO_LAB = available()


def test_laptop_on_wifi_with_docker_and_a_stub_resolver(tmp_path: Path) -> None:
    found = surroundings.look(captured.machine(tmp_path, captured.LAPTOP))
    assert found.routes == (Route(4, "wlp3s0", "192.168.1.1", 600),)
    assert found.resolvers == ("127.0.0.53", "192.168.1.1", "fe80::1%3")
    assert found.interfaces == (
        Interface("enp2s0", ()),
        Interface("wlp3s0", ("192.168.1.23/24", "fe80::200:fffe:0:1/64"), wireless=True),
    )


def test_pc_with_several_uplinks_in_order_of_metric(tmp_path: Path) -> None:
    found = surroundings.look(captured.machine(tmp_path, captured.TWO_UPLINKS))
    assert found.routes == (
        Route(4, "ppp0", None, 50),
        Route(4, "eno1", "192.168.1.1", 100),
        Route(4, "enp5s0", "10.20.0.1", 200),
        Route(6, "eno1", "fe80::1%eno1", 1024),
    )
    assert [interface.name for interface in found.interfaces] == ["eno1", "enp5s0", "ppp0"]
    assert found.interfaces[0].addresses == ("192.168.1.10/24", "2001:db8::10/64")


def test_container_sees_its_veth_as_cable(tmp_path: Path) -> None:
    found = surroundings.look(captured.machine(tmp_path, captured.CONTAINER))
    assert [(interface.name, interface.addresses) for interface in found.interfaces] == [
        ("eth0", ("10.88.0.2/16",)),
        ("eth1", ("10.89.0.2/16",)),
    ]


def test_a_machine_without_any_file_has_no_surroundings(tmp_path: Path) -> None:
    assert surroundings.look(captured.machine(tmp_path)) == Surroundings()


def test_real_resolvers_are_not_asked_for_unless_a_stub_is_in_use(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "etc/resolv.conf": "nameserver 192.168.1.1\n",
        "run/systemd/resolve/resolv.conf": "nameserver 8.8.8.8\n",
    }
    assert surroundings.resolvers(captured.machine(tmp_path, files)) == ("192.168.1.1",)


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ip") is None, reason="needs iproute2 on Linux")
def test_this_machine_as_iproute2_says() -> None:
    found = surroundings.look(Machine())
    said = {
        (link["ifname"], f"{one['local']}/{one['prefixlen']}")
        for link in json.loads(subprocess.run(["ip", "-j", "addr"], capture_output=True, check=True).stdout)
        for one in link["addr_info"]
    }
    ours = {(interface.name, address) for interface in found.interfaces for address in interface.addresses}
    assert ours <= said
    routes = json.loads(subprocess.run(["ip", "-4", "-j", "route", "show", "default"], capture_output=True, check=True).stdout)
    assert {route["dev"] for route in routes} == {route.interface for route in found.routes if route.family == 4}


@pytest.mark.skipif(sys.platform != "linux", reason="costs are those of Linux")
def test_a_look_is_cheap_enough_for_every_five_seconds() -> None:
    machine = Machine()
    surroundings.look(machine)
    begin = time.process_time()
    for _ in range(50):
        surroundings.look(machine)
    assert (time.process_time() - begin) / 50 < 0.005  # half of this on an idle machine; the bench has the exact figure


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_a_site_of_the_laboratory() -> None:
    look = "from collectors.machine import Machine; from collectors.probe.surroundings import look; print(look(Machine()))"
    with Lab() as lab:
        site = Province(lab, web=False).site(ipv6=True)
        said = site.pc.run([sys.executable, "-c", look], cwd=Path(__file__).parents[3]).stdout
        assert f"Route(family=4, interface='eth0', gateway='{site.gateway_address}'" in said
        assert "Route(family=6, interface='eth0'" in said
        assert f"Interface(name='eth0', addresses=('{site.address()}/24'" in said
        assert said.count("Interface(") == 1


TEXT = st.text(alphabet="0123456789ABCDEF \t\n|-/.:naeservth", max_size=120)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(("route", "ipv6_route", "dev", "fib_trie", "if_inet6"), TEXT)), TEXT)
def test_any_files_give_surroundings(tmp_path: Path, files: dict[str, str], resolv: str) -> None:
    parts = {f"proc/net/{name}": text for name, text in files.items()} | {"etc/resolv.conf": resolv}
    surroundings.look(captured.machine(tmp_path, parts))
