"""Small helpers for tests that speak UDP on loopback."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A UDP port that nobody holds now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def system_description(port: int, community: str, timeout: float = 0.5) -> bytes | None:
    """The answer to a version 2c GETNEXT of 1.3.6, None without one; enough to know that an agent is there."""
    name = community.encode()
    varbind = b"\x30\x06\x06\x02\x2b\x06\x05\x00"
    body = b"\x02\x01\x01\x02\x01\x00\x02\x01\x00\x30" + bytes([len(varbind)]) + varbind
    pdu = b"\xa1" + bytes([len(body)]) + body
    inner = b"\x02\x01\x01\x04" + bytes([len(name)]) + name + pdu
    packet = b"\x30" + bytes([len(inner)]) + inner
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(timeout)
        asker.connect(("127.0.0.1", port))
        try:
            asker.send(packet)
            answer = asker.recv(65535)
        except OSError:
            return None
    # The kernel may have given us the very port that we ask: then this is our own question.
    return None if answer == packet else answer
