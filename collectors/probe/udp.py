"""Is a UDP port there? Only a refusal proves anything: silence is also what an open port of a media server says."""

from __future__ import annotations

import asyncio
import secrets
import socket
from typing import Literal

from collectors.model import Reason
from collectors.probe.sockets import Endpoint, Fault, classify, describe, open_socket, resolve

TRIES = 3
Answer = Literal["answered", "silent"]


def binding_request() -> bytes:
    """A STUN binding request (RFC 8489, section 5), which conference bridges answer at their media ports."""
    return b"\x00\x01\x00\x00\x21\x12\xa4\x42" + secrets.token_bytes(12)


async def reach(host: str, port: int, *, timeout: float = 1.0, interface: str | None = None) -> Answer | Fault:  # noqa: ASYNC109  part of the result
    """Ask a UDP port up to three times.

    Returns:
        "answered" by whatever, "silent", or the fault: refused (ICMP port unreachable), unreachable, no such name.
    """
    endpoints = await resolve(host, port, datagram=True)
    if isinstance(endpoints, Fault):
        return endpoints
    return await _ask(endpoints[0], f"{host}:{port}", timeout, interface)


async def _ask(endpoint: Endpoint, name: str, wait: float, interface: str | None) -> Answer | Fault:
    loop = asyncio.get_running_loop()
    try:
        with open_socket(endpoint, socket.SOCK_DGRAM, interface) as channel:
            channel.connect(endpoint.address)
            for _ in range(TRIES):
                channel.send(binding_request())
                try:
                    async with asyncio.timeout(wait / TRIES):
                        await loop.sock_recv(channel, 2048)
                except TimeoutError:
                    continue
                return "answered"
    except OSError as error:
        reason = classify(error)
        return Fault(reason, f"{name}/udp: {'nobody listens there' if reason is Reason.REFUSED else describe(error)}")
    return "silent"
