"""TLS and basic authentication from a file in the format of Prometheus's web configuration (exporter-toolkit)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from agent.reader import read_as
from agent.yamltree import ConfigError
from collectors.site import Settings

BcryptHash = Annotated[
    str,
    Meta(
        pattern=r"^\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}$",
        description="a bcrypt hash, as `htpasswd -nB` makes it",
        extra={"secret": True},  # whoever writes a password here by mistake must not see it in a log
    ),
]
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsServer(Settings, frozen=True):
    """`tls_server_config`; older TLS versions are not offered."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_auth_type: Literal["NoClientCert", "RequireAndVerifyClientCert", "VerifyClientCertIfGiven"] = "NoClientCert"
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS12", "TLS13"] = "TLS13"


class HttpServer(Settings, frozen=True):
    """`http_server_config`; taken for the sake of files shared with other exporters: HTTP/1.1 is spoken here."""

    http2: bool = True


class WebSettings(Settings, frozen=True):
    """The file as a whole."""

    tls_server_config: TlsServer | None = None
    basic_auth_users: dict[str, BcryptHash] = {}
    http_server_config: HttpServer = HttpServer()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate and key, and whose certificates clients may show."""

    certificate: str
    key: str
    client_ca: str | None

    def load_into(self, context: ssl.SSLContext) -> None:
        """Use them for connections that come from now on.

        Raises:
            OSError: they cannot be read or used (`ssl.SSLError` is one).
        """
        context.load_cert_chain(self.certificate, self.key, password=str)  # no question at the terminal
        if self.client_ca is not None:
            context.load_verify_locations(self.client_ca)


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file says, ready to use: a TLS context, bcrypt hashes by user, and the files behind the context."""

    tls: ssl.SSLContext | None = None
    users: dict[str, str] = field(default_factory=dict)
    files: TlsFiles | None = None

    @classmethod
    def load(cls, path: Path) -> WebConfig:
        """Read the file and what it names.

        Raises:
            ConfigError: a mistake in the file, or a certificate that cannot be used.
        """
        settings = read_as(path, WebSettings)
        server, users = settings.tls_server_config, dict(settings.basic_auth_users)
        if server is None:
            return cls(None, users)
        if server.client_auth_type != "NoClientCert" and server.client_ca_file is None:
            raise _unusable(path, "client_ca_file", "missing; it says whose certificates clients may show")
        files = TlsFiles(server.cert_file, server.key_file, server.client_ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version, context.maximum_version = _VERSIONS[server.min_version], _VERSIONS[server.max_version]
        context.verify_mode = _VERIFY[server.client_auth_type]
        try:
            files.load_into(context)
        except OSError as error:
            raise _unusable(path, "", f"certificate, key or client_ca_file cannot be used: {_why(error)}") from None
        return cls(context, users, files)


def _unusable(path: Path, key: str, message: str) -> ConfigError:
    return ConfigError([f"{path}: tls_server_config{'.' if key else ''}{key}: {message}"])


def _why(error: OSError) -> str:
    """OpenSSL's words without its source lines."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or "not PEM").replace("_", " ").lower()
    return error.strerror or str(error)
