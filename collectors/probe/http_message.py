"""HTTP/1.1 on a stream: the request as it is sent, and the answer as it is read (RFC 9112)."""

from __future__ import annotations

import asyncio
import math
import urllib.parse
from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from collectors.probe.proxy import Proxy, credentials
from collectors.wire.http1 import Head, parse_chunk_size, parse_head

BODY_LIMIT = 2**20
"""Octets of a body that are read; what comes after is not waited for."""
PART = 65536
INTERIM_ANSWERS = 8
SWITCHING_PROTOCOLS = 101
_SAFE = "%/:=&?~+!$,;'@()*[]"


def opening(method: str, url: urllib.parse.SplitResult, host: str, proxy: Proxy | None) -> list[str]:
    """The first lines of a request; by a proxy without a tunnel it names the whole URL (RFC 9112, section 3.2.2).

    `host` is the name of the URL as it goes over the wire (ASCII).
    """
    authority = f"[{host}]" if ":" in host else host
    if url.port:
        authority += f":{url.port}"
    target = urllib.parse.quote(url.path or "/", safe=_SAFE)
    if url.query:
        target += "?" + urllib.parse.quote(url.query, safe=_SAFE)
    direct = proxy is None or url.scheme == "https"
    lines = [f"{method} {target if direct else f'http://{authority}{target}'} HTTP/1.1", f"Host: {authority}"]
    if proxy is not None and not direct and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    return lines


def render(
    method: str, url: urllib.parse.SplitResult, host: str, proxy: Proxy | None, cookies: Mapping[str, str] | None
) -> bytes:
    """A visitor's request, one on its connection."""
    lines = [
        *opening(method, url, host, proxy),
        "User-Agent: commune-agent",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if (own := credentials(url)) is not None:
        lines.append(f"Authorization: {own}")
    if cookies:
        lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in cookies.items()))
    return "\r\n".join((*lines, "", "")).encode("latin-1")


async def read_head(reader: asyncio.StreamReader, begun: bytes = b"") -> Head:
    """The head of the final answer; interim ones (1xx) are passed over. `begun` has been read already.

    Raises:
        EOFError: the connection ended before.
        ValueError, asyncio.LimitOverrunError: it is no HTTP/1 answer.
    """
    for _ in range(INTERIM_ANSWERS):
        head = parse_head(begun + await reader.readuntil(b"\r\n\r\n"))
        if head.status >= 200 or head.status == SWITCHING_PROTOCOLS:
            return head
        begun = b""
    raise ValueError("the server sends interim answers without end")


async def read_body(reader: asyncio.StreamReader, head: Head) -> None:
    """Read the body to its end, at most `BODY_LIMIT` octets; raises as `body_parts`."""
    left = BODY_LIMIT
    async for part in body_parts(reader, head):
        left -= len(part)
        if left <= 0:
            return


async def body_parts(reader: asyncio.StreamReader, head: Head, method: str = "GET") -> AsyncGenerator[bytes, None]:
    """The body as it comes (RFC 9112, section 6), to its end, so that another answer can follow on the connection.

    An answer to HEAD has none, whatever its head says.

    Raises:
        EOFError: the connection ended before.
        ValueError: a chunk has no size.
    """
    if method == "HEAD":
        return
    if not head.is_chunked:
        async for part in _octets(reader, head.length):
            yield part
        return
    while size := parse_chunk_size(await reader.readline()):
        async for part in _octets(reader, size):
            yield part
        await reader.readexactly(2)
    while (await reader.readline()).strip():  # trailers
        pass


async def _octets(reader: asyncio.StreamReader, size: int | None) -> AsyncIterator[bytes]:
    """So many octets, or all until the connection ends."""
    left = math.inf if size is None else size
    while left > 0:
        part = await reader.read(int(min(left, PART)))
        if not part:
            if size is not None:
                raise EOFError
            return
        left -= len(part)
        yield part
