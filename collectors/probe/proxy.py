"""The web proxy that the environment names for a URL, as curl and Python's own library understand the variables, and the way through it."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field

from collectors.wire.http1 import parse_head

TUNNEL_HEAD_LIMIT = 65536


class ProxyError(OSError):
    """The proxy does not let a connection through; the message says what it did."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy; `authorization` is the value of its header, never shown."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def credentials(url: urllib.parse.SplitResult) -> str | None:
    """The Authorization value of a URL that holds user and password."""
    if url.username is None:
        return None
    return basic(urllib.parse.unquote(url.username), urllib.parse.unquote(url.password or ""))


def is_excepted(host: str, exceptions: str, port: int | None = None) -> bool:
    """Whether `no_proxy` names a host: itself, a domain above it, a network that holds it, or `*`; loopback always.

    An entry may end with a port (`host:8080`, `[2001:db8::1]:8080`), and is then meant for that one alone.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = exceptions.lower().replace(",", " ").split()
    entries += [entry.removesuffix(f":{port}") for entry in entries if entry.endswith(f":{port}")]
    for entry in (entry.strip("[]") for entry in entries):
        domain = entry.removeprefix("*").lstrip(".")
        if entry == "*" or (domain and (host == domain or host.endswith(f".{domain}"))):
            return True
        try:
            if address is not None and address in ipaddress.ip_network(entry, strict=False):
                return True
        except ValueError:
            continue
    return False


def proxy_for(url: urllib.parse.SplitResult, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy by which to reach a URL, None to go directly.

    Raises:
        ValueError: the environment names a proxy of a kind that is not known; the message does not show it.
    """
    port = url.port or (443 if url.scheme == "https" else 80)
    if is_excepted(url.hostname or "", environ.get("no_proxy") or environ.get("NO_PROXY") or "", port):
        return None
    names = (f"{url.scheme}_proxy", f"{url.scheme}_proxy".upper(), "all_proxy", "ALL_PROXY")
    name = next((name for name in names if environ.get(name)), None)
    if name is None:
        return None
    text = environ[name]
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    try:
        port = parts.port or 3128
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port:
        message = f"the variable {name} does not name an HTTP proxy (http://host:port)"
        raise ValueError(message)
    return Proxy(parts.hostname, port, credentials(parts))


async def tunnel(channel: socket.socket, proxy: Proxy, host: str, port: int) -> None:
    """CONNECT through a proxy (RFC 9110, section 9.3.6): `channel` leads to `host` and `port` afterwards.

    Raises:
        ProxyError: the proxy refuses, or is none.
        OSError: the connection to it is lost.
    """
    loop = asyncio.get_running_loop()
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.authorization:
        lines.append(f"Proxy-Authorization: {proxy.authorization}")
    await loop.sock_sendall(channel, "\r\n".join((*lines, "", "")).encode("ascii"))
    data = b""
    while b"\r\n\r\n" not in data and len(data) < TUNNEL_HEAD_LIMIT:
        part = await loop.sock_recv(channel, 4096)  # after its answer the proxy waits for us
        if not part:
            raise ProxyError("the proxy closed the connection")
        data += part
    try:
        status = parse_head(data.partition(b"\r\n\r\n")[0]).status
    except ValueError as error:
        message = f"the proxy: {error}"
        raise ProxyError(message) from None
    if not 200 <= status < 300:
        message = f"the proxy answered {status} to CONNECT {authority}"
        raise ProxyError(message)
