"""A name server on loopback whose manners a test decides: it answers each datagram with whatever octets it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Reply = Callable[[bytes], Sequence[bytes]]


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: NameServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.server.questions.append((data, addr[1]))
        for reply in self.server.udp(data):
            self.transport.sendto(reply, addr)


class NameServer:
    """`udp` and `tcp` turn a question into replies; None for `tcp` closes the connection."""

    def __init__(self, udp: Reply, tcp: Reply | None = None) -> None:
        self.udp = udp
        self.tcp = tcp
        self.questions: list[tuple[bytes, int]] = []
        self.over_tcp = 0
        self.port = 0

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.over_tcp += 1
        data = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
        for reply in self.tcp(data) if self.tcp else ():
            writer.write(len(reply).to_bytes(2, "big") + reply)
        writer.close()


@asynccontextmanager
async def serving(udp: Reply, tcp: Reply | None = None, *, host: str = "127.0.0.1") -> AsyncIterator[NameServer]:
    server = NameServer(udp, tcp)
    listener = await asyncio.start_server(server.serve_tcp, host, 0)
    server.port = listener.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Udp(server), local_addr=(host, server.port))
    try:
        yield server
    finally:
        transport.close()
        listener.close()
        await asyncio.sleep(0)


def answer(question: bytes, *records: str, rcode: int = 0, truncated: bool = False, shift: int = 0) -> bytes:
    """A right answer with these records (`name type value`), or one whose id is `shift` too high."""
    message = dns.message.make_response(dns.message.from_wire(question))
    message.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        name, kind, value = record.split(" ", 2)
        found = dns.rrset.from_text(name, 60, "IN", kind, value)
        held = message.find_rrset(message.answer, found.name, found.rdclass, found.rdtype, create=True)
        for one in found:
            held.add(one)
    if truncated:
        message.flags |= dns.flags.TC
    message.id = (message.id + shift) % 65536
    return message.to_wire(max_size=65535)
