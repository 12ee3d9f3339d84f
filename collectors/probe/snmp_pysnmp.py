"""The SNMP backend on pysnmp: pure Python, about 170 us of CPU per variable, for machines without gufo-snmp's wheel.

The command generators are called below pysnmp's high-level functions, since those look up every object in compiled MIB
modules; here objects are numbers. There is one engine per set of credentials, because an engine knows one password a user.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from typing import Any

from pyasn1.type import univ
from pysnmp.entity.rfc3413 import cmdgen
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.hlapi.v3arch.asyncio.cmdgen import LCD
from pysnmp.proto import errind, rfc1902, rfc1905

from collectors.model import Reason
from collectors.probe import snmp_client

AUTH = {
    "MD5": hlapi.USM_AUTH_HMAC96_MD5,
    "SHA1": hlapi.USM_AUTH_HMAC96_SHA,
    "SHA224": hlapi.USM_AUTH_HMAC128_SHA224,
    "SHA256": hlapi.USM_AUTH_HMAC192_SHA256,
    "SHA384": hlapi.USM_AUTH_HMAC256_SHA384,
    "SHA512": hlapi.USM_AUTH_HMAC384_SHA512,
}
PRIVACY = {
    "DES": hlapi.USM_PRIV_CBC56_DES,
    "AES128": hlapi.USM_PRIV_CFB128_AES,
    "AES192": hlapi.USM_PRIV_CFB192_AES_BLUMENTHAL,
    "AES256": hlapi.USM_PRIV_CFB256_AES_BLUMENTHAL,
}
_TOO_BIG = 1
_NO_SUCH_NAME = 2
_REFUSALS = (
    errind.AuthenticationError,
    errind.AuthenticationFailure,
    errind.UnknownUserName,
    errind.UnknownSecurityName,
    errind.WrongDigest,
    errind.UnsupportedSecurityLevel,
    errind.DecryptionError,
)
_MISSING = (rfc1905.NoSuchObject, rfc1905.NoSuchInstance, rfc1905.EndOfMibView)


def auth_data(credentials: snmp_client.Credentials) -> Any:
    """Credentials as pysnmp has them."""
    if credentials.version != 3:
        return hlapi.CommunityData(credentials.community, mpModel=credentials.version - 1)
    auth, privacy = credentials.auth_protocol, credentials.privacy_protocol
    return hlapi.UsmUserData(
        credentials.username,
        authKey=credentials.auth_password if auth else None,
        privKey=credentials.privacy_password if privacy else None,
        authProtocol=AUTH[auth] if auth else hlapi.USM_AUTH_NONE,
        privProtocol=PRIVACY[privacy] if privacy else hlapi.USM_PRIV_NONE,
    )


def plain(value: Any) -> snmp_client.Value | None:
    """A value of pysnmp's types as the plain one; None where there is no object."""
    if isinstance(value, _MISSING) or value is None:
        return None
    if isinstance(value, rfc1902.IpAddress):
        return str(ipaddress.IPv4Address(bytes(value)))
    if isinstance(value, univ.ObjectIdentifier):
        return ".".join(map(str, value))
    if isinstance(value, rfc1902.Opaque):
        return _opaque(bytes(value))
    if isinstance(value, rfc1902.OctetString):
        return bytes(value)
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _opaque(raw: bytes) -> snmp_client.Value:
    """A float in an Opaque, as net-snmp wraps it (tag 9f 78, four octets); else the octets."""
    if raw[:3] == b"\x9f\x78\x04" and len(raw) == 7:
        import struct  # noqa: PLC0415  rarely needed

        number: float = struct.unpack(">f", raw[3:])[0]
        return number
    return raw


class PysnmpClients:
    """The engines, by credentials."""

    def __init__(self) -> None:
        self._engines: dict[snmp_client.Credentials, Any] = {}

    def client(self, peer: snmp_client.Peer) -> PysnmpClient:
        """A client of a device."""
        if peer.credentials not in self._engines:
            self._engines[peer.credentials] = hlapi.SnmpEngine()
        return PysnmpClient(self._engines[peer.credentials], peer)

    def close(self) -> None:
        """Close the engines' sockets."""
        for engine in self._engines.values():
            engine.close_dispatcher()
        self._engines.clear()


