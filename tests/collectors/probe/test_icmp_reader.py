"""Telling apart what arrives: ICMP errors by type, corrupt, repeated and malformed packets."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Iterator

import pytest

from collectors.machine import Machine
from collectors.ping import PingSettings, PingTarget, build
from collectors.probe.icmp import Pinger
from collectors.site import Context, Site, Surroundings
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
@pytest.mark.parametrize("family", [4, 6])
def test_malformed_packets_change_nothing_but_a_counter(datagram: bool, family: int) -> None:  # noqa: FBT001
    """Ten thousand, on real sockets: the metric tells of them, the target's figures are those of a quiet network."""

    async def story() -> None:
        allow_datagram()
        context = Context(Machine(), Site(), Surroundings(()), ())
        pinger = context.session(Pinger, lambda: Pinger(datagram=datagram))
        _, teller = build(PingSettings(targets=(PingTarget(name="here", address=HERE[family]),)), context)

        async def told() -> dict[str, float]:
            return {one.labels[0]: float(one.value) for one in (await teller.collect()).observations}  # type: ignore[arg-type]

        stream = pinger.watch(HERE[family], interval=0.1, timeout=0.5)
        await until(lambda: stream.received > 2)
        assert await told() == {"foreign": 0, "truncated": 0, "unmatched_error": 0}
        lane = next(iter(pinger._lanes))
        sent_before = stream.sent
        with raw_socket(family) as forger:
            for number, packet in enumerate(malformed(10_000, family, lane.identifier)):
                forger.sendto(packet, (HERE[family], 0))
                if number % 200 == 0:
                    await asyncio.sleep(0)
                    pinger._reader.drain(lane)
        await until(lambda: stream.sent > sent_before + 3)
        await asyncio.sleep(0.5)
        counted = await told()
        assert counted["foreign"] > 1000
        assert sum(counted.values()) == pinger.foreign <= 10_000
        if not datagram:  # a datagram socket hears no errors but its own
            assert counted["unmatched_error"] > 10
        assert stream.errors == {}
        assert stream.up is True
        assert stream.sent - stream.received <= 1
        await pinger.close()

    isolated(story)


HERE = {4: "127.0.0.1", 6: "::1"}


def raw_socket(family: int) -> socket.socket:
    """What forged packets leave by; of ICMPv6 the kernel writes the checksum."""
    if family == 4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)


def malformed(count: int, family: int, identifier: int) -> Iterator[bytes]:
    """Replies of the right identifier with anything behind it, errors that quote rubbish or our identifier, cut and damaged ones."""
    dice = random.Random(1)
    reply, unreachable, request, header = {4: (0, 3, 8, 20), 6: (129, 1, 128, 40)}[family]
    for number in range(count):
        body = dice.randbytes(dice.choice((0, 1, 8, 12, 24, 56, 100, 1000)))
        packet = bytearray(struct.pack("!BBHHH", reply, 0, 0, identifier, dice.getrandbits(16)) + body)
        if number % 3 == 1:
            packet[0:2] = struct.pack("!BB", unreachable, dice.randrange(5))
            if number % 2:
                start = b"\x45" + dice.randbytes(header - 1)
                packet[8:] = start + struct.pack("!BBHHH", request, 0, 0, identifier, dice.getrandbits(16))
        if not number % 5:
            packet = packet[: dice.randrange(2 if family == 4 else 8, len(packet) + 1)]
        if number % 7 and len(packet) > 3:
            words = bytes(packet) + b"\0" * (len(packet) % 2)
            total = sum(struct.unpack(f"!{len(words) // 2}H", words)) - (packet[2] << 8 | packet[3])
            total = (total >> 16) + (total & 0xFFFF)
            total += total >> 16
            packet[2:4] = struct.pack("!H", ~total & 0xFFFF)
        yield bytes(packet)


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
        assert pinger.discarded == {
            "foreign": 1,
            "truncated": 0,
            "unmatched_error": 0,
        }  # what does not carry this process's secret is nobody's
        forger.close()
        await pinger.close()

    isolated(story)
