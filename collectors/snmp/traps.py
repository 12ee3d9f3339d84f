"""Receives traps and informs: counts every one, and lets the device that it is about tell its news at once.

pysnmp decodes them, since gufo-snmp does not receive. A flood costs a bounded share of the processor: datagrams beyond the
budget are counted as dropped before they are decoded, and readings go out at most once in `QUIET` seconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from collectors.machine import Machine
from collectors.model import Collector, Emit, Observation, Reading, Reason
from collectors.probe.snmp_client import Credentials, Value
from collectors.snmp import events
from collectors.snmp.metrics import TRAPS

RATE = 50.0
"""Traps a second that are decoded in the long run (a millisecond each)."""
BURST = 200.0
QUIET = 0.25
MAX_LABELS = 64
"""Different unknown traps that get a series of their own, over all devices; more are "other"."""
UNKNOWN_SENDER = "unknown"

Hear = Callable[[str, Mapping[str, Value]], None]


class Switchboard:
    """Which device an address is, for the collector of traps (a `Session` of the agent)."""

    def __init__(self) -> None:
        self._devices: dict[str, tuple[str, Hear]] = {}

    def register(self, address: str, device: str, hear: Hear) -> None:
        """A device, and whom its traps are handed to."""
        self._devices[address] = (device, hear)

    def leave(self, address: str, device: str) -> None:
        """A device is no longer polled."""
        if self._devices.get(address, ("", None))[0] == device:
            del self._devices[address]

    def find(self, address: str) -> tuple[str, Hear | None]:
        """The device of a source address."""
        return self._devices.get(address.removeprefix("::ffff:"), (UNKNOWN_SENDER, None))

    async def close(self) -> None:
        """Nothing is held."""


class Budget:
    """A token bucket; time is an argument."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst, self._tokens, self._last = rate, burst, burst, 0.0

    def take(self, now: float) -> bool:
        """One more is allowed at `now` (seconds, ascending)."""
        self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class TrapCollector(Collector):
    """Listens where `traps.listen` says.

    Args:
        host: the address to listen at, empty for all.
        port: the UDP port.
        credentials: what senders may use; a trap with another community or user is not heard.
    """

    kind: ClassVar[str] = "snmp"

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Sequence[Credentials],
        board: Switchboard,
        machine: Machine,
        *,
        interval: float,
    ) -> None:
        super().__init__("(traps)", interval=interval, identity=(host, port, tuple(credentials)))
        self._where = (host or "0.0.0.0", port)  # noqa: S104  what was configured
        self._credentials = credentials
        self._board = board
        self._machine = machine
        self._budget = Budget(RATE, BURST)
        self._counts: dict[tuple[str, str], float] = {}
        self._unknown: set[str] = set()
        self._engine: Any = None
        self._emit: Emit | None = None
        self._told: asyncio.TimerHandle | None = None
        self._failure: tuple[Reason, str] | None = None

    async def start(self, emit: Emit) -> None:
        """Begin to listen; a port that cannot be had is told by every reading."""
        self._emit = emit
        host, port = self._where
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_DGRAM)
        try:
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            reason = Reason.NO_PERMISSION if isinstance(error, PermissionError) else Reason.INTERNAL
            self._failure = (reason, f"traps are not received: UDP port {port} cannot be had: {error.strerror}")
            return
        listener.setblocking(False)  # noqa: FBT003  its signature
        from collectors.snmp.trap_engine import trap_engine  # noqa: PLC0415  loads pysnmp

        self._engine = trap_engine(listener, self._credentials, self._admit, self._heard)

    async def collect(self) -> Reading:
        """The counts so far."""
        return self._reading()

    def _reading(self) -> Reading:
        found = [Observation(TRAPS, labels, count) for labels, count in self._counts.items()]
        reason, detail = self._failure or (None, "")
        return Reading(self.kind, self.target, self._machine.clock.monotonic(), found, reason, detail)

    def _admit(self, address: str) -> bool:
        if self._budget.take(self._machine.clock.monotonic()):
            return True
        self._count(self._board.find(address)[0], "dropped")
        return False

    def _heard(self, address: str, variables: Mapping[str, Value]) -> None:
        device, hear = self._board.find(address)
        oid = str(variables.get(events.TRAP_OID, ""))
        name = events.trap_name(oid)
        if name == oid and oid not in self._unknown:
            if len(self._unknown) >= MAX_LABELS or not oid:
                name = "other"
            else:
                self._unknown.add(oid)
        self._count(device, name)
        if hear is not None:
            hear(oid, variables)

    def _count(self, device: str, trap: str) -> None:
        key = (device, trap)
        self._counts[key] = self._counts.get(key, 0.0) + 1.0
        if self._told is None:
            self._told = asyncio.get_running_loop().call_later(0.0 if trap != "dropped" else QUIET, self._tell)

    def _tell(self) -> None:
        if self._emit is not None:
            self._emit(self._reading())
        self._told = asyncio.get_running_loop().call_later(QUIET, self._rest, sum(self._counts.values()))

    def _rest(self, told: float) -> None:
        self._told = None
        if sum(self._counts.values()) != told:
            self._told = asyncio.get_running_loop().call_later(0.0, self._tell)

    async def stop(self) -> None:
        """Close the port."""
        if self._told is not None:
            self._told.cancel()
        if self._engine is not None:
            self._engine.close()
            self._engine = None
            await asyncio.sleep(0)  # the transport closes its socket in the loop's next turn
