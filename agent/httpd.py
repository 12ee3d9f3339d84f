"""A small HTTP/1.1 server: what Prometheus, browsers and the agent's own commands need, and no more (RFC 9110, RFC 9112).

Own code over asyncio's streams, since a library's server and all that comes with it would take a third of the agent's
memory (docs/adr/005-what-stays-resident.md). It serves short answers to few clients and does not trust them: heads have a
size and a time, requests' bodies are small and not kept, answers that are not taken are given up, and beyond
`MOST_CONNECTIONS` the one that is idle longest is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import errno
import http
import io
import json
import logging
import os
import ssl
import sys
import urllib.parse
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from agent.tasks import spawn
from collectors.wire.http1 import RequestHead, parse_request

log = logging.getLogger(__name__)
HEAD_LIMIT = 16384
BODY_LIMIT = 65536
PART = 65536
REQUEST_WITHIN = 30.0
"""Seconds for a request from its first octet to its last, for a TLS handshake, and for a client to take a part of the answer."""
IDLE_FOR = 150.0
"""Seconds that a connection may wait for its next request: longer than what lies between two scrapes."""
MOST_CONNECTIONS = 100
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for.

    Attributes:
        path: with percent-encoding undone.
        query: the last value of each parameter.
        remote: the client's address, None for one on a Unix socket.
    """

    head: RequestHead
    path: str
    query: dict[str, str]
    remote: str | None

    def header(self, name: str) -> str:
        """All values of a field, joined as a list (RFC 9110, section 5.2); empty without one."""
        return ", ".join(self.head.all(name))


@dataclass(slots=True)
class Response:
    """An answer: `body`, or for what is large the whole of `file`, which is closed afterwards.

    Attributes:
        compress: where the client takes gzip.
    """

    body: bytes | str = b""
    status: int = 200
    type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)
    file: BinaryIO | None = None
    compress: bool = False


