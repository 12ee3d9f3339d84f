"""HTTP/1.1 on a stream: the request as it is sent, and the answer as it is read (RFC 9112)."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Mapping

from collectors.probe.proxy import Proxy, credentials
from collectors.wire.http1 import Head, parse_chunk_size, parse_head

BODY_LIMIT = 2**20
"""Octets of a body that are read; what comes after is not waited for."""
INTERIM_ANSWERS = 8
SWITCHING_PROTOCOLS = 101
_SAFE = "%/:=&?~+!$,;'@()*[]"


def address(url: urllib.parse.SplitResult, host: str) -> tuple[str, str]:
    """What a request to a URL has as its `Host`, and as its target (RFC 9112, section 3.2.1)."""
    authority = f"[{host}]" if ":" in host else host
    if url.port:
        authority += f":{url.port}"
    target = urllib.parse.quote(url.path or "/", safe=_SAFE)
    if url.query:
        target += "?" + urllib.parse.quote(url.query, safe=_SAFE)
    return authority, target


def render(
    method: str, url: urllib.parse.SplitResult, host: str, proxy: Proxy | None, cookies: Mapping[str, str] | None
) -> bytes:
    """The request; by a proxy without a tunnel it names the whole URL (RFC 9112, section 3.2.2)."""
    authority, target = address(url, host)
    direct = proxy is None or url.scheme == "https"
    lines = [
        f"{method} {target if direct else f'http://{authority}{target}'} HTTP/1.1",
        f"Host: {authority}",
        "User-Agent: commune-agent",
        "Accept: */*",
        "Accept-Encoding: identity",
        "Connection: close",
    ]
    if (own := credentials(url)) is not None:
        lines.append(f"Authorization: {own}")
    if proxy is not None and not direct and proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
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
    """Read the body to its end, at most `BODY_LIMIT` octets.

    Raises:
        EOFError: the connection ended before.
        ValueError: a chunk has no size.
    """
    left = BODY_LIMIT
    if head.is_chunked:
        while left > 0 and (size := parse_chunk_size(await reader.readline())):
            left -= await _skip(reader, min(size, left), exactly=True)
            if left > 0:
                await reader.readexactly(2)
        return
    length = head.length
    await _skip(reader, left if length is None else min(length, left), exactly=length is not None)


async def _skip(reader: asyncio.StreamReader, size: int, *, exactly: bool) -> int:
    seen = 0
    while seen < size:
        part = await reader.read(min(size - seen, 65536))
        if not part:
            if exactly:
                raise EOFError
            break
        seen += len(part)
    return seen
