"""Opening TCP connections and timing it: for `tcp` itself, for the phases of `http`, and for the diagnosis."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, replace

from collectors.machine import Clock
from collectors.model import Reason
from collectors.probe.sockets import Endpoint, Fault, classify, describe, one_per_family, open_socket, resolve

_TELLING = (Reason.REFUSED, Reason.RESET, Reason.TIMEOUT, Reason.NO_ADDRESS, Reason.UNREACHABLE)
"""Of the faults of several families the one to report, the most telling first: somebody answered, nobody, no way."""


@dataclass(frozen=True, slots=True)
class Connection:
    """An established connection: the caller closes the socket.

    Attributes:
        resolve_seconds: time to find the addresses; 0 for a literal address.
        connect_seconds: from SYN to the established connection.
    """

    channel: socket.socket
    endpoint: Endpoint
    resolve_seconds: float
    connect_seconds: float


@dataclass(frozen=True, slots=True)
class TcpResult:
    """Whether a port accepts connections; `seconds` and `address` are None unless it does."""

    fault: Fault | None
    seconds: float | None = None
    address: str | None = None


async def connect(host: str, port: int, *, timeout: float, clock: Clock, interface: str | None = None) -> Connection | Fault:  # noqa: ASYNC109  part of the result
    """Connect to the preferred address of each family at once and keep the first that answers.

    Args:
        host: a name or an address, IPv6 with its `%scope` if link-local.
        port: the TCP port.
        timeout: seconds for resolving and connecting together.
        clock: the clock that times them.
        interface: the interface to leave by, None for the routing table's choice.
    """
    begin = clock.monotonic()
    try:
        async with asyncio.timeout(timeout):
            endpoints = await resolve(host, port)
    except TimeoutError:
        return Fault(Reason.NAME_UNRESOLVED, f"{host} has no address: no answer from the resolvers within {timeout:g} s")
    if isinstance(endpoints, Fault):
        return endpoints
    resolved = clock.monotonic() - begin
    candidates = one_per_family(endpoints)
    outcome = await race(candidates, f"{host}:{port}", timeout=max(0.0, timeout - resolved), clock=clock, interface=interface)
    return outcome if isinstance(outcome, Fault) else replace(outcome, resolve_seconds=resolved)


async def race(
    endpoints: tuple[Endpoint, ...],
    name: str,
    *,
    timeout: float | None,  # noqa: ASYNC109  part of the result
    clock: Clock,
    interface: str | None,
) -> Connection | Fault:
    """Connect to all of these endpoints at once and keep the first that answers; `name` is what they are to a person."""
    won: list[Connection] = []
    faults: list[Fault] = []
    attempts: list[asyncio.Task[None]] = []

    async def attempt(endpoint: Endpoint) -> None:
        where = f"{name} ({endpoint.text})" if endpoint.text not in name else name
        channel = None
        try:
            channel = open_socket(endpoint, socket.SOCK_STREAM, interface)
            begin = clock.monotonic()
            await asyncio.get_running_loop().sock_connect(channel, endpoint.address)
            seconds = clock.monotonic() - begin
        except OSError as error:
            faults.append(Fault(classify(error), f"{where}: {describe(error)}"))
        else:
            if not won:
                won.append(Connection(channel, endpoint, 0.0, seconds))
                channel = None
                for other in attempts:
                    if other is not asyncio.current_task():
                        other.cancel()
        finally:
            if channel is not None:
                channel.close()

    try:
        async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
            attempts += [group.create_task(attempt(endpoint)) for endpoint in endpoints]
    except TimeoutError:
        faults.append(Fault(Reason.TIMEOUT, f"{name}: no answer to the connection request"))
    except BaseException:
        for connection in won:
            connection.channel.close()
        raise
    if won:
        return won[0]
    return min(faults, key=lambda fault: _TELLING.index(fault.reason) if fault.reason in _TELLING else 0)


async def measure(host: str, port: int, *, timeout: float, clock: Clock, interface: str | None = None) -> TcpResult:  # noqa: ASYNC109  part of the result
    """Open a connection and close it at once; the arguments are those of `connect`."""
    outcome = await connect(host, port, timeout=timeout, clock=clock, interface=interface)
    if isinstance(outcome, Fault):
        return TcpResult(outcome)
    outcome.channel.close()
    return TcpResult(None, outcome.connect_seconds, outcome.endpoint.text)
