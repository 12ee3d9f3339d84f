"""How the agent's HTTP clients trust the other side and identify themselves."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from agent.settings import BasicAuth, TlsClient
from collectors.probe import tls
from collectors.probe.proxy import basic

if TYPE_CHECKING:
    from agent.clock import TrueClock

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which the `ssl` module has no name."""
Now = Callable[[], float | None]


def judge_of_dates(clock: TrueClock, *, to_learn: bool = False) -> Now | None:
    """Who judges whether a certificate is in date.

    None is the computer's clock, which OpenSSL reads; it may be years off, and then true time judges. While that is not
    known, nobody can: whoever only asks for it (`to_learn`) and sends no secret lets any date pass.
    """
    if clock.base is None:
        return (lambda: None) if to_learn else None
    return None if clock.wall_is_right else clock.true


def client_context(settings: TlsClient, file: Callable[[str], Path], now: Now | None = None) -> ssl.SSLContext:
    """The settings as a context; without `ca_file` the system's trust store, in the context that `http` has where it will do.

    Args:
        settings: what to trust and how to identify oneself.
        file: makes a path of a file named in the configuration.
        now: seconds since 1970 by which the other side's certificate must be in date, None where nobody knows; without
            `now` the computer's clock counts. The chain above that certificate is not dated then.

    Raises:
        OSError: a file cannot be read; `ssl.SSLError` among them: it holds no certificate.
    """
    own = settings.insecure_skip_verify or settings.ca_file or settings.cert_file
    if now is None and not own:
        return tls.verifying(None)  # another one takes a megabyte
    if settings.insecure_skip_verify:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without the trust store, which is most of a megabyte
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cafile=str(file(settings.ca_file)) if settings.ca_file else None)
        if now is not None:
            context.verify_flags |= NO_CHECK_TIME
            context.sslobject_class = _dated_by(now)
    if settings.cert_file and settings.key_file:
        context.load_cert_chain(file(settings.cert_file), file(settings.key_file))
    return context


def authorization(auth: BasicAuth, file: Callable[[str], Path]) -> dict[str, str]:
    """The header of basic authentication; a password file is read anew each time.

    Raises:
        OSError: the file cannot be read.
    """
    password = str(auth.password) if auth.password is not None else secret(file(auth.password_file or ""))
    return {"Authorization": basic(auth.username, password)}


def secret(path: Path) -> str:
    """A file's one line, without what editors put around it: the end of the line, and Notepad's byte order mark.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no UTF-8.
    """
    return path.read_text(encoding="utf-8-sig").strip()


def _dated_by(now: Now) -> type[ssl.SSLObject]:
    class Dated(ssl.SSLObject):
        """A connection that judges the other side's certificate by true time, before anything is sent."""

        def do_handshake(self) -> None:
            super().do_handshake()
            moment, found = now(), self.getpeercert()
            if moment is None or not found:
                return
            begin, end = str(found["notBefore"]), str(found["notAfter"])
            if not ssl.cert_time_to_seconds(begin) <= moment <= ssl.cert_time_to_seconds(end):
                message = f"certificate verify failed: valid from {begin} to {end}, which is not now"
                raise ssl.SSLCertVerificationError(message)

    return Dated
