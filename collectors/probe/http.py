"""Fetching a web page in steps that are timed one by one: resolve, connect, tls, first_byte, transfer.

Own steps over asyncio's streams instead of a client library, because no library tells where connecting ends and the TLS
handshake begins, and because an expired certificate shall be named with its date. HTTP/1.1, one connection a request.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from collectors.machine import Clock
from collectors.model import Reason
from collectors.probe import tls
from collectors.probe.http_message import read_body, read_head, render
from collectors.probe.proxy import Proxy, ProxyError, proxy_for, tunnel
from collectors.probe.sockets import Fault, classify, describe
from collectors.probe.tcp import Connection, connect
from collectors.wire import http1
from collectors.wire.http1 import Head

Phase = Literal["resolve", "connect", "tls", "first_byte", "transfer"]
REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEAD_REFUSED = frozenset({405, 501})


@dataclass(frozen=True, slots=True)
class Request:
    """What to fetch, and how.

    Attributes:
        timeout: seconds for everything together, redirects included.
        interface: the interface to leave by, None for the routing table's choice.
        ca_file: trust these certificates instead of the system's.
    """

    url: str
    method: str = "HEAD"
    timeout: float = 15.0
    follow_redirects: bool = True
    interface: str | None = None
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class HttpResult:
    """What came of it.

    Attributes:
        fault: None when a complete answer came, whatever its status.
        status: of the last answer.
        seconds: from the start to the last octet, None without a complete answer.
        phases: seconds by phase, redirects added up.
        expiry: when the first certificate of the presented chains expires (seconds of UTC since 1970).
        verified: every chain leads to a trusted root and the names fit; None without TLS.
        url: where the redirects led, without credentials.
        redirects: how many.
        method: the one that was answered: GET where the server does not know HEAD.
        date: the server's clock (RFC 9110, section 6.6.1) in seconds of UTC since 1970, None without one.
    """

    fault: Fault | None
    status: int | None = None
    seconds: float | None = None
    phases: Mapping[Phase, float] = field(default_factory=dict)
    expiry: float | None = None
    verified: bool | None = None
    url: str = ""
    redirects: int = 0
    method: str = "HEAD"
    date: float | None = None


class _FailedError(Exception):
    """Carries a fault out of the steps."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.fault = Fault(reason, detail)


async def fetch(request: Request, *, clock: Clock, environ: Mapping[str, str]) -> HttpResult:
    """Fetch a URL; a HEAD that the server does not know is repeated as GET, and only that counts."""
    result = await _Visit(request, clock, environ).run()
    if request.method == "HEAD" and result.status in _HEAD_REFUSED and result.fault is None:
        result = await _Visit(replace(request, method="GET"), clock, environ).run()
    return result


