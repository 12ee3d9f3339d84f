"""resolv.conf: the name servers that a program on this machine would ask (resolv.conf(5))."""

from __future__ import annotations

import ipaddress


def parse_nameservers(text: str) -> list[str]:
    """Addresses in order, each once, scoped link-local ones with their `%interface`; what is no address is left out."""
    found: dict[str, None] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                ipaddress.ip_address(words[1])
            except ValueError:
                continue
            found.setdefault(words[1])
    return list(found)
