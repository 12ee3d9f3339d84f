"""A certificate authority for one laboratory."""

from __future__ import annotations

import datetime
import ipaddress
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509 import (
    BasicConstraints,
    CertificateBuilder,
    DNSName,
    IPAddress,
    Name,
    NameAttribute,
    SubjectAlternativeName,
    load_pem_x509_certificate,
)
from cryptography.x509.oid import NameOID

from .kernel import tool_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """Files of one certificate: the chain to present and its private key, both PEM."""

    chain: Path
    key: Path


class Authority:
    """Keeps its key in `directory`; `file` is what a client must trust."""

    def __init__(self, directory: Path, name: str = "Netlab Test CA") -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.file = directory / "ca.pem"
        self.key = directory / "ca.key"
        self._count = 0
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"]
        self._request(self.key, name, "-x509", "-days", "3650", *extensions, "-out", str(self.file))

    def issue(self, names: Iterable[str], *, days: int = 90, ahead: int = 0) -> Certificate:
        """A server certificate for host names and addresses.

        A negative `days` makes one that has expired, `ahead` one that holds only in so many days.
        """
        self._count += 1
        names = list(names)
        stem = self.directory / f"leaf{self._count}"
        key, request, chain = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".pem"))
        self._request(key, names[0][:64], "-out", str(request))
        alternative = ",".join(("IP:" if _is_address(name) else "DNS:") + name for name in names)
        settings = stem.with_suffix(".ext")
        settings.write_text(f"subjectAltName={alternative}\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
        if days < 0 or ahead:
            starts = datetime.timedelta(days=ahead or days - 90)
            self._dated(names, key, chain, starts, starts + datetime.timedelta(days=90))
            return Certificate(chain, key)
        issuer = ["-CA", str(self.file), "-CAkey", str(self.key), "-set_serial", str(1000 + self._count)]
        term = ["-days", str(days), "-extfile", str(settings), "-out", str(chain)]
        _openssl("x509", "-req", "-in", str(request), *issuer, *term)
        return Certificate(chain, key)

    def sign_authority(self, other: Authority, *, days: int) -> None:
        """Make `other` an intermediate of this one: its file becomes a certificate signed here, expired for negative `days`."""
        issuer, key = (load_pem_x509_certificate(self.file.read_bytes()), load_pem_private_key(self.key.read_bytes(), None))
        own = load_pem_x509_certificate(other.file.read_bytes())
        now = datetime.datetime.now(datetime.UTC)
        made = CertificateBuilder().subject_name(own.subject).issuer_name(issuer.subject).public_key(own.public_key())
        made = made.serial_number(3000 + days).not_valid_before(now - datetime.timedelta(days=400))
        made = made.not_valid_after(now + datetime.timedelta(days=days))
        made = made.add_extension(BasicConstraints(ca=True, path_length=0), critical=True)
        other.file.write_bytes(made.sign(key, SHA256()).public_bytes(Encoding.PEM))  # type: ignore[arg-type]

    def _dated(self, names: list[str], key: Path, chain: Path, starts: datetime.timedelta, ends: datetime.timedelta) -> None:
        """The openssl command knows no beginning but now, so others are built by the library; both from now on."""
        issuer = load_pem_x509_certificate(self.file.read_bytes())
        own = load_pem_private_key(key.read_bytes(), None)
        signer = load_pem_private_key(self.key.read_bytes(), None)
        now = datetime.datetime.now(datetime.UTC)
        alternative = [IPAddress(ipaddress.ip_address(n)) if _is_address(n) else DNSName(n) for n in names]
        made = (
            CertificateBuilder()
            .subject_name(Name([NameAttribute(NameOID.COMMON_NAME, names[0][:64])]))
            .issuer_name(issuer.subject)
            .public_key(own.public_key())  # type: ignore[arg-type]  # what `_request` made
            .serial_number(2000 + self._count)
            .not_valid_before(now + starts)
            .not_valid_after(now + ends)
            .add_extension(SubjectAlternativeName(alternative), critical=False)
            .sign(signer, SHA256())  # type: ignore[arg-type]
        )
        chain.write_bytes(made.public_bytes(Encoding.PEM))

    def _request(self, key: Path, name: str, *arguments: str) -> None:
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)]
        _openssl("req", "-new", *curve, "-subj", f"/CN={name}", *arguments)


def _is_address(name: str) -> bool:
    return ":" in name or name.replace(".", "").isdigit()


def _openssl(*arguments: str) -> None:
    program = tool_path("openssl") or "openssl"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"openssl {' '.join(arguments)}\n{done.stderr}"
        raise RuntimeError(message)
