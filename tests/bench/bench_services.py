"""Cost of one look, one run of each kind here and its memory: `.venv/bin/python -m tests.bench.bench_services`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from collectors import dns, host, http, interfaces, tcp
from collectors.dns import DnsQuery, DnsSettings
from collectors.host import HostSettings
from collectors.http import HttpSettings, HttpTarget
from collectors.interfaces import InterfacesSettings
from collectors.machine import Machine
from collectors.probe.surroundings import look
from collectors.site import Context, Site
from collectors.tcp import TcpSettings, TcpTarget
from tests.collectors.probe import nameserver, webserver

RUNS = 200


def resident() -> float:
    """Mebibytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def cost(name: str, seconds: float, runs: int) -> None:
    print(f"{name:<42} {seconds / runs * 1e3:7.3f} ms CPU")


async def repeat(name: str, run: Callable[[], Awaitable[object]], note: str = "") -> None:
    await run()
    begin = time.process_time()
    for _ in range(RUNS):
        await run()
    cost(f"{name}{note}", time.process_time() - begin, RUNS)


async def main() -> None:
    """Measure everything in one process; servers on loopback share its time, which the names say."""
    machine = Machine(environ={})
    look(machine)
    begin = time.process_time()
    for _ in range(RUNS):
        look(machine)
    cost("look at the surroundings", time.process_time() - begin, RUNS)
    context = Context(machine, Site(), look(machine), ())
    before = resident()
    (one,) = host.build(HostSettings(), context)
    await repeat("host", one.collect)
    (two,) = interfaces.build(InterfacesSettings(), context)
    await repeat("interfaces", two.collect)
    print(f"memory of both: {resident() - before:.1f} MiB")
    before = resident()
    async with nameserver.serving(lambda question: [nameserver.answer(question, "a.vn. A 203.0.113.7")]) as names:
        settings = DnsSettings(servers=(f"127.0.0.1:{names.port}",), queries=(DnsQuery(name="a.vn"),))
        (three,) = dns.build(settings, context)
        await repeat("dns", three.collect, " (with its server)")
    print(f"memory of dns: {resident() - before:.1f} MiB")
    before = resident()
    async with webserver.serving({"/": (webserver.head("200 OK"),)}) as web:
        (four,) = http.build(HttpSettings(targets=(HttpTarget(name="a", url=f"http://127.0.0.1:{web.port}/"),)), context)
        await repeat("http", four.collect, " (with its server)")
        (five,) = tcp.build(TcpSettings(targets=(TcpTarget(name="a", address=f"127.0.0.1:{web.port}"),)), context)
        await repeat("tcp", five.collect, " (with its server)")
    print(f"memory of http and tcp: {resident() - before:.1f} MiB")


if __name__ == "__main__":
    asyncio.run(main())
