"""pysnmp as a receiver of notifications of versions 1, 2c and 3; informs are acknowledged by it (RFC 3413, section 3.4)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp, udp6
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import ntfrcv
from pysnmp.proto import rfc1902

from collectors.probe.snmp_client import Credentials, Value
from collectors.probe.snmp_pysnmp import AUTH, PRIVACY, plain
from collectors.wire.snmp import authoritative_engine

Admit = Callable[[str], bool]
Heard = Callable[[str, Mapping[str, Value]], None]


MAX_ENGINES = 256
"""Senders of version 3 whose keys are kept; a key costs a millisecond of hashing."""


def _add_user(snmp: Any, one: Credentials, sender: bytes | None) -> None:
    config.add_v3_user(
        snmp,
        one.username,
        AUTH[one.auth_protocol] if one.auth_protocol else config.USM_AUTH_NONE,
        one.auth_password or None,
        PRIVACY[one.privacy_protocol] if one.privacy_protocol else config.USM_PRIV_NONE,
        one.privacy_password or None,
        securityEngineId=None if sender is None else rfc1902.OctetString(sender),
    )


class TrapEngine:
    """A running receiver."""

    def __init__(self, snmp: Any, receiver: Any) -> None:
        self._snmp = snmp
        self._receiver = receiver

    def close(self) -> None:
        """Release the port."""
        self._receiver.close(self._snmp)
        self._snmp.transport_dispatcher.job_finished(1)
        self._snmp.close_dispatcher()


def trap_engine(listener: socket.socket, credentials: Sequence[Credentials], admit: Admit, heard: Heard) -> TrapEngine:
    """Receive on a bound socket: `admit` decides from the address whether a datagram is decoded, `heard` gets its variables."""
    base: Any = udp6.Udp6Transport if listener.family == socket.AF_INET6 else udp.UdpTransport
    domain = udp6.DOMAIN_NAME if listener.family == socket.AF_INET6 else udp.DOMAIN_NAME

    class Bounded(base):  # type: ignore[misc]  # pysnmp ships no types
        """Lets through what the budget allows."""

        def datagram_received(self, datagram: bytes, transportAddress: Any) -> None:  # noqa: N803  pysnmp's name
            if admit(str(transportAddress[0])):
                learn(authoritative_engine(datagram))
                super().datagram_received(datagram, transportAddress)

    snmp = engine.SnmpEngine()
    engines: set[bytes] = set()

    def learn(sender: bytes | None) -> None:
        """A trap of version 3 is keyed by its sender's engine (RFC 3414, section 1.5.1), which is new to us at first."""
        if sender is None or sender in engines or len(engines) >= MAX_ENGINES:
            return
        engines.add(sender)
        for one in users:
            _add_user(snmp, one, sender)

    config.add_transport(snmp, domain, Bounded().open_server_mode(sock=listener))
    users = [one for one in dict.fromkeys(credentials) if one.version == 3]
    for one in users:
        _add_user(snmp, one, None)
    for number, community in enumerate(dict.fromkeys(one.community for one in credentials if one.version != 3)):
        config.add_v1_system(snmp, f"area-{number}", community)
    address = ""

    def note_address(_engine: Any, _point: str, variables: Mapping[str, Any], _context: Any) -> None:
        nonlocal address
        address = str(variables["transportAddress"][0])

    def received(_engine: Any, _reference: Any, _engine_id: Any, _name: Any, varbinds: Any, _context: Any) -> None:
        variables = {}
        for oid, value in varbinds:
            found = plain(value)
            if found is not None:
                variables[".".join(map(str, oid))] = found
        heard(address, variables)

    snmp.observer.register_observer(note_address, "rfc3412.receiveMessage:request")
    receiver = ntfrcv.NotificationReceiver(snmp, received)
    snmp.transport_dispatcher.job_started(1)
    return TrapEngine(snmp, receiver)
