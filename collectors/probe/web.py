"""A client session of aiohttp for throughput tests: connections leave by one interface, and their sockets stay in sight."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from collectors.model import Reason
from collectors.probe import tls
from collectors.probe.sockets import Endpoint, Fault, classify, describe, open_socket

CONNECT_SECONDS = 10.0


@dataclass
class Web:
    """A session and the sockets that it opened, the newest last."""

    session: aiohttp.ClientSession
    sockets: list[socket.socket] = field(default_factory=list)

    @property
    def channel(self) -> socket.socket | None:
        """The newest socket that is still open."""
        return next((one for one in reversed(self.sockets) if one.fileno() >= 0), None)


@contextlib.asynccontextmanager
async def leaving_by(interface: str | None) -> AsyncIterator[Web]:
    """A session without proxies and cookies whose connections leave by an interface; closed at once, unread data dropped."""
    sockets: list[socket.socket] = []

    def make(info: Any) -> socket.socket:
        family, _, _, _, address = info
        channel = open_socket(Endpoint(family, address), socket.SOCK_STREAM, interface)
        sockets.append(channel)
        return channel

    await tls.load(None)
    connector = aiohttp.TCPConnector(ssl=tls.verifying(None), socket_factory=make, limit=1, force_close=False)
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_read=CONNECT_SECONDS)
    headers = {"User-Agent": "commune-agent", "Cache-Control": "no-cache"}
    session = aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding",),
    )
    try:
        yield Web(session, sockets)
    finally:
        await session.close()


def fault_of(error: Exception, url: str) -> Fault:
    """The word and the sentence for what went wrong with a request."""
    where = url.partition("?")[0]
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return Fault(Reason.STATUS, f"{where}: status {error.status} instead of a WebSocket")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError | aiohttp.ClientSSLError):
        return Fault(Reason.TLS, f"{where}: {error}")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Fault(Reason.NAME_UNRESOLVED, f"{where}: the name has no address")
    if isinstance(error, aiohttp.ClientOSError):
        return Fault(
            classify(error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error), f"{where}: {describe(error)}"
        )
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Fault(Reason.TIMEOUT, f"{where}: no answer")
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return Fault(Reason.RESET, f"{where}: the server closed the connection")
    if isinstance(error, aiohttp.InvalidURL):
        return Fault(Reason.MALFORMED, f"{where} is no URL")
    return Fault(Reason.MALFORMED, f"{where}: {type(error).__name__}")
