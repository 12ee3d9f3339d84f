"""The ping engine on real sockets in private networks, with datagram and with raw sockets, IPv4 and IPv6.

Second opinions: nft counters at the peer, AF_PACKET timestamps on the wire.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import statistics
import struct
import sys
import threading
import time
from typing import Any

import pytest

from collectors.model import Reason
from collectors.probe.icmp import Pinger
from tests.collectors.probe.pinging import BOTH, FAST, drained, until
from tests.namespaces import Peer, allow_datagram, isolated, needs_namespaces

pytestmark = [needs_namespaces, pytest.mark.netlab]


@BOTH
def test_counts_are_those_of_a_firewall_at_the_other_end(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            peer.nft("icmp type echo-request counter", "icmpv6 type echo-request counter")
            pinger = Pinger(datagram=datagram)
            streams = [pinger.watch(address, **FAST) for address in (peer.address, peer.address6)]
            await asyncio.sleep(2)
            await drained(pinger, *streams)
            counted = [int(number) for number in re.findall(r"counter packets (\d+)", peer.sh("nft list chain inet t c"))]
            assert [stream.sent for stream in streams] == counted
            assert [stream.received for stream in streams] == counted
            assert min(counted) > 5
            assert [stream.errors for stream in streams] == [{}, {}]
            assert [stream.family for stream in streams] == [4, 6]
            assert sum(streams[0].buckets) == streams[0].received
            assert pinger.foreign == 0
            await pinger.close()

    isolated(story)


@BOTH
def test_loss_is_what_the_firewall_drops(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            peer.nft("icmp type echo-request numgen random mod 100 < 20 counter drop")
            peer.nft("icmpv6 type echo-request numgen random mod 100 < 20 counter drop")
            pinger = Pinger(datagram=datagram)
            streams = [pinger.watch(address, **FAST) for address in (peer.address, peer.address6)]
            await asyncio.sleep(3)
            await drained(pinger, *streams)
            dropped = [int(number) for number in re.findall(r"counter packets (\d+)", peer.sh("nft list chain inet t c"))]
            assert [stream.sent - stream.received for stream in streams] == dropped
            assert min(dropped) > 0
            await pinger.close()

    isolated(story)


class Wire:
    """Hears the wire with AF_PACKET and takes the kernel's own timestamps of requests and replies."""

    def __init__(self, interface: str, family: int) -> None:
        self.family = family
        self.heard = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self.heard.bind((interface, 0))
        self.heard.setsockopt(socket.SOL_SOCKET, 35, 1)
        self.heard.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.heard.settimeout(0)

    def round_trips(self) -> list[float]:
        requests: dict[tuple[int, int], float] = {}
        found: list[float] = []
        offset, protocol = (20, 1) if self.family == 4 else (40, 58)
        while True:
            try:
                data, ancillary, _, _ = self.heard.recvmsg(256, 64)
            except BlockingIOError:
                return found
            if len(data) < offset + 8 or data[9 if self.family == 4 else 6] != protocol:
                continue
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            moment = seconds + nanoseconds * 1e-9
            kind, _, _, identifier, sequence = struct.unpack_from("!BBHHH", data, offset)
            if kind in (8, 128):
                requests[identifier, sequence] = moment
            elif kind in (0, 129) and (identifier, sequence) in requests:
                found.append(moment - requests[identifier, sequence])


@pytest.mark.timing
@BOTH
@pytest.mark.parametrize("family", [4, 6])
def test_round_trips_are_those_on_the_wire_while_the_loop_is_busy(datagram: bool, family: int) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            pinger = Pinger(datagram=datagram)
            wire = Wire("eth0", family)
            stream = pinger.watch(peer.address if family == 4 else peer.address6, interval=0.01, timeout=1)
            begin = time.monotonic()
            while stream.received <= 60 and time.monotonic() - begin < 30:  # another collector burns the CPU of this very loop
                burn = time.perf_counter() + 0.03
                while time.perf_counter() < burn:
                    pass
                await asyncio.sleep(0.002)
            await drained(pinger, stream)
            there = wire.round_trips()
            ours = list(stream.recent(60, pinger.now).rtts)
            there = there[-len(ours) :]
            assert len(ours) > 50
            assert statistics.median(ours) - statistics.median(there) < 0.0003
            assert statistics.quantiles(ours, n=100)[98] - statistics.quantiles(there, n=100)[98] < 0.003
            wire.heard.close()
            await pinger.close()

    isolated(story)