class PysnmpClient:
    """One device; the engine's one socket serves all of its credentials."""

    def __init__(self, engine: Any, peer: snmp_client.Peer) -> None:
        self._engine = engine
        self._peer = peer
        self._auth = auth_data(peer.credentials)
        self._target: Any = None

    async def open(self) -> None:
        """Resolve the address; pysnmp discovers engines by itself."""
        await self._address()

    async def _address(self) -> str:
        if self._target is None:
            kind = hlapi.Udp6TransportTarget if ":" in self._peer.address else hlapi.UdpTransportTarget
            try:
                self._target = await kind.create((self._peer.address, self._peer.port), timeout=self._peer.timeout, retries=0)
            except Exception as error:
                raise snmp_client.SnmpError(Reason.NO_ADDRESS, f"{self._peer.address}: {error}") from None
        name: str = LCD.configure(self._engine, self._auth, self._target, b"")[0]
        return name

    async def get(self, oids: Sequence[str]) -> dict[str, snmp_client.Value]:
        """One GET."""
        found = await self._request(cmdgen.GetCommandGenerator().send_varbinds, [], oids)
        return dict(found)

    def column(self, oid: str, repetitions: int) -> snmp_client.Step:
        """GETBULK, or GETNEXT for version 1."""
        at = oid
        inside = oid + "."

        async def step() -> list[tuple[str, snmp_client.Value]]:
            nonlocal at
            if self._peer.credentials.version == 1:
                rows = await self._request(cmdgen.NextCommandGenerator().send_varbinds, [], [at])
            else:
                rows = await self._request(cmdgen.BulkCommandGenerator().send_varbinds, [0, repetitions], [at])
            found = []
            for name, value in rows:
                if not name.startswith(inside):
                    break
                found.append((name, value))
            if found:
                at = found[-1][0]
            return found

        return step

    async def _request(
        self, send: Callable[..., Any], options: list[int], oids: Sequence[str]
    ) -> list[tuple[str, snmp_client.Value]]:
        name = await self._address()
        future: asyncio.Future[tuple[Any, Any, Any]] = asyncio.get_running_loop().create_future()

        def answered(_engine: Any, _handle: Any, failure: Any, status: Any, _index: Any, varbinds: Any, _context: Any) -> None:
            if not future.done():
                future.set_result((failure, status, varbinds))

        asked = [(rfc1902.ObjectIdentifier(oid), rfc1902.Null("")) for oid in oids]
        send(self._engine, name, None, b"", *options, asked, answered)
        failure, status, varbinds = await future
        if failure:
            raise self._told(failure)
        if int(status) == _TOO_BIG:
            raise snmp_client.TooBigError
        if int(status) or not varbinds:
            return []
        rows = ((".".join(map(str, oid)), plain(value)) for oid, value in _flat(varbinds))
        return [(oid, value) for oid, value in rows if value is not None]

    def _told(self, failure: Any) -> Exception:
        if isinstance(failure, errind.RequestTimedOut):
            return TimeoutError()
        if isinstance(failure, (errind.TooBig, errind.SerializationError)):
            return snmp_client.TooBigError()
        reason = Reason.AUTHENTICATION if isinstance(failure, _REFUSALS) else Reason.MALFORMED
        return snmp_client.SnmpError(reason, f"{self._peer.address}: {failure}")

    def close(self) -> None:
        """Nothing: the socket is the engine's."""


def _flat(varbinds: Any) -> list[tuple[Any, Any]]:
    """GETBULK gives a list of rows, GET a list of variables."""
    flat: list[tuple[Any, Any]] = []
    for item in varbinds:
        if isinstance(item, list):
            flat += item
        else:
            flat.append(item)
    return flat