def as_json(value: Any, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(json.dumps(value), status, "application/json; charset=utf-8")


Handler = Callable[[Request], Awaitable[Response]]
Guard = Callable[[Request], Awaitable[Response | None]]


class HttpServer:
    """Handlers by method and path, on one listening socket; `guard` answers in place of a handler what it does not let pass."""

    def __init__(self, guard: Guard | None = None) -> None:
        self._guard = guard
        self._routes: dict[str, dict[str, Handler]] = {}
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], bool] = {}
        """Those that wait for a request are marked, in the order in which they began to."""

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Answer a method on a path; GET answers HEAD too."""
        self._routes.setdefault(path, {})[method] = handler

    async def listen(self, host: str | None, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen on an address, None for all of this computer.

        Raises:
            OSError: it is in use or not ours.
        """
        within = REQUEST_WITHIN if tls else None
        self._server = await asyncio.start_server(
            self._connected, host, port, ssl=tls, limit=HEAD_LIMIT, ssl_handshake_timeout=within
        )

    async def listen_locally(self, path: Path) -> None:
        """Listen on a Unix socket.

        Raises:
            OSError: it cannot be made.
        """
        if sys.platform == "win32":
            raise OSError(errno.EAFNOSUPPORT, "asyncio serves no Unix sockets on Windows")
        self._server = await asyncio.start_unix_server(self._connected, path, limit=HEAD_LIMIT)

    async def stop(self, within: float) -> None:
        """Stop listening; what is being answered gets `within` seconds."""
        if self._server is not None:
            self._server.close()
        for task, idle in list(self._connections.items()):
            if idle:
                task.cancel()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=within)
            for task in late:
                task.cancel()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = spawn(self._serve(reader, writer), "http connection")
        self._connections[task] = True
        task.add_done_callback(lambda ended: self._connections.pop(ended, None))
        if len(self._connections) > MOST_CONNECTIONS:
            next(one for one, idle in self._connections.items() if idle).cancel()

    def _mark(self, *, idle: bool) -> None:
        task = asyncio.current_task()
        if task is not None and self._connections.pop(task, None) is not None:
            self._connections[task] = idle

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while await self._exchange(reader, writer):
                pass
            writer.close()
            async with asyncio.timeout(REQUEST_WITHIN):
                await writer.wait_closed()
        except (OSError, EOFError):  # it left, or was too slow
            writer.transport.abort()
        except BaseException:
            writer.transport.abort()
            raise

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; tells whether the connection goes on."""
        self._mark(idle=True)
        async with asyncio.timeout(IDLE_FOR):
            begun = await reader.read(1)
        if not begun:
            return False
        self._mark(idle=False)
        try:
            async with asyncio.timeout(REQUEST_WITHIN):
                head = parse_request(begun + await reader.readuntil(b"\r\n\r\n"))
                length = head.length
                if length is not None and length <= BODY_LIMIT:
                    if (head.get("expect") or "").lower() == "100-continue":
                        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    await reader.readexactly(length)  # nothing here takes a body
        except asyncio.LimitOverrunError:
            return await _send(writer, Response("the head of the request is too long\n", 431), None)
        except ValueError:
            return await _send(writer, Response("this is no HTTP/1.1 request\n", 400), None)
        if length is None or length > BODY_LIMIT:
            status = 411 if length is None else 413
            return await _send(writer, Response(f"{http.HTTPStatus(status).phrase}\n", status), None)
        return await _send(writer, await self._answer(head, writer), head)

    async def _answer(self, head: RequestHead, writer: asyncio.StreamWriter) -> Response:
        try:
            url = urllib.parse.urlsplit(head.target)
            query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        except ValueError:
            return Response("this is no target\n", 400)
        if head.minor and len(head.all("host")) != 1:
            return Response("one Host is needed\n", 400)
        peer = writer.get_extra_info("peername")
        request = Request(head, urllib.parse.unquote(url.path), query, peer[0] if isinstance(peer, tuple) else None)
        try:
            refused = None if self._guard is None else await self._guard(request)
            return refused or await self._route(request)
        except Exception as error:
            log.error("request failed", extra={"path": request.path, "error": repr(error)}, exc_info=error)
            return Response("the agent could not answer; its log says why\n", 500)

    async def _route(self, request: Request) -> Response:
        methods = self._routes.get(request.path)
        if methods is None:
            return Response("there is no such page\n", 404)
        method = "GET" if request.head.method == "HEAD" else request.head.method
        if method not in methods:
            allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
            return Response("Method Not Allowed\n", 405, headers={"Allow": ", ".join(allowed)})
        return await methods[method](request)


async def _send(writer: asyncio.StreamWriter, response: Response, head: RequestHead | None) -> bool:
    """Write the answer to a request, None for one that was not understood; tells whether the connection goes on."""
    keep = head is not None and head.minor == 1 and "close" not in (head.get("connection") or "").lower()
    body = response.body.encode() if isinstance(response.body, str) else response.body
    headers = {"Content-Type": response.type, "Date": email.utils.formatdate(usegmt=True), **response.headers}
    if response.compress:
        headers["Vary"] = "Accept-Encoding"
        if head is not None and _takes_gzip(", ".join(head.all("accept-encoding"))):
            headers["Content-Encoding"] = "gzip"
            body = zlib.compress(body, level=1, wbits=31)
    with contextlib.closing(response.file or io.BytesIO(body)) as content:
        length = content.seek(0, os.SEEK_END)
        content.seek(0)
        if response.status != http.HTTPStatus.NO_CONTENT:
            headers["Content-Length"] = str(length)
        if not keep:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        part = "\r\n".join((*lines, "", "")).encode("latin-1")
        while part:
            writer.write(part)
            async with asyncio.timeout(REQUEST_WITHIN):
                await writer.drain()
            part = b"" if head is not None and head.method == "HEAD" else content.read(PART)
    return keep


def _takes_gzip(accepted: str) -> bool:
    """Does a client with this `Accept-Encoding` take gzip (RFC 9110, section 12.5.3)?"""
    for item in accepted.lower().split(","):
        name, _, quality = item.replace(" ", "").partition(";q=")
        if name in {"gzip", "*"}:
            return quality.strip("0.") != "" if quality else True
    return False