@pytest.mark.timing
@BOTH
def test_bursts(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        pinger = Pinger(datagram=datagram)
        begin = time.monotonic()
        burst = await pinger.ping("127.0.0.1", 20, interval=0.01)
        assert time.monotonic() - begin < 0.5  # as long as sending takes, not as long as the timeout
        assert (burst.window.sent, burst.window.received, burst.address) == (20, 20, "127.0.0.1")
        assert 0 < (burst.window.rtt or 0) < 0.01
        nowhere = await pinger.ping("192.0.2.1", 3, interval=0.01, timeout=0.1)
        assert nowhere.window.loss == 1.0
        assert nowhere.errors == {"send_failed": 3}
        assert (await pinger.ping("no.such.name.invalid", 3)).reason is Reason.NAME_UNRESOLVED
        gone = await pinger.ping("127.0.0.1", 3, interface="nosuch0")
        assert gone.reason is Reason.NO_ADDRESS
        assert "nosuch0" in gone.detail
        assert not pinger._probes
        assert not len(pinger._lanes)
        await pinger.close()

    isolated(story)


def test_who_watches_the_same_address_shares_its_probes() -> None:
    async def story() -> None:
        pinger = Pinger()
        first = pinger.watch("127.0.0.1", **FAST)
        second = pinger.watch("127.0.0.1", **FAST)
        other = pinger.watch("127.0.0.1", interface="lo", **FAST)
        assert first is second
        assert other is not first
        pinger.unwatch(first)
        before = second.sent
        await until(lambda: second.sent > before + 5)
        pinger.unwatch(second)
        pinger.unwatch(other)
        assert not pinger._probes
        assert not len(pinger._lanes)
        await pinger.close()

    isolated(story)


def test_one_socket_for_all_and_starts_spread_over_the_interval() -> None:
    async def story() -> None:
        pinger = Pinger()
        streams = [pinger.watch(f"127.0.{number // 200}.{number % 200 + 1}") for number in range(400)]
        await asyncio.sleep(2.2)
        assert len(pinger._lanes) == 1
        assert min(stream.received for stream in streams) >= 1
        moments = sorted(stream._sent_mono[stream.next - 1 & stream._mask] % 10**9 for stream in streams)
        assert max(later - earlier for earlier, later in itertools.pairwise(moments)) < 0.15 * 10**9
        await pinger.close()

    isolated(story)


@pytest.mark.timing
def test_names_are_followed_and_a_dead_resolver_blocks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver is the one thing replaced here: `getaddrinfo` cannot be pointed at a test's server."""
    answers: list[Any] = [OSError(socket.EAI_AGAIN, "Temporary failure in name resolution"), "127.0.0.1", "127.0.0.2"]
    hang = threading.Event()

    def getaddrinfo(host: str, *_: object, **__: object) -> list[Any]:
        if host == "hangs.test":
            hang.wait(20)
        answer = answers[0] if len(answers) == 1 else answers.pop(0)
        if isinstance(answer, OSError):
            raise socket.gaierror(answer.errno, answer.strerror)
        return [(2, 2, 0, "", (answer, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("collectors.probe.icmp.RESOLVE_RETRY", 0.2)
    monkeypatch.setattr("collectors.probe.icmp.RESOLVE_INTERVAL", 0.4)

    async def story() -> None:
        pinger = Pinger()
        begin = time.monotonic()
        hanging = pinger.watch("hangs.test", **FAST)
        assert time.monotonic() - begin < 0.1
        stream = pinger.watch("moves.test", **FAST)
        await until(lambda: stream.up is False)
        assert (stream.reason, stream.sent) == (Reason.NAME_UNRESOLVED, 0)
        await until(lambda: stream.up)
        assert stream.address == "127.0.0.1"
        await until(lambda: stream.address == "127.0.0.2")
        await until(lambda: stream.received > 20)
        assert hanging.reason is Reason.NAME_UNRESOLVED
        hang.set()
        await pinger.close()

    isolated(story)


def test_the_clock_is_set_while_probes_are_under_way() -> None:
    """Both of the engine's clocks are arguments; here the wall clock jumps between two readings of it."""

    async def story() -> None:
        readings = [0]

        def wall() -> int:
            readings[0] += 1
            # Every reading for a send is true to the kernel's stamps; every second one for a read is an hour off.
            caller = sys._getframe(1).f_code.co_name
            return time.time_ns() + (3600 * 10**9 if caller == "drain" and readings[0] % 2 else 0)

        pinger = Pinger(wall=wall)
        stream = pinger.watch("127.0.0.1", interval=0.02, timeout=1)
        await until(lambda: stream.received > 50)
        assert max(stream.recent(60, pinger.now).rtts) < 0.5  # not an hour; a loaded machine may stall
        assert stream.errors == {}
        await pinger.close()

    isolated(story)
