"""Asking one name server one question, as a stub resolver does: UDP first, TCP when the answer was cut (RFC 1035, RFC 7766).

An answer is judged by its source address, id and question (RFC 5452) while the wait for the real one goes on: a forged or
broken datagram costs nothing but a look.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from dataclasses import dataclass, replace

from collectors.machine import Clock
from collectors.model import Reason
from collectors.probe.sockets import Endpoint, Fault, classify, describe, open_socket, resolve
from collectors.wire.dns import RCODES, REFUSED, TYPES, Answer, Question, labels_of, parse_answer

PORT = 53
RESEND_AFTER = 2.0
"""A datagram may be lost: the question is sent once more, as resolvers do, and the time runs on from the first."""
CHAIN = 16
"""CNAMEs followed at most."""


@dataclass(frozen=True, slots=True)
class DnsResult:
    """What a server said.

    Attributes:
        fault: None when it answered NOERROR with at least one record of the asked type.
        seconds: from question to complete answer, None without one.
        rcode: response code (RFC 1035, section 4.1.1; with EDNS up to 12 bits), None without an answer.
        answers: records of the asked type at the end of the CNAME chain, None without an answer.
        records: their texts, sorted, for the diagnosis.
        over_tcp: the answer was cut over UDP and came by TCP.
        strays: datagrams that were no answer to the question.
    """

    fault: Fault | None
    seconds: float | None = None
    rcode: int | None = None
    answers: int | None = None
    records: tuple[str, ...] = ()
    over_tcp: bool = False
    strays: int = 0


class _Receiver(asyncio.DatagramProtocol):
    """Takes datagrams until one answers the question; the connected socket lets through the server's own alone."""

    def __init__(self, question: Question, clock: Clock) -> None:
        self.answer: asyncio.Future[tuple[Answer, float]] = asyncio.get_running_loop().create_future()
        self.strays = 0
        self._question = question
        self._clock = clock

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002  the kernel compared it
        arrived = self._clock.monotonic()  # before the message is parsed
        answer = parse_answer(data, self._question)
        if answer is None:
            self.strays += 1
        elif not self.answer.done():
            self.answer.set_result((answer, arrived))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


def question(name: str, kind: str) -> Question:
    """A question with a random id; an address asked for PTR is turned into its reverse name.

    Raises:
        ValueError: the name is none.
    """
    if kind == "PTR":
        with contextlib.suppress(ValueError):
            name = ipaddress.ip_address(name).reverse_pointer
    return Question(secrets.randbelow(65536), labels_of(name), TYPES[kind])


async def ask(
    server: str,
    name: str,
    kind: str,
    *,
    port: int = PORT,
    timeout: float,  # noqa: ASYNC109  part of the result
    clock: Clock,
    interface: str | None = None,
) -> DnsResult:
    """Ask a server for records.

    Args:
        server: address or name of the server, IPv6 with its `%scope` if link-local.
        name: what to ask for.
        kind: record type, such as `A`.
        port: the server's port.
        timeout: seconds for everything together.
        clock: the clock that times the answer.
        interface: the interface to leave by, None for the routing table's choice.
    """
    try:
        query = question(name, kind)
    except ValueError as error:
        return DnsResult(Fault(Reason.NAME_UNRESOLVED, f"{name} is no name that can be asked for: {error}"))
    strays = [0]
    over_tcp = False
    try:
        async with asyncio.timeout(timeout):
            endpoints = await resolve(server, port, datagram=True)
            if isinstance(endpoints, Fault):
                return DnsResult(endpoints)
            begin = clock.monotonic()
            answer, arrived = await _over_udp(endpoints[0], query, interface, clock, strays)
            if answer.is_truncated:
                over_tcp = True
                answer = await _over_tcp(endpoints[0], query, interface)
                arrived = clock.monotonic()
    except TimeoutError:
        if strays[0]:
            return DnsResult(Fault(Reason.MALFORMED, f"{server}: {strays[0]} datagrams, none an answer"), strays=strays[0])
        return DnsResult(Fault(Reason.TIMEOUT, f"{server}: no answer within {timeout:g} s"))
    except OSError as error:
        return DnsResult(Fault(classify(error), f"{server}: {describe(error)}"), strays=strays[0])
    except (EOFError, ValueError):
        return DnsResult(Fault(Reason.MALFORMED, f"{server}: the answer over TCP is cut or no answer"), strays=strays[0])
    return replace(_judge(server, query, answer), seconds=arrived - begin, over_tcp=over_tcp, strays=strays[0])


async def _over_udp(
    endpoint: Endpoint, query: Question, interface: str | None, clock: Clock, strays: list[int]
) -> tuple[Answer, float]:
    """The answer and when it arrived."""
    loop = asyncio.get_running_loop()
    channel = open_socket(endpoint, socket.SOCK_DGRAM, interface)
    try:
        channel.connect(endpoint.address)  # the kernel picks a random source port and drops other senders' datagrams
        transport, receiver = await loop.create_datagram_endpoint(lambda: _Receiver(query, clock), sock=channel)
    except BaseException:
        channel.close()
        raise
    wire = query.encode()
    try:
        transport.sendto(wire)
        try:
            async with asyncio.timeout(RESEND_AFTER):
                return await asyncio.shield(receiver.answer)
        except TimeoutError:
            transport.sendto(wire)
        return await receiver.answer
    finally:
        strays[0] = receiver.strays
        transport.abort()
        if receiver.answer.done() and not receiver.answer.cancelled():
            receiver.answer.exception()  # seen, also when the wait was cancelled


async def _over_tcp(endpoint: Endpoint, query: Question, interface: str | None) -> Answer:
    loop = asyncio.get_running_loop()
    wire = query.encode()
    with open_socket(endpoint, socket.SOCK_STREAM, interface) as channel:
        await loop.sock_connect(channel, endpoint.address)
        await loop.sock_sendall(channel, len(wire).to_bytes(2, "big") + wire)
        length = int.from_bytes(await _exactly(channel, 2), "big")
        answer = parse_answer(await _exactly(channel, length), query)
    if answer is None:
        raise ValueError("not an answer to the question")
    return answer


async def _exactly(channel: socket.socket, length: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < length:
        part = await loop.sock_recv(channel, length - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _judge(server: str, query: Question, answer: Answer) -> DnsResult:
    code, records = answer.rcode, final_records(query, answer)
    fault = None
    if code != 0:
        reason = Reason.REFUSED if code == REFUSED else Reason.NAME_UNRESOLVED
        fault = Fault(reason, f"{server}: {RCODES.get(code, f'RCODE{code}')} for {query}")
    elif not records:
        fault = Fault(Reason.NAME_UNRESOLVED, f"{server}: no record for {query}")
    return DnsResult(fault, rcode=code, answers=len(records), records=records)


def final_records(query: Question, answer: Answer) -> tuple[str, ...]:
    """Texts of the records of the asked type, with CNAMEs followed within the message (RFC 1034, section 3.6.2)."""
    owner = tuple(label.lower() for label in query.name)
    for _ in range(CHAIN):
        found = {record.text for record in answer.records if record.owner == owner and record.type == query.type}
        if found:
            return tuple(sorted(found))
        alias = next((record.alias for record in answer.records if record.owner == owner and record.alias is not None), None)
        if alias is None:
            return ()
        owner = alias
    return ()