class _Visit:
    """One request with its redirects."""

    def __init__(self, request: Request, clock: Clock, environ: Mapping[str, str]) -> None:
        self._request = request
        self._clock = clock
        self._environ = environ
        self._phases: dict[Phase, float] = {}
        self._cookies: dict[str, dict[str, str]] = {}
        self._expiry: float | None = None
        self._verified: bool | None = None
        self._where = ""
        self._redirects = 0
        self._doing = "resolve"
        self._date: float | None = None

    async def run(self) -> HttpResult:
        """Go through all steps; the trusted certificates are loaded before the time begins."""
        if self._request.url.startswith("https:"):
            await tls.load(self._request.ca_file)
        begin = self._clock.monotonic()
        self._ends = begin + self._request.timeout
        status, fault = None, None
        try:
            async with asyncio.timeout(self._request.timeout):
                status = await self._follow(self._request.url)
        except _FailedError as error:
            fault = error.fault
        except TimeoutError:
            text = f"{self._where}: no complete answer within {self._request.timeout:g} s, waiting for {self._doing}"
            fault = Fault(Reason.TIMEOUT, text)
        except ssl.SSLError as error:
            fault = Fault(Reason.TLS, f"{self._where}: {_words(error)}")
        except EOFError:
            fault = Fault(Reason.RESET, f"{self._where}: the connection was closed before the answer was complete")
        except (ValueError, asyncio.LimitOverrunError) as error:
            fault = Fault(Reason.MALFORMED, f"{self._where}: {error}")
        except OSError as error:
            fault = Fault(classify(error), f"{self._where}: {describe(error)}")
        return HttpResult(
            fault,
            status,
            self._clock.monotonic() - begin if fault is None else None,
            self._phases,
            self._expiry,
            self._verified,
            self._where,
            self._redirects,
            self._request.method,
            self._date,
        )

    async def _follow(self, address: str) -> int:
        while True:
            url = urllib.parse.urlsplit(address)
            head = await self._exchange(url)
            location = head.get("location")
            if head.status not in _REDIRECTS or location is None or not self._request.follow_redirects:
                return head.status
            self._redirects += 1
            if self._redirects > REDIRECTS:
                raise _FailedError(Reason.STATUS, f"{self._where}: more than {REDIRECTS} redirects")
            address = urllib.parse.urljoin(address, location)
            if urllib.parse.urlsplit(address).scheme not in {"http", "https"}:
                return head.status

    async def _exchange(self, url: urllib.parse.SplitResult) -> Head:
        """One request and its answer."""
        try:
            host = (url.hostname or "").encode("idna").decode("ascii")
            port = url.port or (443 if url.scheme == "https" else 80)
        except UnicodeError:
            raise _FailedError(Reason.NAME_UNRESOLVED, f"{url.hostname} is no valid name") from None
        self._where = f"{url.scheme}://{host}{f':{url.port}' if url.port else ''}{url.path}"
        try:
            proxy = proxy_for(url, self._environ)
        except ValueError as error:
            raise _FailedError(Reason.PROXY, str(error)) from None
        connection = await self._connect(proxy, host, port)
        try:
            if proxy is not None and url.scheme == "https":
                await self._tunnel(connection, proxy, host, port)
            if url.scheme == "https":
                reader, writer = await self._secure(connection, proxy, host, port)
            else:
                reader, writer = await asyncio.open_connection(sock=connection.channel)
        except BaseException:
            connection.channel.close()
            raise
        try:
            head = await self._answer(reader, writer, render(self._request.method, url, host, proxy, self._cookies.get(host)))
        except BaseException:
            writer.transport.abort()
            raise
        writer.close()
        self._date = http1.moment(head.get("date")) or self._date
        for cookie in head.all("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies.setdefault(host, {})[name.strip()] = value.strip()
        return head

    def _add(self, phase: Phase, seconds: float) -> None:
        self._phases[phase] = self._phases.get(phase, 0.0) + seconds

    async def _connect(self, proxy: Proxy | None, host: str, port: int) -> Connection:
        self._doing = "connect"
        to = (proxy.host, proxy.port) if proxy else (host, port)
        remaining = max(0.0, self._ends - self._clock.monotonic())
        outcome = await connect(*to, timeout=remaining, clock=self._clock, interface=self._request.interface)
        if isinstance(outcome, Fault):
            if proxy is not None:
                raise _FailedError(Reason.PROXY, f"the proxy cannot be reached: {outcome.detail}")
            raise _FailedError(outcome.reason, outcome.detail)
        self._add("resolve", outcome.resolve_seconds)
        self._add("connect", outcome.connect_seconds)
        return outcome

    async def _tunnel(self, connection: Connection, proxy: Proxy, host: str, port: int) -> None:
        """Through the proxy; its time belongs to connecting."""
        begin = self._clock.monotonic()
        try:
            await tunnel(connection.channel, proxy, host, port)
        except ProxyError as error:
            raise _FailedError(Reason.PROXY, str(error)) from None
        self._add("connect", self._clock.monotonic() - begin)

    async def _secure(
        self, connection: Connection, proxy: Proxy | None, host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The TLS handshake; one that fails for the certificate is repeated without trust, to read its date."""
        self._doing = "tls"
        try:
            context = tls.verifying(self._request.ca_file)
        except OSError as error:
            raise _FailedError(Reason.TLS, f"the file of trusted certificates: {describe(error)}") from None
        begin = self._clock.monotonic()
        try:
            reader, writer = await _handshake(connection, context, host)
        except ssl.SSLCertVerificationError as error:
            self._verified = False
            await self._read_certificate(proxy, host, port)
            raise _FailedError(Reason.TLS, f"{self._where}: {error.verify_message or _words(error)}") from None
        self._add("tls", self._clock.monotonic() - begin)
        self._verified = self._verified is not False
        self._note_expiry(writer)
        return reader, writer

    async def _read_certificate(self, proxy: Proxy | None, host: str, port: int) -> None:
        phases = dict(self._phases)
        try:
            connection = await self._connect(proxy, host, port)
            try:
                if proxy is not None:
                    await self._tunnel(connection, proxy, host, port)
                _, writer = await _handshake(connection, tls.trusting(), host)
            except BaseException:
                connection.channel.close()
                raise
        except (OSError, _FailedError):
            return  # the date stays unknown
        finally:
            self._phases = phases
        self._note_expiry(writer)
        writer.transport.abort()

    def _note_expiry(self, writer: asyncio.StreamWriter) -> None:
        moment = tls.expiry(writer.get_extra_info("ssl_object"))
        if moment is not None:
            self._expiry = moment if self._expiry is None else min(self._expiry, moment)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Head:
        self._doing = "first_byte"
        begin = self._clock.monotonic()
        writer.write(request)
        data = await reader.readexactly(1)
        first = self._clock.monotonic()
        self._add("first_byte", first - begin)
        self._doing = "transfer"
        head = await read_head(reader, data)
        if self._request.method != "HEAD":
            await read_body(reader, head)
        self._add("transfer", self._clock.monotonic() - first)
        return head


async def _handshake(
    connection: Connection, context: ssl.SSLContext, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = host.partition("%")[0]
    return await asyncio.open_connection(sock=connection.channel, ssl=context, server_hostname=name, ssl_shutdown_timeout=1.0)


def _words(error: ssl.SSLError) -> str:
    return (error.reason or "the TLS handshake failed").lower().replace("_", " ")
