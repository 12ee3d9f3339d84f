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


@BOTH
def test_malformed_packets_change_nothing_but_a_counter(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        pinger = Pinger(datagram=datagram)
        stream = pinger.watch("127.0.0.1", interval=0.1, timeout=0.5)
        await until(lambda: stream.received > 2)
        lane = next(iter(pinger._lanes))
        forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        dice = random.Random(1)
        before, sent_before, counted = pinger.foreign, stream.sent, 0
        for number in range(10_000):
            body = dice.randbytes(dice.choice((0, 1, 8, 12, 24, 56, 100, 1000)))
            identifier = lane.identifier
            packet = bytearray(struct.pack("!BBHHH", 0, 0, 0, identifier, dice.getrandbits(16)) + body)
            if number % 3 == 1:  # an error that quotes rubbish
                packet[0:2] = struct.pack("!BB", 3, dice.randrange(16))
            if not number % 5:
                packet = packet[: dice.randrange(2, len(packet) + 1)]
            if number % 7:
                words = bytes(packet) + b"\0" * (len(packet) % 2)
                total = sum(struct.unpack(f"!{len(words) // 2}H", words)) - (packet[2] << 8 | packet[3] if len(packet) > 3 else 0)
                total = (total >> 16) + (total & 0xFFFF)
                total += total >> 16
                if len(packet) > 3:
                    packet[2:4] = struct.pack("!H", ~total & 0xFFFF)
            forger.sendto(packet, ("127.0.0.1", 0))
            if number % 200 == 0:
                await asyncio.sleep(0)
                pinger._reader.drain(lane)
        forger.close()
        await asyncio.sleep(0.5)
        counted = pinger.foreign - before
        assert counted > 1000
        assert stream.errors == {}
        assert stream.up is True
        assert stream.sent - stream.received <= 1
        assert stream.sent > sent_before
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
