"""Trust and certificates: verifying contexts, and when the chain that a server presents expires."""

from __future__ import annotations

import contextlib
import functools
import os
import ssl
import threading
from typing import Any

from collectors.probe.blocking import begin
from collectors.wire.x509 import not_after


def verifying(ca_file: str | None) -> ssl.SSLContext:
    """A context that trusts the system's store, or a file of certificates alone; kept until the file changes.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    store = ca_file or ssl.get_default_verify_paths().cafile
    changed = os.stat(store).st_mtime_ns if store and (ca_file or os.path.exists(store)) else 0  # noqa: PTH110, PTH116  strings
    with _loading:
        return _verifying(ca_file, changed)


async def load(ca_file: str | None) -> None:
    """Have `verifying` ready without holding up the event loop: reading a store takes tens of milliseconds.

    A file that cannot be read is told by `verifying`.
    """
    with contextlib.suppress(OSError):
        await begin(functools.partial(verifying, ca_file), "trusted certificates")


_loading = threading.Lock()


@functools.lru_cache(maxsize=4)
def _verifying(ca_file: str | None, changed: int) -> ssl.SSLContext:  # noqa: ARG001  part of the key
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.lru_cache(maxsize=1)
def trusting() -> ssl.SSLContext:
    """A context that takes any certificate: to read it, never to send anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def expiry(connection: ssl.SSLObject) -> float | None:
    """When the first certificate of the presented chain expires, in seconds of UTC since 1970; None without any.

    Python gives the whole chain publicly from 3.13 on; before, its inner object has had it since 3.10, and where that
    is missing (another implementation of Python) the server's own certificate alone is judged.
    """
    moments = []
    for certificate in _chain(connection):
        try:
            moments.append(not_after(certificate))
        except ValueError:
            continue
    return min(moments, default=None)


def _chain(connection: ssl.SSLObject) -> list[bytes]:
    public = getattr(connection, "get_unverified_chain", None)
    if public is not None:
        return list(public() or ())
    inner: Any = getattr(connection, "_sslobj", None)
    if hasattr(inner, "get_unverified_chain"):
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_unverified_chain() or ()]
    leaf = connection.getpeercert(binary_form=True)
    return [leaf] if leaf else []
