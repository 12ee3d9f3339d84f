"""dns: golden file, which instances are built, and what a reading holds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import dns.message
import dns.rdatatype

from collectors import dns as kind
from collectors.dns import DnsQuery, DnsSettings
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.site import Context, Site, Surroundings
from collectors.wire.units import Duration
from tests.collectors import golden
from tests.collectors.probe.nameserver import NameServer, answer, serving


def context(*resolvers: str) -> Context:
    return Context(Machine(), Site(), Surroundings(resolvers=resolvers), ())


async def readings(*servers: NameServer, queries: tuple[DnsQuery, ...]) -> list[Reading]:
    settings = DnsSettings(timeout=Duration(2), servers=tuple(f"127.0.0.1:{server.port}" for server in servers), queries=queries)
    return list(await asyncio.gather(*(collector.collect() for collector in kind.build(settings, context()))))


async def test_golden() -> None:
    name = "dichvucong.gov.vn"
    queries = (DnsQuery(name=name), DnsQuery(name=name, type="AAAA"), DnsQuery(name="nosuch.vn"))

    def reply(question: bytes) -> list[bytes]:
        if b"nosuch" in question:
            return [answer(question, rcode=3)]
        if dns.message.from_wire(question).question[0].rdtype == dns.rdatatype.AAAA:
            return [answer(question, f"{name}. AAAA 2001:db8::7")]
        return [answer(question, f"{name}. A 203.0.113.7", f"{name}. A 203.0.113.8")]

    async with serving(reply) as good, serving(lambda _: []) as silent:
        found = await readings(good, silent, queries=queries)
    assert [reading.reason for reading in found] == [
        None,
        None,
        Reason.NAME_UNRESOLVED,
        Reason.TIMEOUT,
        Reason.TIMEOUT,
        Reason.TIMEOUT,
    ]
    names = {f"127.0.0.1:{good.port}": "192.0.2.1", f"127.0.0.1:{silent.port}": "192.0.2.2"}
    renamed = [
        replace(
            reading, observations=[one._replace(labels=(names[one.labels[0]], one.labels[1])) for one in reading.observations]
        )
        for reading in found
    ]
    golden.check("dns", renamed, volatile=r"commune_dns_duration_seconds")


def test_automatic_servers_are_the_machines_resolvers() -> None:
    built = kind.build(DnsSettings(), context("192.168.1.1", "fe80::1%eth0"))
    assert [collector.target for collector in built] == [
        "192.168.1.1/dichvucong.gov.vn/A",
        "fe80::1%eth0/dichvucong.gov.vn/A",
    ]
    assert kind.build(DnsSettings(), context()) == []


def test_a_name_asked_for_once_is_its_own_label_whatever_the_type() -> None:
    (only,) = kind.build(DnsSettings(queries=(DnsQuery(name="x.vn", type="MX"),)), context("192.0.2.1"))
    assert isinstance(only, kind.Dns)
    assert only._label == "x.vn"


def test_nothing_heavy_is_imported_with_the_declarations(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys, collectors; print([name for name in sys.modules if name.split('.')[0] in ('dns', 'psutil', 'cryptography')])"
    )
    said = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    ).stdout
    assert said == "[]\n"
