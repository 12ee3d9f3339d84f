"""Sockets for echo requests: the filter program by table, the ways out, and what is said when there is none."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe.icmp_socket import bpf, open_lane, sockaddr
from collectors.wire.icmp import echo_request, stamp
from tests.namespaces import allow_datagram, isolated, needs_namespaces, sh


def run(program: list[tuple[int, int, int, int]], packet: bytes) -> int:
    """A classic BPF machine, as far as our programs need one; reading beyond the end drops, as in the kernel."""
    a = x = at = 0
    while True:
        code, if_true, if_false, k = program[at]
        at += 1
        offset = k + (x if code in (0x50, 0x48) else 0)
        size = 2 if code in (0x28, 0x48) else 1
        if code in (0x30, 0x28, 0x50, 0x48, 0xB1) and offset + size > len(packet):
            return 0
        match code:
            case 0x30 | 0x50:
                a = packet[offset]
            case 0x28 | 0x48:
                a = packet[offset] << 8 | packet[offset + 1]
            case 0xB1:
                x = (packet[offset] & 15) * 4
            case 0x54:
                a &= k
            case 0x64:
                a <<= k
            case 0x0C:
                a += x
            case 0x07:
                x = a
            case 0x15:
                at += if_true if a == k else if_false
            case 0x06:
                return k
            case _:
                raise AssertionError(hex(code))


def ipv4(payload: bytes, options: bytes = b"") -> bytes:
    return bytes([0x45 + len(options) // 4]) + bytes(8) + b"\x01" + bytes(10) + options + payload


def messages(family: int, identifier: int, options: bytes = b"") -> tuple[bytes, bytes]:
    """A reply to `identifier` and an error that quotes a request of it, as a raw socket's filter sees them."""
    request, rest = echo_request(family, identifier, 1, 2)
    if family == 4:
        stamp(request, rest, identifier, 7)
        return ipv4(b"\0" + bytes(request[1:]), options), ipv4(b"\x03\x01" + bytes(6) + ipv4(bytes(request[:8]), options))
    return b"\x81" + bytes(request[1:]), b"\x01\x03" + bytes(6) + bytes(40) + bytes(request[:8])


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("options", [b"", b"\x01" * 12])
def test_filter_passes_what_is_ours_alone(family: int, options: bytes) -> None:
    ours = messages(family, 0x1234, options)
    assert all(run(bpf(family, 0x1234), message) for message in ours)
    assert not any(run(bpf(family, 0x1235), message) for message in ours)
    assert not any(run(bpf(family, 0x1234), message[:-61]) for message in ours)


@given(st.sampled_from((4, 6)), st.integers(1, 0xFFFF), st.binary(max_size=120))
def test_filter_ends_on_any_packet(family: int, identifier: int, packet: bytes) -> None:
    assert run(bpf(family, identifier), packet) in (0, 0xFFFF)


@needs_namespaces
@pytest.mark.parametrize("datagram", [True, False])
def test_the_kernel_takes_the_filter_and_keeps_others_replies_away(*, datagram: bool) -> None:
    async def story() -> None:
        allow_datagram()
        sh("ip addr add 2001:db8::1/128 dev lo")
        lanes = [open_lane(4, datagram=datagram), open_lane(4, datagram=datagram), open_lane(6, datagram=datagram)]
        for lane in lanes:
            request, rest = echo_request(lane.family, lane.identifier, 1, 2)
            if lane.family == 4:
                stamp(request, rest, lane.identifier, 1)
            lane.socket.sendto(request, sockaddr("127.0.0.1" if lane.family == 4 else "2001:db8::1")[1])
        for lane in lanes:
            (_, ancillary, _, _) = lane.socket.recvmsg(2048, 128)
            assert len(struct.unpack("@ll", ancillary[0][2])) == 2
            with pytest.raises(BlockingIOError):
                lane.socket.recvmsg(2048, 128)
            lane.close()

    isolated(story)


@needs_namespaces
def test_ways_out_that_are_not_there() -> None:
    async def story() -> None:
        with pytest.raises(OSError, match="no interface nosuch0") as caught:
            open_lane(4, "nosuch0")
        assert caught.value.errno == errno.ENODEV
        with pytest.raises(OSError, match="assign"):
            open_lane(4, source="192.0.2.1")
        lane = open_lane(4, "lo")
        assert lane.is_current
        assert lane.socket.getsockopt(socket.SOL_SOCKET, 25, 16).rstrip(b"\0") == b"lo"
        lane.close()

    isolated(story)


def test_socket_addresses() -> None:
    loopback = socket.if_nametoindex("lo")
    assert sockaddr("192.0.2.1", "eth0") == (4, ("192.0.2.1", 0))
    assert sockaddr("2001:db8::1", "lo") == (6, ("2001:db8::1", 0, 0, 0))
    assert sockaddr("fe80::1%lo") == sockaddr("fe80::1", "lo") == (6, ("fe80::1", 0, 0, loopback))
    assert sockaddr("fe80::1%7") == (6, ("fe80::1", 0, 0, 7))
    with pytest.raises(ValueError, match="does not appear"):
        sockaddr("example.org")
