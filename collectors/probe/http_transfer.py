"""Throughput by plain HTTP, against any web server: a download that is cut at its limits, and an upload of random data."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

import aiohttp

from collectors.machine import Clock
from collectors.model import Reason
from collectors.probe.sockets import Fault
from collectors.probe.transfer import SAMPLE_SECONDS, Limits, Meter, Transfer, acknowledged, arrived, tcp_info
from collectors.probe.web import CONNECT_SECONDS, fault_of, leaving_by

CHUNK = 1 << 16
ENOUGH_SECONDS = 0.5
"""A server that answers an upload sooner than this, before it was all sent, has not read it."""


async def download(url: str, limits: Limits, *, clock: Clock, interface: str | None = None) -> Transfer:
    """GET a file, again and again where it is short, and time its arrival.

    Args:
        url: of a file that does not compress.
        limits: where to stop.
        clock: the clock that times it.
        interface: leave by it.
    """
    meter = Meter(clock)
    total = 0
    meter.sample(0)
    fault = None
    tcp = None
    async with leaving_by(interface) as web:
        try:
            while total < limits.octets and meter.seconds < limits.seconds:
                # The range keeps servers that know it from sending more than is wanted.
                wanted = {"Range": f"bytes=0-{limits.octets - total - 1}"}
                async with asyncio.timeout(CONNECT_SECONDS):  # of which headers may take the whole
                    begun = await web.session.get(url, headers=wanted)
                async with begun as response:
                    if response.status not in {200, 206, 416}:
                        fault = Fault(Reason.STATUS, f"{url}: status {response.status}")
                        break
                    before = total
                    try:
                        async with asyncio.timeout(max(0.01, limits.seconds - meter.seconds)):
                            while total < limits.octets and (
                                data := await response.content.read(min(CHUNK, limits.octets - total))
                            ):
                                if not total:
                                    meter = Meter(clock)  # the time until the first octet is no transfer
                                    meter.sample(0)
                                total += len(data)
                                meter.sample(total)
                    finally:
                        tcp = tcp_info(web.channel)
                    if total == before:
                        fault = Fault(Reason.MALFORMED, f"{url} is empty; give a file of some megabytes")
                        break
                    if total >= limits.octets:
                        response.close()
        except TimeoutError as error:
            if not total:
                fault = fault_of(error, url)
        except (aiohttp.ClientError, OSError) as error:
            fault = fault_of(error, url)
    rate = None if fault else meter.rate()
    if rate is None and fault is None and total < limits.octets:
        fault = Fault(Reason.TIMEOUT, f"{url}: the download stood still")
    return Transfer(rate, arrived(total, tcp, rate if total < limits.octets else None), fault, tcp)


async def upload(url: str, limits: Limits, *, clock: Clock, interface: str | None = None) -> Transfer:
    """POST random data and time what the server's side confirms (TCP_INFO), not what the kernel's buffers swallow.

    Args:
        url: of something that reads the body of a POST.
        limits: where to stop; the connection is then closed, and the server sees an upload that was broken off.
        clock: the clock that times it.
        interface: leave by it.
    """
    meter = Meter(clock)
    handed = 0
    done = False
    noise = os.urandom(CHUNK)

    async def body() -> AsyncIterator[bytes]:
        nonlocal handed, done
        while handed < limits.octets:
            piece = noise[: min(CHUNK, limits.octets - handed)]
            handed += len(piece)
            yield piece
        done = True

    fault = None
    async with leaving_by(interface) as web:

        async def post() -> int:
            headers = {"Content-Length": str(limits.octets), "Content-Type": "application/octet-stream"}
            async with web.session.post(url, data=body(), headers=headers) as response:
                return response.status

        # A task of its own, since the response may come long after the limits are reached.
        request = asyncio.get_running_loop().create_task(post(), name=f"upload/{url}")
        try:
            while not request.done() and meter.seconds < limits.seconds:
                if handed:
                    meter.sample(acknowledged(web.channel, lambda: handed))
                await asyncio.wait({request}, timeout=SAMPLE_SECONDS)
            tcp = tcp_info(web.channel)
            if request.done():
                status = request.result()
                if status >= 400:
                    fault = Fault(Reason.STATUS, f"{url}: status {status}")
                elif not done:
                    fault = Fault(Reason.STATUS, f"{url} answered {status} before it had read the upload")
                elif tcp is None or tcp.bytes_acked is None:
                    meter.sample(handed)
        except (aiohttp.ClientError, OSError) as error:
            fault, tcp = fault_of(error, url), None
        finally:
            request.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                await request
    rate = None if fault else meter.rate()
    if rate is None and fault is None and request.cancelled():
        fault = Fault(Reason.TIMEOUT, f"{url}: the upload stood still")
    return Transfer(rate, handed, fault, tcp)
