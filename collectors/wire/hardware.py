"""Hardware addresses as something that may leave the site: a keyed hash instead of the address."""

from __future__ import annotations

import hashlib
import hmac
import re

MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b")


def hashed(mac: str, key: bytes) -> str:
    """16 hexadecimal digits for a MAC address, the same for the same key in whatever notation.

    Without the site's secret key the 2**24 devices of a maker could simply be tried, hence no plain hash.
    """
    digits = "".join(character for character in mac.lower() if character in "0123456789abcdef")
    return hmac.new(key, digits.encode(), hashlib.sha256).hexdigest()[:16]


def hide(text: str, key: bytes) -> str:
    """A text in which each hardware address (six pairs of small letters and digits with colons) is its keyed hash."""
    return MAC.sub(lambda found: f"host {hashed(found[0], key)}", text)
