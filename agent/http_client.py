"""HTTP/1.1 for the agent's own errands: remote write, other exporters of the site, its own Unix socket (RFC 9110, RFC 9112).

Made of the pieces with which `http` measures, since a library's client and server together would take a third of the
resident agent's memory (docs/adr/005-what-stays-resident.md). One connection, kept open from one request to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from collectors.machine import SystemClock
from collectors.probe import tls
from collectors.probe.http_message import body_parts, opening, read_head
from collectors.probe.proxy import Proxy, credentials, proxy_for, tunnel
from collectors.probe.sockets import Endpoint, Fault, one_per_family, resolve
from collectors.probe.tcp import race
from collectors.wire.http1 import Head

KEEP = 300.0
"""Seconds for which an idle connection is used again."""
BODY_LIMIT = 2**26
CLOSE_WITHIN = 0.3
TRY_EACH = 1.5
"""Seconds for an address while there are others to try: one repetition by TCP, and well within the time for a line (`ways.py`)."""
LAST_TRY = 60.0
_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str, int], Awaitable[socket.socket]]
"""Opens a connection to a host and a port; the socket does not block. Raises OSError."""


async def reach(endpoints: Sequence[Endpoint], name: str, interface: str | None = None) -> socket.socket:
    """Connect to the first address that answers, those that the system prefers first; `name` is for the message.

    Raises:
        OSError: none does; says why.
    """
    left, why = list(endpoints), f"{name} has no address"
    while left:
        now = one_per_family(left)
        left = [one for one in left if one not in now]
        outcome = await race(now, name, timeout=TRY_EACH if left else LAST_TRY, clock=SystemClock(), interface=interface)
        if not isinstance(outcome, Fault):
            return outcome.channel
        why = outcome.detail
    raise OSError(why)


async def connect(host: str, port: int) -> socket.socket:
    """Connect by the routing table's choice.

    Raises:
        OSError: there is no way; says why.
    """
    found = await resolve(host, port)
    if isinstance(found, Fault):
        raise OSError(found.detail)
    return await reach(found, f"{host}:{port}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: as far as it was asked for.
        cut: there was more.
        seconds: from asking to the end of the answer.
    """

    head: Head
    body: bytes
    cut: bool
    seconds: float

    @property
    def status(self) -> int:
        """The status code."""
        return self.head.status

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")


class _To(NamedTuple):
    """Where a connection leads; one that leads elsewhere cannot be used again."""

    scheme: str
    host: str
    port: int
    proxy: Proxy | None
    context: ssl.SSLContext | None
    server_name: str | None


