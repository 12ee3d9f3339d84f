"""Notices that the network configuration may have changed: the kernel's own announcements, else the clock.

On Linux a routing netlink socket (rtnetlink(7)) hears links, addresses and routes of this network namespace change.
What it says is not read, only that it spoke: whoever listens looks anew. Resolvers are files that netlink knows nothing
of, so the look is repeated at an interval in any case; where there is no netlink, that is all.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections.abc import AsyncIterator

GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400
"""RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE (linux/rtnetlink.h)."""

SETTLE = 0.3
"""One pulled cable is a dozen messages: wait until none came for this many seconds…"""
SETTLE_AT_MOST = 2.0
"""…but not longer than this."""


def listen() -> socket.socket | None:
    """A non-blocking socket that becomes readable at changes; None where the system has none."""
    if sys.platform != "linux":
        return None
    try:
        channel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        channel.bind((0, GROUPS))
    except OSError:
        channel.close()
        return None
    return channel


async def changes(interval: float) -> AsyncIterator[None]:
    """Yield soon after each change, and at least every `interval` seconds."""
    channel = listen()
    if channel is None:
        while True:
            await asyncio.sleep(interval)
            yield
    with channel:
        while True:
            if await _readable(channel, interval):
                await _settle(channel)
            yield


async def _settle(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ends = loop.time() + SETTLE_AT_MOST
    _drain(channel)
    while loop.time() < ends and await _readable(channel, SETTLE):
        _drain(channel)


async def _readable(channel: socket.socket, within: float) -> bool:
    loop = asyncio.get_running_loop()
    spoke = asyncio.Event()
    loop.add_reader(channel, spoke.set)
    try:
        async with asyncio.timeout(within):
            await spoke.wait()
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(channel)
    return True


def _drain(channel: socket.socket) -> None:
    while True:
        try:
            channel.recv(65536)
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # lost messages are only one more change; else nothing is left
                return
