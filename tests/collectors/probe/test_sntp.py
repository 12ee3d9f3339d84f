"""Asking a time server: against one on loopback that tells what the test wants."""

from __future__ import annotations

import socket
import time

import pytest

from collectors.machine import SystemClock
from collectors.probe import sntp
from tests.receivers.time_server import time_server


async def test_the_base_is_true_minus_monotonic_time() -> None:
    clock = SystemClock()
    async with time_server(lambda: time.time() + 1000) as server:
        found = await sntp.ask(server, clock)
    assert found.base + clock.monotonic() == pytest.approx(time.time() + 1000, abs=0.05)
    assert 0 <= found.error < 0.05


async def test_silence_is_a_timeout() -> None:
    async with time_server(lambda: None) as server:
        with pytest.raises(TimeoutError):
            await sntp.ask(server, SystemClock(), timeout=0.2)


async def test_a_closed_port_is_an_error_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        await sntp.ask(f"127.0.0.1:{port}", SystemClock(), timeout=2.0)
