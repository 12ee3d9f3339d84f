"""Names, addresses, errors' words, and leaving by a given interface."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.model import Reason
from collectors.probe import sockets
from collectors.probe.sockets import Fault, classify, split_host_port
from tests.netlab import End, Lab, available

NO_LAB = available()
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("10.0.0.20:443", ("10.0.0.20", 443)),
        ("bridge.example:5061", ("bridge.example", 5061)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("[fe80::1%eth0]:53", ("fe80::1%eth0", 53)),
    ],
)
def test_host_and_port(text: str, result: tuple[str, int]) -> None:
    assert split_host_port(text) == result


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:0", "host:65536", "host:x", ":443", "[::1]", "[::1]443", "2001:db8::1", "h:٤"]
)
def test_what_is_no_host_and_port(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        split_host_port(text)


def test_with_a_default_port_an_address_will_do() -> None:
    assert split_host_port("fe80::1%eth0", 53) == ("fe80::1%eth0", 53)
    assert split_host_port("192.0.2.1", 53) == ("192.0.2.1", 53)
    assert split_host_port("192.0.2.1:5353", 53) == ("192.0.2.1", 5353)
    assert split_host_port("[::1]", 53) == ("::1", 53)


@given(st.text(max_size=30))
def test_any_text_is_host_and_port_or_a_value_error(text: str) -> None:
    try:
        host, port = split_host_port(text)
    except ValueError:
        return
    assert host
    assert 0 < port < 65536


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, Reason.REFUSED),
        (errno.ECONNRESET, Reason.RESET),
        (errno.EPIPE, Reason.RESET),
        (errno.ETIMEDOUT, Reason.TIMEOUT),
        (errno.ENETUNREACH, Reason.UNREACHABLE),
        (errno.EHOSTUNREACH, Reason.UNREACHABLE),
        (errno.EPERM, Reason.UNREACHABLE),
        (errno.EADDRNOTAVAIL, Reason.NO_ADDRESS),
    ],
)
def test_words_for_errors(number: int, reason: Reason) -> None:
    assert classify(OSError(number, "x")) is reason


async def test_literals_need_no_resolver() -> None:
    for literal in ("127.0.0.1", "::1"):
        found = await sockets.resolve(literal, 80)
        assert not isinstance(found, Fault)
        assert [endpoint.text for endpoint in found] == [literal]


@pytest.mark.parametrize("name", ["x" * 70, "a..b"])
async def test_what_is_no_name_has_no_address(name: str) -> None:
    fault = await sockets.resolve(name, 80)
    assert isinstance(fault, Fault)
    assert fault.reason is Reason.NAME_UNRESOLVED


def test_an_interface_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as channel, pytest.raises(OSError, match=r"No such device|no address") as caught:
        sockets.leave_by(channel, "nosuch0")
    assert classify(caught.value) in {Reason.UNREACHABLE, Reason.NO_ADDRESS}


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_a_connection_leaves_by_the_uplink_it_is_told_to() -> None:
    program = """
import asyncio, sys
from collectors.machine import SystemClock
from collectors.probe.tcp import measure
for interface in (None, "eth0", "eth1"):
    print(asyncio.run(measure("10.99.0.1", 8080, timeout=3, clock=SystemClock(), interface=interface)))
"""
    with Lab() as lab:
        pc, far = lab.node("pc"), lab.node("far")
        lab.link(End(pc, "eth0", ("10.1.0.2/24",)), End(far, "one", ("10.1.0.1/24",)))
        lab.link(End(pc, "eth1", ("10.2.0.2/24",)), End(far, "two", ("10.2.0.1/24",)))
        far.ip("addr add 10.99.0.1/32 dev lo")
        pc.route("default", "10.1.0.1", metric=100)
        pc.route("default", "10.2.0.1", metric=200)
        far.popen([sys.executable, "-m", "http.server", "8080"])
        waiting = "import socket,time\nfor _ in range(100):\n  try: socket.create_connection(('10.99.0.1',8080)); break\n  except OSError: time.sleep(.05)"
        pc.python(waiting)
        one, two = far.count('iifname "one" tcp flags syn', "input"), far.count('iifname "two" tcp flags syn', "input")
        said = pc.run([sys.executable, "-c", program], cwd=ROOT).stdout
        assert said.count("fault=None") == 3, said
        assert (one.read().packets, two.read().packets) == (2, 1)
