"""A small ndt7 server, written from the protocol's specification (ndt7-protocol.md of m-lab/ndt-server).

It refuses what the specification refuses: a request without the subprotocol, and binary messages from a downloader.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time

from aiohttp import WSMsgType, web

SUBPROTOCOL = "net.measurementlab.ndt.v7"
SECONDS = 10.0


def measurement(request: web.Request, test: str, moved: int, begin: float) -> str:
    elapsed = int((time.monotonic() - begin) * 1e6)
    channel = request.transport.get_extra_info("socket") if request.transport is not None else None
    raw = channel.getsockopt(socket.IPPROTO_TCP, 11, 256) if channel is not None else bytes(256)
    info = {
        "RTT": int.from_bytes(raw[68:72], sys.byteorder),
        "MinRTT": int.from_bytes(raw[148:152], sys.byteorder),
        "BytesAcked": int.from_bytes(raw[120:128], sys.byteorder),
        "BytesReceived": int.from_bytes(raw[128:136], sys.byteorder),
        "ElapsedTime": elapsed,
    }
    return json.dumps(
        {
            "AppInfo": {"ElapsedTime": elapsed, "NumBytes": moved},
            "Origin": "server",
            "Test": test,
            "TCPInfo": info,
        }
    )


async def upgrade(request: web.Request) -> web.WebSocketResponse:
    if request.headers.get("Sec-WebSocket-Protocol") != SUBPROTOCOL:
        raise web.HTTPBadRequest(text="subprotocol missing")
    opened = web.WebSocketResponse(protocols=(SUBPROTOCOL,), max_msg_size=1 << 24)
    await opened.prepare(request)
    return opened


async def download(request: web.Request) -> web.WebSocketResponse:
    opened = await upgrade(request)
    begin, reported, moved, size = time.monotonic(), 0.0, 0, 1 << 13
    noise = os.urandom(1 << 20)

    async def listen() -> None:
        async for message in opened:
            if message.type is WSMsgType.BINARY:
                await opened.close(code=1008)

    reader = asyncio.get_running_loop().create_task(listen())
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - begin < SECONDS and not opened.closed:
            await opened.send_bytes(noise[:size])
            moved += size
            if size < 1 << 20 and moved >= 16 * size:
                size *= 2
            if time.monotonic() - begin - reported >= 0.25:
                reported = time.monotonic() - begin
                await opened.send_str(measurement(request, "download", moved, begin))
        await opened.close()
    reader.cancel()
    return opened


async def upload(request: web.Request) -> web.WebSocketResponse:
    opened = await upgrade(request)
    begin, reported, moved = time.monotonic(), 0.0, 0
    async for message in opened:
        moved += len(message.data)
        now = time.monotonic() - begin
        if now - reported >= 0.25:
            reported = now
            with contextlib.suppress(ConnectionError):
                await opened.send_str(measurement(request, "upload", moved, begin))
        if now > SECONDS:
            await opened.close()
    return opened


def application() -> web.Application:
    app = web.Application()
    app.router.add_get("/ndt/v7/download", download)
    app.router.add_get("/ndt/v7/upload", upload)
    return app


if __name__ == "__main__":
    web.run_app(application(), port=int(sys.argv[1]), print=None)
