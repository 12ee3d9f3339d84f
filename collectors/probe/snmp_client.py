"""What a backend of SNMP gives: a `Client` for each device (docs/adr/030-snmp-backends.md).

Two libraries do the protocol: `snmp_gufo` where its wheel exists, `snmp_pysnmp` elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collectors.model import Reason

Value = int | float | str | bytes
"""INTEGER, counters, gauges and TimeTicks as int; OCTET STRING as bytes; OBJECT IDENTIFIER and IpAddress as dotted str."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Community for versions 1 and 2, user for version 3; protocols are named as in the configuration."""

    version: Literal[1, 2, 3] = 2
    community: str = field(default="public", repr=False)
    username: str = ""
    auth_protocol: str | None = None
    auth_password: str = field(default="", repr=False)
    privacy_protocol: str | None = None
    privacy_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Peer:
    """A device and how to ask it: seconds to wait for an answer, and how often to repeat a question."""

    address: str
    port: int = 161
    credentials: Credentials = Credentials()
    timeout: float = 5.0
    retries: int = 1


class SnmpError(Exception):
    """A device did not answer usefully: `reason` for the reading, the message for a person."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class TooBigError(Exception):
    """The question or its answer does not fit a packet; ask for less."""


class Client(Protocol):
    """One device through one library. Every call is one request and one answer, without retries.

    Raises (every method):
        TimeoutError: no matching answer in time.
        TooBigError: ask for less.
        SnmpError: the answer is malformed, the user is refused.
    """

    async def open(self) -> None:
        """Get ready: engine discovery of version 3."""

    async def get(self, oids: Sequence[str]) -> dict[str, Value]:
        """Values of the objects that exist; version 1 may answer none when one is missing."""

    def column(self, oid: str, repetitions: int) -> Step:
        """A walk through a subtree: each call of the result is one request for the next rows, none at the end."""

    def close(self) -> None:
        """Release the socket."""


class Clients(Protocol):
    """A backend: makes clients, and closes what they share."""

    def client(self, peer: Peer) -> Client:
        """A client of a device.

        Raises:
            SnmpError: the address is none.
        """

    def close(self) -> None:
        """Close shared sockets."""


class Step(Protocol):
    """The next rows of a walk; asking again after a failure repeats the question."""

    async def __call__(self) -> list[tuple[str, Value]]:
        """Rows inside the subtree in the order of the device; empty at the end."""
