"""When a certificate expires, read from its DER (RFC 5280, section 4.1; ITU-T X.690).

Own code where `cryptography` exists: that costs 8 MiB of an agent that fits in 60, for one date. The tests compare the
two on every certificate they make.
"""

from __future__ import annotations

import datetime
import re

SEQUENCE = 0x30
EXPLICIT_VERSION = 0xA0
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
CENTURY_PIVOT = 50


def not_after(certificate: bytes) -> float:
    """The end of validity, in seconds of UTC since 1970.

    Raises:
        ValueError: it is no certificate.
    """
    _, body, _ = _element(certificate, SEQUENCE)
    _, body, _ = _element(body, SEQUENCE)  # tbsCertificate
    tag, _, rest = _element(body)
    if tag == EXPLICIT_VERSION:
        _, _, rest = _element(rest)  # serialNumber
    _, _, rest = _element(rest, SEQUENCE)  # signature
    _, _, rest = _element(rest, SEQUENCE)  # issuer
    _, validity, _ = _element(rest, SEQUENCE)
    _, _, rest = _element(validity)  # notBefore
    tag, text, _ = _element(rest)
    return _time(tag, text)


def _element(data: bytes, expected: int | None = None) -> tuple[int, bytes, bytes]:
    """Tag, contents and what follows of the first element, definite lengths only (DER)."""
    if len(data) < 2:
        raise ValueError("the certificate is cut")
    tag, length, start = data[0], data[1], 2
    if length & 0x80:
        octets = length & 0x7F
        if not 1 <= octets <= 4 or len(data) < 2 + octets:
            raise ValueError("the certificate holds a length that DER does not allow")
        start += octets
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("the certificate is cut")
    if expected is not None and tag != expected:
        raise ValueError("the certificate is not built as RFC 5280 says")
    return tag, data[start : start + length], data[start + length :]


def _time(tag: int, text: bytes) -> float:
    if tag == UTC_TIME and re.fullmatch(rb"[0-9]{12}Z", text):
        year = int(text[:2])
        text = (b"19" if year >= CENTURY_PIVOT else b"20") + text
    elif tag != GENERALIZED_TIME or not re.fullmatch(rb"[0-9]{14}Z", text):
        raise ValueError("the certificate holds a time that RFC 5280 does not allow")
    return datetime.datetime.strptime(text.decode("ascii"), "%Y%m%d%H%M%S%z").timestamp()
