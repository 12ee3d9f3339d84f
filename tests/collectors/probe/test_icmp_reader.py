"""Telling apart what arrives: ICMP errors by type, corrupt, repeated and malformed packets."""

from __future__ import annotations

import asyncio
import random
import socket
import struct

import pytest

from collectors.probe.icmp import Pinger
from tests.collectors.probe.pinging import BOTH, FAST, drained, until
from tests.namespaces import Peer, allow_datagram, isolated, needs_namespaces, sh

pytestmark = [needs_namespaces, pytest.mark.netlab]


@BOTH
@pytest.mark.parametrize(
    ("rule4", "rule6", "word"),
    [
        ("icmp type admin-prohibited", "icmpv6 type admin-prohibited", "prohibited"),
        ("icmp type host-unreachable", "icmpv6 type addr-unreachable", "host_unreachable"),
        ("icmp type net-unreachable", "icmpv6 type no-route", "network_unreachable"),
        ("icmp type port-unreachable", "icmpv6 type port-unreachable", "port_unreachable"),
    ],
)
def test_icmp_errors_are_told_by_type(datagram: bool, rule4: str, rule6: str, word: str) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            peer.nft(f"icmp type echo-request reject with {rule4}", f"icmpv6 type echo-request reject with {rule6}")
            pinger = Pinger(datagram=datagram)
            streams = [pinger.watch(address, **FAST) for address in (peer.address, peer.address6)]
            await asyncio.sleep(1)
            await drained(pinger, *streams)
            for stream in streams:
                assert set(stream.errors) == {word}
                assert stream.errors[word] == stream.sent > 5
                assert (stream.received, stream.up) == (0, False)
            await pinger.close()

    isolated(story)


@BOTH
def test_ttl_exceeded_on_the_way(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            peer.sh("sysctl -qw net.ipv4.ip_forward=1; ip route add default dev lo")
            sh(f"ip route add 192.0.2.0/24 via {peer.address}; sysctl -qw net.ipv4.ip_default_ttl=1")
            pinger = Pinger(datagram=datagram)
            stream = pinger.watch("192.0.2.1", **FAST)
            await until(lambda: stream.errors.get("ttl_exceeded", 0) > 10)
            await pinger.close()

    isolated(story)


def malformed(dice: random.Random, number: int, identifier: int, family: int) -> bytes:
    """Echo replies of no request of ours, every third an error that quotes rubbish, every fifth cut, every seventh with a bad checksum."""
    body = dice.randbytes(dice.choice((0, 1, 8, 12, 24, 56, 100, 1000)))
    reply, unreachable = (0, 3) if family == 4 else (129, 1)
    packet = bytearray(struct.pack("!BBHHH", reply, 0, 0, identifier, dice.getrandbits(16)) + body)
    if number % 3 == 1:
        packet[0:2] = struct.pack("!BB", unreachable, dice.randrange(16))
    if family == 6:  # the kernel writes the checksum, and takes no packet that ends before it
        return bytes(packet[: dice.randrange(4, len(packet) + 1)] if not number % 5 else packet)
    if not number % 5:
        packet = packet[: dice.randrange(2, len(packet) + 1)]
    if number % 7 and len(packet) > 3:
        words = bytes(packet) + b"\0" * (len(packet) % 2)
        total = sum(struct.unpack(f"!{len(words) // 2}H", words))
        total = (total >> 16) + (total & 0xFFFF)
        packet[2:4] = struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)
    return bytes(packet)


@BOTH
@pytest.mark.parametrize("family", [4, 6])
def test_malformed_packets_change_nothing_but_a_counter(datagram: bool, family: int) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        address = "127.0.0.1" if family == 4 else "::1"
        pinger = Pinger(datagram=datagram)
        stream = pinger.watch(address, interval=0.1, timeout=3)
        await until(lambda: stream.received > 2)
        lane = next(iter(pinger._lanes))
        forger = (
            socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
            if family == 4
            else socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        )
        dice = random.Random(1)
        before, sent_before = pinger.foreign, stream.sent
        for number in range(10_000):
            forger.sendto(malformed(dice, number, lane.identifier, family), (address, 0))
            if number % 200 == 0:
                await asyncio.sleep(0)
                pinger._reader.drain(lane)
        forger.close()
        await until(lambda: stream.sent > sent_before)
        await drained(pinger, stream)
        assert pinger.foreign - before > 1000
        assert stream.errors == {}
        assert stream.up is True
        assert stream.sent == stream.received
        await pinger.close()

    isolated(story)


def test_tampered_replies_are_corrupt_and_repeated_ones_duplicate() -> None:
    async def story() -> None:
        pinger = Pinger(datagram=False)
        stream = pinger.watch("127.0.0.1", interval=0.05, timeout=0.5)
        await until(lambda: stream.received > 2)
        probe = next(iter(pinger._probes.values()))
        good = bytearray(probe.packet)
        total = sum(struct.unpack("!32H", good)) - (good[2] << 8 | good[3]) - 0x0800
        while total >> 16:
            total = (total >> 16) + (total & 0xFFFF)
        good[0:4] = struct.pack("!BBH", 0, 0, ~total & 0xFFFF)
        forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        for position in (2, 6, 10, 13, 17, 20, 30, 63):  # checksum, sequence, long one, stream, process, token, filler
            bad = bytearray(good)
            bad[position] ^= 0x10
            forger.sendto(bad, ("127.0.0.1", 0))
        short = good[:32]
        forger.sendto(short, ("127.0.0.1", 0))
        forger.sendto(good, ("127.0.0.1", 0))
        await asyncio.sleep(0.3)
        assert stream.errors == {"corrupt": 8, "duplicate": 1}
        assert pinger.foreign == 1  # what does not carry this process's secret is nobody's
        forger.close()
        await pinger.close()

    isolated(story)
