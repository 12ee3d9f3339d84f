"""By which of the computer's lines the province is reached.

The kernel sends by its first default route as long as the cable is in, also when that line is dead further on. So where
there are several lines, a connection that stays without an answer is given up within seconds and the next one leaves by
another line; after a while the kernel's own choice is tried again. With one line everything is as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Iterable

from collectors.model import Reason
from collectors.probe.sockets import Endpoint, Fault, one_per_family, resolve

CONNECT_WITHIN = 4.0
"""Seconds for TCP and TLS with another line at hand: three times the longest round trip that a line may have."""
UNACKNOWLEDGED = 6.0
"""Seconds after which data that nobody acknowledged means a dead line (TCP_USER_TIMEOUT, RFC 5482)."""
NAME_WITHIN = 3.0
TRY_FIRST_AGAIN = 300.0
LINUX_TCP_USER_TIMEOUT = 18


class Ways:
    """The choice among the lines.

    Args:
        interfaces: the interfaces with a default route now, best first.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, interfaces: Callable[[], Iterable[str]], monotonic: Callable[[], float]) -> None:
        self._interfaces = interfaces
        self._monotonic = monotonic
        self._chosen: str | None = None
        self._since = 0.0

    @property
    def several(self) -> bool:
        """Is there another line to turn to?"""
        return len(self._known()) > 1

    @property
    def chosen(self) -> str | None:
        """The interface to leave by; None leaves it to the kernel."""
        gone = self._chosen is not None and self._chosen not in self._known()
        if gone or (self._chosen is not None and self._monotonic() - self._since > TRY_FIRST_AGAIN):
            self._chosen = None
        return self._chosen

    def failed(self) -> None:
        """There was no answer by the chosen way: the next one is due."""
        known = self._known()
        if len(known) < 2:
            self._chosen = None
            return
        used = known[0] if self._chosen is None else self._chosen
        following = known[(known.index(used) + 1) % len(known)] if used in known else known[0]
        self._chosen = None if following == known[0] else following
        self._since = self._monotonic()

    def _known(self) -> list[str]:
        return list(dict.fromkeys(self._interfaces()))

    def hasten(self, channel: socket.socket) -> None:
        """Where another line is at hand, have a connection break soon when nobody acknowledges what it sends."""
        if self.several and sys.platform == "linux":
            channel.setsockopt(socket.IPPROTO_TCP, LINUX_TCP_USER_TIMEOUT, round(UNACKNOWLEDGED * 1000))


class Remembering:
    """Resolves names; when no resolver answers, the last answer holds: its line may be the dead one."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], tuple[Endpoint, ...]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
        """The preferred address of each family.

        Raises:
            OSError: nobody knows, and nobody ever did.
        """
        key = (host, port)
        found: tuple[Endpoint, ...] | Fault = Fault(Reason.NAME_UNRESOLVED, f"no resolver answers for {host}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(NAME_WITHIN if key in self._last else None):
                found = await resolve(host, port)
        if not isinstance(found, Fault):
            self._last[key] = one_per_family(found)
        elif key not in self._last:
            raise OSError(found.detail)
        return self._last[key]
