"""The ways out: cut, mended, forbidden and renewed."""

from __future__ import annotations

import asyncio
import ctypes
import platform
import time

import pytest

from collectors.model import Reason
from collectors.probe.icmp import Pinger
from tests.collectors.probe.pinging import BOTH, FAST, until
from tests.namespaces import Peer, allow_datagram, isolated, needs_namespaces, sh

pytestmark = [needs_namespaces, pytest.mark.netlab]


@pytest.mark.timing
@BOTH
def test_a_cut_and_mended_cable(datagram: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            pinger = Pinger(datagram=datagram)
            stream = pinger.watch(peer.address, interface="eth0", interval=0.1, timeout=0.5)
            await until(lambda: stream.up)
            peer.sh("ip link set far1 down")
            begin = time.monotonic()
            await until(lambda: stream.up is False)
            assert time.monotonic() - begin < 1.5
            peer.sh("ip link set far1 up")
            await until(lambda: stream.up)
            # Another interface under the same name: the old socket is bound to one that is gone.
            sh("ip link delete eth0")
            await until(lambda: stream.up is False)
        with Peer() as peer:
            for probe in pinger._probes.values():
                probe.retry = 0.0
            await until(lambda: stream.up, 8)
            await pinger.close()

    isolated(story)


def test_without_permission_the_stream_says_what_helps() -> None:
    async def story() -> None:
        allow_datagram("1 0")
        number = {"x86_64": 117, "aarch64": 147}[platform.machine()]
        assert ctypes.CDLL(None).syscall(number, 65534, 65534, 65534) == 0  # of this thread alone
        pinger = Pinger()
        stream = pinger.watch("127.0.0.1", interval=0.1)
        await until(lambda: stream.reason is not None)
        assert stream.reason is Reason.NO_PERMISSION
        assert "CAP_NET_RAW" in stream.detail
        assert "ping_group_range" in stream.detail
        assert (stream.sent, stream.up) == (0, None)
        burst = await pinger.ping("127.0.0.1", 3)
        assert burst.reason is Reason.NO_PERMISSION
        allow_failed = False
        try:
            allow_datagram()
        except PermissionError:
            allow_failed = True
        assert allow_failed
        await pinger.close()

    isolated(story)


def test_an_unprivileged_user_pings_where_the_group_may() -> None:
    async def story() -> None:
        allow_datagram()
        with Peer() as peer:
            number = {"x86_64": 117, "aarch64": 147}[platform.machine()]
            assert ctypes.CDLL(None).syscall(number, 65534, 65534, 0) == 0
            pinger = Pinger()
            for address in (peer.address, peer.address6):
                burst = await pinger.ping(address, 3, interval=0.02, interface="eth0")
                assert burst.window.received == 3, burst
            assert ctypes.CDLL(None).syscall(number, 0, 0, 0) == 0
            await pinger.close()

    isolated(story)


def test_a_silent_target_gets_another_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr("collectors.probe.icmp.RENEW_AFTER", 0.2)
        with Peer() as peer:
            peer.nft("icmp type echo-request drop")
            pinger = Pinger(datagram=False)
            stream = pinger.watch(peer.address, **FAST)
            seen = set()
            end = time.monotonic() + 2
            while time.monotonic() < end:
                seen |= {lane.identifier for lane in pinger._lanes}
                await asyncio.sleep(0.02)
            assert len(seen) >= 3
            peer.sh("nft flush ruleset")
            await until(lambda: stream.up)
            await pinger.close()

    isolated(story)
