"""Looks for devices among addresses, at a bounded rate: who answers SNMP, who an echo request, who is in the ARP table."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from collectors.machine import Machine
from collectors.probe.icmp import Pinger
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer, SnmpError
from collectors.snmp.convert import text
from collectors.snmp.identify import SYS_NAME, SYS_OBJECT_ID, choose, identify, system
from collectors.snmp.library import Library
from collectors.wire.neighbours import parse_arp

RATE = 100.0
"""Addresses a second that are asked: a /24 takes three seconds."""
PATIENCE = 2.0
ECHOES = 2
"""Of which one has to be answered; two, since the first may be lost while the address is resolved."""


@dataclass(frozen=True, slots=True)
class Found:
    """A device of the network: what SNMP says of it, where it answers, and whether it answers echo requests."""

    address: str
    mac: str = ""
    answers_snmp: bool = False
    answers_ping: bool = False
    auth: str = ""
    name: str = ""
    vendor: str = ""
    model: str = ""
    profile: str = ""
    object_id: str = ""


async def ask(
    address: str, port: int, auths: Sequence[tuple[str, Credentials]], sessions: SnmpSessions, library: Library
) -> Found | None:
    """What is at an address, with the first of the credentials that is answered; None where nothing answers."""
    for name, credentials in auths:
        try:
            async with sessions.talk(Peer(address, port, credentials, PATIENCE, 0)) as talk:
                await talk.open()
                about = await system(talk)
                profile = await choose(talk, library, about)
                who = await identify(talk, profile, library.get(profile), about)
        except SnmpError:
            continue
        return Found(
            address,
            answers_snmp=True,
            auth=name,
            name=text(about.get(SYS_NAME)),
            vendor=who.vendor,
            model=who.model,
            profile=profile,
            object_id=text(about.get(SYS_OBJECT_ID)),
        )
    return None


async def sweep(
    addresses: Iterable[str], port: int, auths: Sequence[tuple[str, Credentials]], library: Library, machine: Machine
) -> list[Found]:
    """Ask every address; those that answer an echo request alone, or are in the ARP table, are told too."""
    sessions, pinger = SnmpSessions(sockets=64), Pinger()

    async def both(address: str) -> tuple[Found | None, bool]:
        found, burst = await asyncio.gather(
            ask(address, port, auths, sessions, library), pinger.ping(address, ECHOES, interval=0.5, timeout=PATIENCE)
        )
        return found, burst.window.received > 0

    pending = []
    wanted = list(dict.fromkeys(addresses))
    for address in wanted:
        pending.append(asyncio.get_running_loop().create_task(both(address), name=f"ask/{address}"))
        await asyncio.sleep(1.0 / RATE)
    answers = dict(zip(wanted, await asyncio.gather(*pending), strict=True))
    await asyncio.gather(sessions.close(), pinger.close())
    known = parse_arp(machine.read_or_none("/proc/net/arp") or "")
    found = []
    for address in sorted({*answers} | ({*known} & {*wanted}), key=ipaddress.ip_address):
        answer, pings = answers.get(address, (None, False))
        mac = known.get(address, "")
        if answer is not None or pings or mac:
            found.append(replace(answer or Found(address), mac=mac, answers_ping=pings))
    return found
