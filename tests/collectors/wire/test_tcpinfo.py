"""TCP_INFO, against a real connection and against anything."""

from __future__ import annotations

import socket
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.tcpinfo import LENGTH, TCP_INFO, parse_tcp_info


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
def test_a_real_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as near:
        far, _ = server.accept()
        with far:
            near.sendall(b"x" * 12345)
            got = 0
            while got < 12345:
                got += len(far.recv(65536))
            far.sendall(b"y" * 77)
            assert len(near.recv(100)) == 77
            sender = parse_tcp_info(near.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LENGTH))
            receiver = parse_tcp_info(far.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LENGTH))
    assert sender is not None
    assert receiver is not None
    assert sender.bytes_acked in {12345, 12346}  # the SYN counts as one
    assert sender.bytes_received == 77
    assert receiver.bytes_received == 12345
    assert 0 < sender.rtt < 1
    assert sender.min_rtt is not None
    assert 0 <= sender.min_rtt <= sender.rtt
    assert sender.retransmits == 0
    assert sender.mtu > 1000
    assert sender.carried is not None
    assert receiver.carried is not None
    into, out = sender.carried
    assert 12345 + 66 <= out < 12345 + 66 * 20
    assert 77 + 66 <= into < 77 + 66 * 20
    assert receiver.carried[0] >= 12345 + 66


def test_an_old_kernel_tells_less() -> None:
    found = parse_tcp_info(bytes(104))
    assert found is not None
    assert (found.bytes_acked, found.bytes_received, found.min_rtt, found.carried) == (None, None, None, None)
    assert parse_tcp_info(bytes(103)) is None


def test_the_round_trip_of_who_receives() -> None:
    """`tcpi_rcv_rtt`, the 22nd number behind eight octets; the kernel gives none for a few octets over loopback."""
    data = bytearray(104)
    struct.pack_into("@I", data, 8 + 21 * 4, 250_000)
    found = parse_tcp_info(bytes(data))
    assert found is not None
    assert found.receive_rtt == 0.25


@given(st.binary(max_size=300))
def test_anything(data: bytes) -> None:
    assert (parse_tcp_info(data) is None) == (len(data) < 104)
