"""ndt7, version 7 of M-Lab's Network Diagnostic Tool: its names and its measurement messages.

Specification: ndt7-protocol.md of m-lab/ndt-server (v0.11). WebSocket binary messages are load, text messages are
measurements in JSON.
"""

from __future__ import annotations

import json
import urllib.parse
from dataclasses import dataclass, field
from typing import Any, Literal

SUBPROTOCOL = "net.measurementlab.ndt.v7"
LARGEST_MESSAGE = 1 << 24
LEAST_MESSAGE = 1 << 10
FIRST_MESSAGE = 1 << 13
SCALING = 16
"""A sender doubles its messages once one is smaller than this fraction of what it has sent."""
Test = Literal["download", "upload"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measurement message.

    Attributes:
        origin: `client` or `server`, empty where it is not told.
        moved: application bytes since the test began.
        elapsed: seconds of the test at which `moved` was taken.
        tcp: the sender's TCP_INFO figures as given (times in microseconds), empty without them.
    """

    origin: str = ""
    moved: int | None = None
    elapsed: float | None = None
    tcp: dict[str, float] = field(default_factory=dict)


def test_url(url: str, test: Test) -> str:
    """The address of a test at a server given as `wss://host`, `ws://host:port` or with a path of its own before `/ndt/v7`."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"wss://{url}")
    scheme = {"https": "wss", "http": "ws"}.get(parts.scheme, parts.scheme)
    base = parts.path.partition("/ndt/v7")[0].rstrip("/")
    query = urllib.parse.urlencode({"client_name": "commune-agent", **dict(urllib.parse.parse_qsl(parts.query))})  # no key twice
    return urllib.parse.urlunsplit((scheme, parts.netloc, f"{base}/ndt/v7/{test}", query, ""))


def parse_measurement(text: str) -> Measurement | None:
    """A text message; None when it is no measurement (peers may send other messages, which are ignored)."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict):
        return None
    app, tcp = message.get("AppInfo"), message.get("TCPInfo")
    moved = elapsed = None
    if isinstance(app, dict):
        count, microseconds = _number(app.get("NumBytes")), _number(app.get("ElapsedTime"))
        moved = None if count is None else int(count)
        elapsed = None if microseconds is None else microseconds / 1e6
    figures = (
        {str(name): number for name, value in tcp.items() if (number := _number(value)) is not None}
        if isinstance(tcp, dict)
        else {}
    )
    origin = message.get("Origin")
    return Measurement(origin if isinstance(origin, str) else "", moved, elapsed, figures)


def format_measurement(moved: int, elapsed: float, test: Test, origin: str = "client") -> str:
    """The measurement message of a party that sends `moved` application bytes in `elapsed` seconds."""
    info = {"ElapsedTime": int(elapsed * 1e6), "NumBytes": moved}
    return json.dumps({"AppInfo": info, "Origin": origin, "Test": test})


def next_size(size: int, sent: int) -> int:
    """The length of the next binary message after `sent` bytes in all."""
    return min(size * 2, 1 << 20) if size < LARGEST_MESSAGE and sent >= size * SCALING else size


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -1e18 < value < 1e18 else None
