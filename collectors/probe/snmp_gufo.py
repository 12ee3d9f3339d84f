"""The SNMP backend on gufo-snmp (Rust): about 8 us of CPU per variable when many are asked at once.

The library tells neither error status nor why a variable is missing: an error answer is an empty one, which the caller
resolves by asking for less. It matches request ids itself and drops answers to other questions.
"""

from __future__ import annotations

from collections.abc import Sequence

from gufo.snmp import (
    Aes128Key,
    Aes192Key,
    Aes256Key,
    DesKey,
    Md5Key,
    Sha1Key,
    Sha224Key,
    Sha256Key,
    Sha384Key,
    Sha512Key,
    SnmpAuthError,
    SnmpDecodeError,
    SnmpEncodeError,
    SnmpError,
    SnmpVersion,
    User,
)
from gufo.snmp.aio import SnmpSession

from collectors.model import Reason
from collectors.probe import snmp_client

_AUTH = {
    "MD5": Md5Key,
    "SHA1": Sha1Key,
    "SHA224": Sha224Key,
    "SHA256": Sha256Key,
    "SHA384": Sha384Key,
    "SHA512": Sha512Key,
}
_PRIVACY = {"DES": DesKey, "AES128": Aes128Key, "AES192": Aes192Key, "AES256": Aes256Key}
_VERSIONS = {1: SnmpVersion.v1, 2: SnmpVersion.v2c, 3: SnmpVersion.v3}


def _user(credentials: snmp_client.Credentials) -> User:
    auth = credentials.auth_protocol
    privacy = credentials.privacy_protocol
    return User(
        credentials.username,
        auth_key=_AUTH[auth](credentials.auth_password.encode()) if auth else None,
        priv_key=_PRIVACY[privacy](credentials.privacy_password.encode()) if privacy else None,
    )


class GufoClients:
    """Every client has its own socket; nothing is shared."""

    def client(self, peer: snmp_client.Peer) -> GufoClient:
        """A client of a device."""
        return GufoClient(peer)

    def close(self) -> None:
        """Nothing."""


class GufoClient:
    """One device; the socket is the session's, closed with it."""

    def __init__(self, peer: snmp_client.Peer) -> None:
        credentials = peer.credentials
        self._peer = peer
        try:
            self._session: SnmpSession | None = SnmpSession(
                peer.address,
                peer.port,
                community=credentials.community,
                user=_user(credentials) if credentials.version == 3 else None,
                version=_VERSIONS[credentials.version],
                timeout=peer.timeout,
            )
        except (OSError, ValueError) as error:
            raise snmp_client.SnmpError(Reason.NO_ADDRESS, f"{peer.address}: {error}") from None

    @property
    def _open(self) -> SnmpSession:
        if self._session is None:
            message = "the conversation is over"
            raise RuntimeError(message)
        return self._session

    async def open(self) -> None:
        """Discover the engine and its time (RFC 3414, section 4)."""
        try:
            await self._open.refresh()
        except SnmpError as error:
            raise self._told(error) from None
        except BaseException as error:
            raise self._panic(error) from None

    async def get(self, oids: Sequence[str]) -> dict[str, snmp_client.Value]:
        """One GET."""
        try:
            answer = await self._open.get_many(oids)
        except SnmpEncodeError:
            raise snmp_client.TooBigError from None
        except SnmpError as error:
            raise self._told(error) from None
        except BaseException as error:
            raise self._panic(error) from None
        return {oid: value for oid, value in answer.items() if value is not None}

    def column(self, oid: str, repetitions: int) -> snmp_client.Step:
        """GETBULK, or GETNEXT for version 1."""
        session = self._open
        rows = session.getnext(oid) if self._peer.credentials.version == 1 else session.getbulk(oid, repetitions)

        async def step() -> list[tuple[str, snmp_client.Value]]:
            try:
                name, value = await anext(rows)
            except StopAsyncIteration:
                return []
            except SnmpError as error:
                raise self._told(error) from None
            except BaseException as error:
                raise self._panic(error) from None
            return [] if value is None else [(name, value)]

        return step

    def _told(self, error: Exception) -> snmp_client.SnmpError:
        if isinstance(error, SnmpAuthError):
            return snmp_client.SnmpError(Reason.AUTHENTICATION, f"{self._peer.address}: the user or a password is refused")
        if isinstance(error, SnmpDecodeError):
            return snmp_client.SnmpError(Reason.MALFORMED, f"{self._peer.address}: the answer is no SNMP message: {error}")
        return snmp_client.SnmpError(Reason.MALFORMED, f"{self._peer.address}: {error}")

    def _panic(self, error: BaseException) -> BaseException:
        """The library's Rust part panics on some malformed answers (0.13), with an exception that is no `Exception`."""
        if type(error).__name__ == "PanicException":
            return snmp_client.SnmpError(Reason.MALFORMED, f"{self._peer.address}: the answer is no SNMP message")
        return error

    def close(self) -> None:
        """Drop the session, and with it the socket."""
        self._session = None
