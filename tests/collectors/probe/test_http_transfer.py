"""Throughput by HTTP against servers that answer in ways of their own; over lines of known rates in test_transfer_netlab.py."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from collectors.machine import SystemClock
from collectors.probe import http_transfer
from collectors.probe.transfer import Limits, Transfer

LIMITS = Limits(1.0, 20_000_000)
HEAD = b"HTTP/1.1 200 OK\r\n"
Behave = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(behave: Behave) -> AsyncIterator[str]:
    """A server on loopback that reads the head of a request, no more, and then does as it likes."""
    running: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await behave(writer)
        writer.transport.abort()
        running.discard(task)

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        for task in running:
            task.cancel()
        await asyncio.sleep(0.05)


async def run(direction: str, behave: Behave) -> Transfer:
    async with server(behave) as url:
        work = http_transfer.download if direction == "download" else http_transfer.upload
        return await asyncio.wait_for(work(url, LIMITS, clock=SystemClock()), 10)


async def say_nothing(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"X-Wait: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def pour(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n")
    while True:
        writer.write(bytes(100_000))
        await writer.drain()


async def fall(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000000\r\n\r\n" + bytes(1_000_000))
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def babble(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\xff" * 5000)
    await writer.drain()
    await asyncio.sleep(1)


async def leave(_: asyncio.StreamWriter) -> None:
    """Close at once."""


@pytest.mark.parametrize(
    ("direction", "behave", "reason"),
    [
        ("download", trickle, "timeout"),
        ("download", say_nothing, "timeout"),
        ("download", fall, "reset"),
        ("download", babble, "malformed"),
        ("download", leave, "reset"),
        ("upload", trickle, "timeout"),
        ("upload", say_nothing, "timeout"),
        ("upload", pour, "status"),
        ("upload", babble, "malformed"),
        ("upload", leave, "reset"),
    ],
)
async def test_what_cannot_be_timed_has_a_reason(
    monkeypatch: pytest.MonkeyPatch, direction: str, behave: Behave, reason: str
) -> None:
    monkeypatch.setattr(http_transfer, "CONNECT_SECONDS", 0.5)
    found = await run(direction, behave)
    assert found.rate is None
    assert found.fault is not None
    assert found.fault.reason == reason, found.fault


async def test_a_file_without_end_ends_at_the_limit() -> None:
    found = await run("download", pour)
    assert found.fault is None
    assert found.rate is not None
    assert 20_000_000 <= found.moved < 30_000_000
