"""UDP ports: answered, refused, silent."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from collectors.model import Reason
from collectors.probe.sockets import Fault
from collectors.probe.udp import binding_request, reach


async def test_answered_silent_refused() -> None:
    class Echo(asyncio.DatagramProtocol):
        transport: Any = None

        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(data, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    assert await reach("127.0.0.1", port) == "answered"
    transport.close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        assert await reach("127.0.0.1", silent.getsockname()[1], timeout=0.3) == "silent"
        closed = silent.getsockname()[1]
    found = await reach("127.0.0.1", closed, timeout=0.3)
    assert found == Fault(Reason.REFUSED, f"127.0.0.1:{closed}/udp: nobody listens there")


def test_the_question_is_a_stun_binding_request() -> None:
    data = binding_request()
    assert len(data) == 20
    assert data[:8] == bytes.fromhex("000100002112a442")
