"""What the tests of the ping engine share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from collectors.probe.icmp import Pinger
from collectors.probe.icmp_stream import Stream

BOTH = pytest.mark.parametrize("datagram", [True, False], ids=["datagram", "raw"])
FAST: dict[str, Any] = {"interval": 0.02, "timeout": 0.5}


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


async def drained(pinger: Pinger, *streams: Stream) -> None:
    """Wait until no probe is under way any more, without sending more."""
    gone = {probe.index for probe in pinger._probes.values() if probe.stream in streams}
    pinger._due[:] = [(due + 1e6, index) for due, index in pinger._due if index in gone]
    await asyncio.sleep(0.3)
