"""The secrets of a deployment: made once at random, kept ever after, and never shown.

They live in `secrets/` of the rendered tree, files of mode 0600 in a folder of mode 0700. A file that is there is used as
it is, so that a password can also be written by hand; deleting one makes a new one at the next rendering.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import json
import os
import secrets
from pathlib import Path

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_ROUNDS = 4
"""bcrypt's cost: the passwords are 32 random characters, which no cost could make safer; a high one only loads the server."""
_CA_DAYS = 3650
_SERVER_DAYS = 1825


class Vault:
    """The folder of secrets.

    Args:
        folder: `secrets/` of the tree.
        renew: make a new server certificate (the authority stays, so agents need nothing new).
    """

    def __init__(self, folder: Path, *, renew: bool = False) -> None:
        self.folder = folder
        self.renew = renew
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._hash_file = folder / "bcrypt.json"
        self._hashes: dict[str, list[str]] = json.loads(self._read(self._hash_file) or "{}")

    def password(self, user: str) -> str:
        """The password of a user, made at its first use."""
        path = self.folder / f"{user}.password"
        found = self._read(path)
        if found is None:
            found = secrets.token_urlsafe(24)
            self._write(path, found + "\n")
        return found.strip()

    def hash(self, user: str) -> str:
        """The bcrypt hash of a user's password, kept so that it stays the same while the password does."""
        password = self.password(user)
        digest = hashlib.sha256(password.encode()).hexdigest()
        kept = self._hashes.get(user)
        if kept is None or kept[0] != digest:
            kept = [digest, bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()]
            self._hashes[user] = kept
        return kept[1]

    def save(self) -> None:
        """Keep the hashes that were made."""
        text = json.dumps(self._hashes, indent=1, sort_keys=True) + "\n"
        if self._read(self._hash_file) != text:
            self._write(self._hash_file, text)

    def authority(self, name: str) -> str:
        """The certificate (PEM) of this deployment's own authority."""
        certificate, key_file = self.folder / "ca.crt", self.folder / "ca.key"
        if certificate.exists() and key_file.exists():
            return certificate.read_text()
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = (
            _dated(subject, subject, key.public_key(), _CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        self._write(key_file, _pem(key))
        self._write(certificate, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode())
        return certificate.read_text()

    def server(self, names: tuple[str, ...]) -> tuple[str, str]:
        """Certificate and key (PEM) of the monitoring server: the certificate anew when its names changed, both on demand."""
        authority = self.authority("commune-agent")
        certificate_file, key_file = self.folder / "server.crt", self.folder / "server.key"
        if certificate_file.exists() and key_file.exists() and not self.renew:
            kept = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            alternatives = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if list(alternatives) == _names(names):
                return certificate_file.read_text(), key_file.read_text()
        issuer = x509.load_pem_x509_certificate(authority.encode())
        issuer_key = _private((self.folder / "ca.key").read_text(), self.folder / "ca.key")
        kept_key = None if self.renew else self._read(key_file)
        key = ec.generate_private_key(ec.SECP256R1()) if kept_key is None else _private(kept_key, key_file)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        builder = (
            _dated(subject, issuer.subject, key.public_key(), _SERVER_DAYS)
            .add_extension(x509.SubjectAlternativeName(_names(names)), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if kept_key is None:
            self._write(key_file, _pem(key))
        signed = builder.sign(issuer_key, hashes.SHA256())
        self._write(certificate_file, signed.public_bytes(serialization.Encoding.PEM).decode())
        return certificate_file.read_text(), key_file.read_text()

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    @staticmethod
    def _write(path: Path, text: str) -> None:
        """Through a temporary file, so that a full disk or a power cut never leaves half a secret."""
        temporary = path.with_name(path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
        temporary.replace(path)


def _names(names: tuple[str, ...]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()


def _private(text: str, path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(text.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        message = f"{path}: not an elliptic-curve key; restore the one that was made here"
        raise TypeError(message)
    return key
