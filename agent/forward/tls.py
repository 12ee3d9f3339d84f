"""How the agent's HTTP clients trust the other side and identify themselves."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from agent.settings import TlsClient


def client_context(settings: TlsClient, file: Callable[[str], Path]) -> ssl.SSLContext:
    """The settings as a context; without `ca_file` the system's trust store.

    Raises:
        OSError: a file cannot be read; `ssl.SSLError` among them: it holds no certificate.
    """
    context = ssl.create_default_context(cafile=str(file(settings.ca_file)) if settings.ca_file else None)
    if settings.cert_file and settings.key_file:
        context.load_cert_chain(file(settings.cert_file), file(settings.key_file))
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
