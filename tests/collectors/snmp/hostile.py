"""A UDP server that answers SNMP badly, in one way at a time; the protocol is written out, since no agent behaves so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

from collectors.wire.snmp import element

SYSTEM = {
    "1.3.6.1.2.1.1.1.0": v2c.OctetString("hostile"),
    "1.3.6.1.2.1.1.2.0": v2c.ObjectIdentifier("1.3.6.1.4.1.99999.1"),
    "1.3.6.1.2.1.1.3.0": v2c.TimeTicks(123456),
    "1.3.6.1.2.1.1.5.0": v2c.OctetString("evil"),
}
IF_STATUS = "1.3.6.1.2.1.2.2.1.8"
Bend = Callable[["Answer"], list[bytes]]


class Answer:
    """What a proper agent would answer, and the means to answer otherwise."""

    def __init__(self, question: bytes, rows: int) -> None:
        message, _ = decoder.decode(question, asn1Spec=v2c.Message())
        self.message = message
        self.pdu = v2c.apiMessage.get_pdu(message)
        self.reply = v2c.apiMessage.get_response(message)
        self.rows = rows
        self.walking = not self.pdu.isSameTypeWith(v2c.GetRequestPDU())

    def value(self, oid: str) -> object:
        """A value of the device: the system group, and an ifTable of `rows` rows."""
        if oid in SYSTEM:
            return SYSTEM[oid]
        column, _, row = oid.rpartition(".")
        if column.startswith("1.3.6.1.2.1.2.2.1.") and row.isdigit() and 0 < int(row) <= self.rows:
            return v2c.Integer(1) if column == IF_STATUS else v2c.Counter32(int(row))
        return v2c.NoSuchInstance("")

    def next_rows(self, oid: str, count: int) -> list[tuple[str, object]]:
        """GETBULK in the one column that there is."""
        if not (oid == IF_STATUS or oid.startswith(f"{IF_STATUS}.")):
            return [(oid, v2c.EndOfMibView(""))]
        at = int(oid.rpartition(".")[2]) if oid != IF_STATUS else 0
        found: list[tuple[str, object]] = [
            (f"{IF_STATUS}.{row}", v2c.Integer(1)) for row in range(at + 1, min(at + count, self.rows) + 1)
        ]
        return found or [("1.3.6.1.2.1.2.2.1.9.1", v2c.TimeTicks(0))]

    def proper(self) -> list[tuple[str, object]]:
        """The variables of a proper answer."""
        asked = [".".join(map(str, oid)) for oid, _ in v2c.apiPDU.get_varbinds(self.pdu)]
        if not self.walking:
            return [(oid, self.value(oid)) for oid in asked]
        return self.next_rows(asked[0], int(v2c.apiBulkPDU.get_max_repetitions(self.pdu)))

    def encode(self, variables: list[tuple[str, object]] | None = None, *, request_id: int | None = None) -> bytes:
        """A message with these variables, else the proper one."""
        pdu = v2c.apiMessage.get_pdu(self.reply)
        v2c.apiPDU.set_varbinds(pdu, [(v2c.ObjectIdentifier(oid), value) for oid, value in variables or self.proper()])
        if request_id is not None:
            v2c.apiPDU.set_request_id(pdu, request_id)
        encoded: bytes = encoder.encode(self.reply)
        assert element(encoded).rest == b""
        return encoded


class _Server(asyncio.DatagramProtocol):
    def __init__(self, bend: Bend, rows: int, delay: float) -> None:
        self.bend, self.rows, self.delay, self.questions = bend, rows, delay, 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self.questions += 1
        assert self.transport is not None
        for reply in self.bend(Answer(data, self.rows)):
            if self.delay:
                asyncio.get_running_loop().call_later(self.delay, self._send, reply, addr)
            else:
                self.transport.sendto(reply, addr)

    def _send(self, reply: bytes, addr: tuple[str | object, int]) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(reply, addr)


@asynccontextmanager
async def hostile(bend: Bend, rows: int = 4, delay: float = 0.0) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """Serve, each answer after a delay in seconds; gives the port and how many questions came."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Server(bend, rows, delay), local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1], lambda: server.questions
    finally:
        transport.close()
