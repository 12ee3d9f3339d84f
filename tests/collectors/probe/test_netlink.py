"""The coding against a real kernel's answers, and against the kernel of this machine where it has generic netlink."""

import errno
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.netlink import GenericNetlink, NetlinkSocket, load_core, split
from tests.wifi_replay import Replay

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's own")


def control(octets: bytes) -> object:
    message = load_core().ctrlmsg(octets)
    message.decode()
    return message


@LINUX
async def test_this_kernel_knows_its_own_control_family() -> None:
    netlink = GenericNetlink("nlctrl", control, NetlinkSocket())
    await netlink.open()
    assert netlink.family == 0x10
    assert "notify" in netlink.groups
    netlink.close()


@LINUX
async def test_a_family_that_the_kernel_lacks_is_not_found() -> None:
    with pytest.raises(FileNotFoundError, match="no_such_family"):
        await GenericNetlink("no_such_family", control, NetlinkSocket()).open()


async def test_a_refusal_is_an_oserror_with_the_kernels_number() -> None:
    recorded = Replay.load("crowd")
    recorded.refuse[3] = errno.EOPNOTSUPP
    with pytest.raises(OSError, match="nl80211") as caught:
        await GenericNetlink("nl80211", control, recorded()).open()
    assert caught.value.errno == errno.EOPNOTSUPP


async def test_an_interrupted_dump_is_asked_again() -> None:
    recorded = Replay.load("crowd")
    answers = recorded.answers[3]
    first = bytearray(answers[0])
    struct.pack_into("=H", first, 6, struct.unpack_from("=H", first, 6)[0] | 0x10)
    recorded.answers[3] = [bytes(first), *answers[1:]]
    await GenericNetlink("nl80211", control, recorded()).open()
    assert recorded.asked == [3, 3, 3]


async def test_a_closed_socket_says_so() -> None:
    with pytest.raises(OSError, match="closed"):
        await NetlinkSocket().receive()


def test_the_core_comes_without_the_package_and_leaves_it_importable() -> None:
    script = """
import sys
from collectors.probe.netlink import load_core
load_core()
assert "pyroute2" not in sys.modules and "pyroute2.ndb" not in sys.modules
import pyroute2
assert pyroute2.IPRoute
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)


@given(st.binary(max_size=300))
def test_any_octets_are_split_without_an_error(datagram: bytes) -> None:
    assert sum(len(octets) for _, _, _, octets in split(datagram)) <= len(datagram)
