"""tcp: golden file and links."""

from __future__ import annotations

import asyncio

from collectors import tcp
from collectors.machine import Machine
from collectors.model import Reason
from collectors.site import Context, Link, Site, Surroundings, Uplink
from collectors.tcp import TcpSettings, TcpTarget
from collectors.wire.units import Duration
from tests.collectors import golden
from tests.collectors.probe.test_tcp import free_port, listening


async def test_golden() -> None:
    uplinks = (Uplink(Link(name="internet"), None, None), Uplink(Link(name="gone", interface="nosuch0"), "nosuch0", None))
    context = Context(Machine(), Site(), Surroundings(), uplinks)
    async with listening() as port:
        targets = (
            TcpTarget(name="bridge", address=f"127.0.0.1:{port}"),
            TcpTarget(name="by-router", address=f"127.0.0.1:{port}", link="internet"),
            TcpTarget(name="by-lost-card", address=f"127.0.0.1:{port}", link="gone"),
            TcpTarget(name="by-lost-link", address=f"127.0.0.1:{port}", link="elsewhere"),
            TcpTarget(name="closed", address=f"127.0.0.1:{free_port()}"),
        )
        built = tcp.build(TcpSettings(timeout=Duration(5), targets=targets), context)
        readings = await asyncio.gather(*(collector.collect() for collector in built))
    assert [reading.reason for reading in readings] == [None, None, Reason.UNREACHABLE, Reason.UNREACHABLE, Reason.REFUSED]
    golden.check("tcp", readings, volatile="commune_tcp_connect_seconds")


async def test_an_address_without_port_is_the_collectors_own_fault() -> None:
    context = Context(Machine(), Site(), Surroundings(), ())
    (collector,) = tcp.build(TcpSettings(targets=(TcpTarget(name="x", address="host"),)), context)
    reading = await collector.collect()
    assert reading.reason is Reason.INTERNAL
    assert "port" in reading.detail


def test_identity_follows_target_and_interface() -> None:
    def identity(uplink: Uplink) -> object:
        settings = TcpSettings(targets=(TcpTarget(name="x", address="192.0.2.1:1", link="a"),))
        return tcp.build(settings, Context(Machine(), Site(), Surroundings(), (uplink,)))[0].identity

    link = Link(name="a")
    assert identity(Uplink(link, "eth0", None)) == identity(Uplink(link, "eth0", "192.0.2.9"))
    assert identity(Uplink(link, "eth0", None)) != identity(Uplink(link, "eth1", None))
