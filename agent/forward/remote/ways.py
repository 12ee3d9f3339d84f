"""By which of the computer's lines the province is reached.

The kernel sends by its first default route as long as the cable is in, also when that line is dead further on. So where
there are several lines, a connection that stays without an answer is given up within seconds and the next one leaves by
another line; after a while the kernel's own choice is tried again. With one line everything is as usual.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Iterable

from agent.http_client import reach
from collectors.probe.sockets import Endpoint, Fault, resolve

CONNECT_WITHIN = 4.0
"""Seconds for TCP and TLS with another line at hand: three times the longest round trip that a line may have."""
UNACKNOWLEDGED = 6.0
"""Seconds after which data that nobody acknowledged means a dead line (TCP_USER_TIMEOUT, RFC 5482)."""
NAME_WITHIN = 3.0
TRY_FIRST_AGAIN = 300.0


class Ways:
    """The choice among the lines.

    Args:
        interfaces: the interfaces with a default route now, best first.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, interfaces: Callable[[], Iterable[str]], monotonic: Callable[[], float]) -> None:
        self._interfaces = interfaces
        self._monotonic = monotonic
        self._names = Remembering()
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

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection by the chosen line (`agent.http_client.Connect`).

        Raises:
            OSError: there is no way; says why.
        """
        channel = await reach(await self._names.resolve(host, port), f"{host}:{port}", self._chosen)
        if self.several and sys.platform == "linux":
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(UNACKNOWLEDGED * 1000))
        return channel


class Remembering:
    """Resolves names; when no resolver answers, the last answer holds: its line may be the dead one."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], tuple[Endpoint, ...]] = {}

    async def resolve(self, host: str, port: int) -> tuple[Endpoint, ...]:
        """Addresses of a name.

        Raises:
            OSError: nobody knows, and nobody ever did.
        """
        key, known = (host, port), self._last.get((host, port))
        try:
            async with asyncio.timeout(NAME_WITHIN if known else None):
                found = await resolve(host, port)
        except TimeoutError:
            found = known or ()
        if not isinstance(found, Fault):
            self._last[key] = found
        elif known is None:
            raise OSError(found.detail)
        return self._last[key]
