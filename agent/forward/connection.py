"""One HTTP/1.1 connection to one server, kept open between requests (RFC 9112).

Own code over asyncio's streams and what the http probe has, since aiohttp's client would be a quarter of the agent's
memory. Proxies of the environment, the computer's lines (`ways`), one more try where the receiver had closed an idle
connection; no redirects, no cookies, no compression.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.forward.ways import CONNECT_WITHIN, Remembering, Ways
from agent.tasks import spawn
from collectors.machine import Clock
from collectors.probe.http_message import address, read_head
from collectors.probe.proxy import Proxy, proxy_for, tunnel
from collectors.probe.sockets import Fault
from collectors.probe.tcp import race
from collectors.wire.http1 import Head, parse_chunk_size

KEEP_ALIVE = 300.0
"""Seconds for which an idle connection is used again."""
HEAD_LIMIT = 65536
CLOSE_WITHIN = 0.3


Trust = Callable[[], tuple[ssl.SSLContext, str]]
"""The context for a new TLS connection, and the name to verify."""


class UnreachableError(OSError):
    """There is no connection to the server; the message says where it failed."""


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        body: all of it where it is `whole`, else the first of it.
        sent: when it was asked for, Clock.monotonic.
        received: when its head was there.
    """

    head: Head
    body: bytes
    whole: bool
    sent: float
    received: float


@dataclass(slots=True)
class _Kept:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    by: str | None
    used: float


class Connection:
    """Asks one URL.

    Args:
        url: http or https.
        clock: the agent's.
        ways: the computer's lines to choose from.
    """

    def __init__(self, url: str, clock: Clock, ways: Ways) -> None:
        self._url = urllib.parse.urlsplit(url)
        self._clock = clock
        self._ways = ways
        self._names = Remembering()
        self._kept: _Kept | None = None

    async def request(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        trust: Trust,
        within: float,
        limit: int,
    ) -> Reply:
        """One exchange.

        Args:
            method: POST, or GET and HEAD without a body.
            headers: beside Host and Content-Length.
            body: what is sent.
            trust: the context and the name to verify for a new TLS connection.
            within: seconds for everything together.
            limit: octets of the answer's body that are of interest.

        Raises:
            UnreachableError: no connection.
            OSError, EOFError: it broke; TimeoutError among them.
            ValueError: what came is no HTTP, or what is to be sent is none.
        """
        async with asyncio.timeout(within):
            again = self._usable()
            try:
                return await self._exchange(method, headers, body, trust, limit)
            except (EOFError, ConnectionError):
                if not again:  # a new connection broke: that is no matter of having been idle
                    raise
                return await self._exchange(method, headers, body, trust, limit)

    def drop(self) -> None:
        """Close the connection in the background; the next request opens a new one."""
        kept, self._kept = self._kept, None
        if kept is not None:
            spawn(_close(kept.writer), "close connection")

    async def close(self) -> None:
        """Close the connection."""
        kept, self._kept = self._kept, None
        if kept is not None:
            await _close(kept.writer)

    def _usable(self) -> bool:
        """Is there a connection that a request may go by?"""
        kept = self._kept
        if kept is None:
            return False
        idle = self._clock.monotonic() - kept.used
        if kept.reader.at_eof() or kept.writer.is_closing() or kept.by != self._ways.chosen or idle > KEEP_ALIVE:
            self.drop()
            return False
        return True

    async def _exchange(self, method: str, headers: Mapping[str, str], body: bytes, trust: Trust, limit: int) -> Reply:
        proxy = proxy_for(self._url, os.environ)
        request = self._render(method, headers, body, proxy)
        if not self._usable():
            self._kept = await self._open(proxy, trust)
        kept = self._kept
        if kept is None:
            raise ConnectionResetError("closed meanwhile")
        try:
            sent = self._clock.monotonic()
            kept.writer.write(request)  # the answer may come before all of it is sent, so that nobody waits for that
            head = await read_head(kept.reader)
            received = kept.used = self._clock.monotonic()
            found, whole = (b"", True) if method == "HEAD" else await _body(kept.reader, head, limit)
        except BaseException:
            kept.writer.transport.abort()
            self._kept = None
            raise
        early = kept.writer.transport.get_write_buffer_size() > 0  # it may never take the rest
        endless = not head.is_chunked and head.length is None
        if early or endless or not whole or (head.get("connection") or "").lower() == "close":
            self.drop()
        return Reply(head, found, whole, sent, received)

    def _render(self, method: str, headers: Mapping[str, str], body: bytes, proxy: Proxy | None) -> bytes:
        authority, target = address(self._url, self._host)
        lines = [f"Host: {authority}", *(f"{name}: {value}" for name, value in headers.items())]
        if proxy is not None and self._url.scheme == "http":
            target = f"http://{authority}{target}"
            lines += [f"Proxy-Authorization: {proxy.authorization}"] if proxy.authorization else []
        lines += [f"Content-Length: {len(body)}"] if method == "POST" else []
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a header holds the end of a line")
        return "\r\n".join((f"{method} {target} HTTP/1.1", *lines, "", "")).encode() + body

    @property
    def _host(self) -> str:
        return (self._url.hostname or "").encode("idna").decode("ascii")

    async def _open(self, proxy: Proxy | None, trust: Trust) -> _Kept:
        secure = self._url.scheme == "https"
        context, name = trust() if secure else (None, None)
        port = self._url.port or (443 if secure else 80)
        by = self._ways.chosen
        within = CONNECT_WITHIN if self._ways.several else None
        try:
            async with asyncio.timeout(within):
                host, at = (self._host, port) if proxy is None else (proxy.host, proxy.port)
                endpoints = await self._names.resolve(host, at)
                outcome = await race(endpoints, f"{host}:{at}", timeout=within, clock=self._clock, interface=by)
                if isinstance(outcome, Fault):
                    raise UnreachableError(outcome.detail)
                try:
                    self._ways.hasten(outcome.channel)
                    if proxy is not None and secure:
                        await tunnel(outcome.channel, proxy, self._host, port)
                    reader, writer = await asyncio.open_connection(
                        sock=outcome.channel, ssl=context, server_hostname=name, limit=HEAD_LIMIT
                    )
                except BaseException:
                    outcome.channel.close()
                    raise
        except TimeoutError as error:
            message = f"no connection to {self._host}:{port} in time"
            raise UnreachableError(message) from error
        except (OSError, EOFError, ValueError) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        return _Kept(reader, writer, by, self._clock.monotonic())


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_WITHIN):
            await writer.wait_closed()
    except OSError:  # TimeoutError among them
        writer.transport.abort()


async def _body(reader: asyncio.StreamReader, head: Head, limit: int) -> tuple[bytes, bool]:
    """The body, or the first of it, and whether that was all."""
    found = bytearray()
    if head.is_chunked:
        while size := parse_chunk_size(await reader.readline()):
            if len(found) + size > limit:
                return bytes(found), False
            found += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass  # trailers
        return bytes(found), True
    length = head.length
    if length is not None and length <= limit:
        return await reader.readexactly(length), True
    while len(found) <= limit and (part := await reader.read(limit + 1 - len(found))):
        found += part
    return bytes(found[:limit]), len(found) <= limit
