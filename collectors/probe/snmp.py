"""Asking SNMP devices: one budget of sockets, retries, and requests that adapt to what a device can answer.

A backend gives a `Client`; everything above sees only `Conversation`. The packet strategy is here: rows are found by walking one
column, values are read by GET with many variables a packet, which costs fewer packets and less CPU than GETBULK of
every column. A device that answers too big a question with an error, an empty list or silence is asked less at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from collectors.model import Reason
from collectors.probe.snmp_client import Client, Clients, Peer, SnmpError, TooBigError, Value

T = TypeVar("T")
MAX_VARIABLES = 56
"""Variables in one GET: with 64-bit counters the answer just fits an Ethernet frame."""
MAX_SOCKETS = 24
"""Devices that are talked to at the same time; each takes one socket while its poll lasts."""
REPETITIONS = 25
ANCHOR = "1.3.6.1.2.1.1.2.0"
"""sysObjectID, which every device has: asked along, it tells "nothing of this is here" from "too much was asked"."""
MAX_HALVINGS = 40
"""Questions of one round that are asked again in halves; beyond it, an empty answer means that nothing is there."""


def backends() -> list[str]:
    """The backends that can be used here, the preferred one first."""
    names = {"gufo": "gufo.snmp", "pysnmp": "pysnmp"}
    return [name for name, module in names.items() if _exists(module)]


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _clients(backend: str) -> Clients:
    if backend == "gufo":
        from collectors.probe.snmp_gufo import GufoClients  # noqa: PLC0415  a library of one backend

        return GufoClients()
    from collectors.probe.snmp_pysnmp import PysnmpClients  # noqa: PLC0415  18 MiB, only where the other does not exist

    return PysnmpClients()


class SnmpSessions:
    """What all devices share: the backend and the budget of sockets (a `Session` of the agent)."""

    def __init__(self, backend: str = "", sockets: int = MAX_SOCKETS) -> None:
        self.backend = backend or backends()[0]
        self._clients = _clients(self.backend)
        self._slots = asyncio.Semaphore(sockets)

    @contextlib.asynccontextmanager
    async def talk(self, peer: Peer, limits: Limits | None = None) -> AsyncIterator[Conversation]:
        """A conversation with a device, when a socket is free; `limits` carries over what is known of its abilities."""
        async with self._slots:
            client = self._clients.client(peer)
            try:
                yield Conversation(client, peer, limits or Limits())
            finally:
                client.close()

    async def close(self) -> None:
        """Close what the backend shares between devices."""
        self._clients.close()
        await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn


@dataclass(slots=True)
class Limits:
    """What a device was found to cope with; kept from poll to poll."""

    variables: int = MAX_VARIABLES
    unsure: int = MAX_VARIABLES
    """Variables in a question while exploring: its names and texts fill a packet sooner than counters do."""
    repetitions: int = REPETITIONS


@dataclass(slots=True)
class Conversation:
    """Questions to one device, with retries and bounds.

    Attributes:
        faults: what went wrong without ending the conversation, by reason.
    """

    client: Client
    peer: Peer
    limits: Limits
    faults: dict[Reason, int] = field(default_factory=dict)

    async def open(self) -> None:
        """Prepare the client, with retries.

        Raises:
            SnmpError: the device does not answer, or refuses the user.
        """
        if self.peer.credentials.version == 3:
            await self._ask(self.client.open)

    async def get(self, oids: Sequence[str], found: dict[str, Value] | None = None, *, unsure: bool = False) -> dict[str, Value]:
        """Values of those objects that exist, many in a packet, fewer when the device cannot.

        They are put into `found` as they come, so that the caller has them even when it stops waiting. `unsure`: the device
        may have none of them.

        Raises:
            SnmpError: a question of a single variable is not answered.
        """
        found = {} if found is None else found
        size = self.limits.unsure if unsure else self.limits.variables
        pending = [oids[at : at + size] for at in range(0, len(oids), size)]
        halvings = 0
        while pending:
            part = pending.pop(0)
            answer = await self._part(part, unsure=unsure)
            halvings += answer is None
            if answer is None and halvings > MAX_HALVINGS:
                continue
            if answer is not None:
                found.update(answer)
                continue
            half = (len(part) + 1) // 2
            if unsure:
                self.limits.unsure = max(1, min(self.limits.unsure, half))
            else:
                self.limits.variables = max(1, min(self.limits.variables, half))
            pending[:0] = [part[:half], part[half:]]
        return found

    async def _part(self, oids: Sequence[str], *, unsure: bool) -> dict[str, Value] | None:
        """One question; None when it should be asked in two halves."""
        anchored = unsure and len(oids) > 1 and ANCHOR not in oids and self.peer.credentials.version != 1
        question = [*oids, ANCHOR] if anchored else oids
        try:
            answer = await self._ask(lambda: self.client.get(question))
        except TooBigError:
            if len(oids) == 1:
                return {}
            return None
        except SnmpError as error:
            if error.reason is Reason.TIMEOUT and len(oids) > 8:
                self.fault(Reason.TIMEOUT)
                return None
            raise
        if anchored and answer.pop(ANCHOR, None) is not None:
            return answer
        if answer or len(oids) == 1:
            return answer
        if not unsure and self.peer.credentials.version != 1:
            return await self._part(oids, unsure=True)
        # Too big, and version 1's missing object, look like an empty answer: only smaller questions can tell.
        return None

    async def exists(self, oid: str) -> bool:
        """Anything at or below this object."""
        return bool(await self.column(oid, limit=1, repetitions=1)) or bool(await self.get([oid]))

    async def column(self, oid: str, *, limit: int, repetitions: int = 0) -> dict[str, Value]:
        """A subtree as {index: value}, the index being the rest of the object's name; at most `limit` rows.

        A walk that does not advance ends there and is noted in `faults` as malformed; one longer than `limit` as overflow.

        Raises:
            SnmpError: the device does not answer.
        """
        step = self.client.column(oid, repetitions or self.limits.repetitions)
        found: dict[str, Value] = {}
        last: tuple[int, ...] = ()
        start = len(oid) + 1
        while True:
            try:
                rows = await self._ask(step)
            except TooBigError:
                if self.limits.repetitions <= 1:
                    return found
                self.limits.repetitions = max(1, self.limits.repetitions // 2)
                step = self.client.column(oid, self.limits.repetitions)
                found.clear()
                last = ()
                continue
            if not rows:
                return found
            for name, value in rows:
                index = name[start:]
                here = tuple(map(int, index.split("."))) if index else ()
                if here <= last and found:
                    self.fault(Reason.MALFORMED)
                    return found
                last = here
                if len(found) == limit:
                    if limit > 1:
                        self.fault(Reason.OVERFLOW)
                    return found
                found[index] = value

    def fault(self, reason: Reason) -> None:
        """Note something wrong that did not end the conversation."""
        self.faults[reason] = self.faults.get(reason, 0) + 1

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T:
        refused: SnmpError | None = None
        for _ in range(self.peer.retries + 1):
            try:
                async with asyncio.timeout(self.peer.timeout):
                    return await question()
            except TimeoutError:
                refused = None
            except SnmpError as error:
                if error.reason is not Reason.MALFORMED:
                    raise
                refused = error
            except OSError as error:
                raise SnmpError(_os_reason(error), f"{self.peer.address}: {error.strerror or error}") from None
        if refused is not None:
            raise refused
        message = f"{self.peer.address}: no answer within {self.peer.timeout:g} s, asked {self.peer.retries + 1} times"
        raise SnmpError(Reason.TIMEOUT, message)


def _os_reason(error: OSError) -> Reason:
    if isinstance(error, ConnectionRefusedError):
        return Reason.REFUSED
    return Reason.UNREACHABLE