class HttpClient:
    """One client, one request at a time.

    Args:
        connect: opens connections.
        environ: names proxies, as curl reads them.
    """

    def __init__(self, connect: Connect = connect, environ: Mapping[str, str] = os.environ) -> None:
        self._connect = connect
        self._environ = environ
        self._streams: _Streams | None = None
        self._to: _To | None = None
        self._used = 0.0

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        context: ssl.SSLContext | None = None,
        server_name: str | None = None,
        open_within: float | None = None,
        limit: int = BODY_LIMIT,
        sink: BinaryIO | None = None,
    ) -> Reply:
        """One request and its answer; redirects are not followed.

        A connection that was closed while it was idle is opened anew. The caller bounds the time; what is cancelled
        leaves no connection behind.

        Args:
            method: GET, HEAD or POST.
            url: http or https; user and password in it are sent as basic authentication.
            headers: further fields.
            body: of the request.
            context: for https; None trusts the system's store.
            server_name: the name on the server's certificate, where it is not the URL's.
            open_within: seconds for a connection, its TLS handshake included.
            limit: octets of the body to read.
            sink: takes the body of a success in place of `Reply.body`, all of it.

        Raises:
            OSError: not reached, or lost on the way; `ssl.SSLError` and `ProxyError` among them.
            ValueError: the URL or the proxy's is none, or the answer is no HTTP/1.
        """
        parts = urllib.parse.urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        proxy = proxy_for(parts, self._environ)
        to = _To(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80), proxy, context, server_name)
        message = _message(opening(method, parts, host, proxy), credentials(parts), headers or {}, method, body)
        try:
            reply, whole = await self._exchange(to, message, method, limit, sink, open_within=open_within)
        except EOFError:
            self._drop()
            raise ConnectionResetError("the connection was closed before the answer was complete") from None
        except asyncio.LimitOverrunError:
            self._drop()
            raise ValueError("the head of the answer is too long") from None
        except BaseException:
            self._drop()
            raise
        if not whole or "close" in (reply.head.get("connection") or "").lower():
            self._drop()
        self._used = asyncio.get_running_loop().time()
        return reply

    async def _exchange(
        self, to: _To, message: bytes, method: str, limit: int, sink: BinaryIO | None, *, open_within: float | None
    ) -> tuple[Reply, bool]:
        """The answer, and whether another can follow on the connection."""
        now = asyncio.get_running_loop().time
        begin, begun, streams = now(), b"", self._streams
        if streams is not None and self._to == to and begin - self._used < KEEP:
            with contextlib.suppress(ConnectionError, EOFError):  # it was closed meanwhile
                begun = await _ask(streams, message)
        if streams is None or not begun:
            async with asyncio.timeout(open_within):
                streams = await self._open(to)
            begin = now()
            begun = await _ask(streams, message)
        reader, writer = streams
        head = await read_head(reader, begun)
        body = bytearray()
        async with contextlib.aclosing(body_parts(reader, head, method)) as parts:
            async for part in parts:
                if sink is not None and head.status < 300:
                    sink.write(part)
                else:
                    body += part
                if len(body) > limit:
                    return Reply(head, bytes(body[:limit]), cut=True, seconds=now() - begin), False
        framed = method == "HEAD" or head.is_chunked or head.length is not None
        early = writer.transport.get_write_buffer_size() > 0  # it answered before it had heard all, and may never take the rest
        return Reply(head, bytes(body), cut=False, seconds=now() - begin), framed and not early

    async def _open(self, to: _To) -> _Streams:
        self._drop()
        channel = await self._connect(*((to.host, to.port) if to.proxy is None else (to.proxy.host, to.proxy.port)))
        try:
            secure = to.scheme == "https"
            if secure and to.proxy is not None:
                await tunnel(channel, to.proxy, to.host, to.port)
            if secure:
                if to.context is None:
                    await tls.load(None)
                self._streams = await asyncio.open_connection(
                    sock=channel,
                    ssl=to.context or tls.verifying(None),
                    server_hostname=to.server_name or to.host,
                    ssl_shutdown_timeout=CLOSE_WITHIN,
                )
            else:
                self._streams = await asyncio.open_connection(sock=channel)
        except BaseException:
            channel.close()
            raise
        self._to = to
        return self._streams

    def _drop(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def close(self) -> None:
        """Close the connection in order, where the other side lets us."""
        if self._streams is not None:
            _, writer = self._streams
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN):
                    await writer.wait_closed()
            self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def by_unix_socket(path: Path) -> HttpClient:
    """A client of whoever listens on a Unix socket; requests raise FileNotFoundError or ConnectionRefusedError when nobody does."""

    async def to(_: str, __: int) -> socket.socket:
        if sys.platform == "win32":
            raise FileNotFoundError(path)
        channel = socket.socket(socket.AF_UNIX)
        try:
            channel.settimeout(0.0)
            await asyncio.get_running_loop().sock_connect(channel, str(path))
        except BaseException:
            channel.close()
            raise
        return channel

    return HttpClient(to, {})


async def _ask(streams: _Streams, message: bytes) -> bytes:
    """Send, and wait for the first octet of the answer, which may come before all is sent."""
    reader, writer = streams
    writer.write(message)
    return await reader.readexactly(1)


def _message(lines: list[str], own: str | None, headers: Mapping[str, str], method: str, body: bytes) -> bytes:
    fields = {} if own is None else {"Authorization": own}
    fields |= headers
    if body or method == "POST":
        fields["Content-Length"] = str(len(body))
    head = [*lines, *(f"{name}: {value}" for name, value in fields.items())]
    if any("\r" in line or "\n" in line for line in head):
        raise ValueError("a field of the request holds the end of a line")
    return "\r\n".join((*head, "", "")).encode("latin-1") + body
