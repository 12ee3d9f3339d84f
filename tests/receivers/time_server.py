"""A time server on loopback that tells whatever time a test wants."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

NTP_EPOCH = 2_208_988_800


def told(request: bytes, moment: float) -> bytes:
    """The answer to a request: `moment` in seconds since 1970."""
    stamp = struct.pack(">Q", round((moment + NTP_EPOCH) * 2**32) % 2**64)
    return b"\x24\x02\x06\xec" + bytes(20) + request[40:48] + stamp + stamp


@asynccontextmanager
async def time_server(now: Callable[[], float | None], port: int = 0) -> AsyncIterator[str]:
    """`now` gives seconds since 1970, or None to keep silent; yields host:port."""

    class Protocol(asyncio.DatagramProtocol):
        transport: asyncio.DatagramTransport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            moment = now()
            if moment is not None:
                self.transport.sendto(told(data, moment), addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Protocol, local_addr=("127.0.0.1", port))
    host, port = transport.get_extra_info("sockname")
    try:
        yield f"{host}:{port}"
    finally:
        transport.close()
