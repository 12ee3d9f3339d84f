"""A name server that goes wrong in one way: responder.py RCODE | loop | deaf-to-aaaa ADDRESS (RFC 1035, section 4.1).

RCODE          every question gets this response code and no record
loop           every name is an alias of itself
deaf-to-aaaa   questions for IPv4 addresses get ADDRESS, those for IPv6 addresses no answer at all
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading

A, CNAME = 1, 5
POINTER = b"\xc0\x0c"
"""The name of the question (RFC 1035, section 4.1.4)."""


def answer(question: bytes, mode: str, address: str) -> bytes | None:
    """What the server says to a question, None for nothing."""
    end = question.index(b"\0", 12) + 5
    kind = int.from_bytes(question[end - 4 : end - 2])
    rcode, record = int(mode) if mode.isdigit() else 0, b""
    if mode == "loop":
        record = POINTER + bytes([0, CNAME, 0, 1, 0, 0, 0, 60, 0, 2]) + POINTER
    elif address and kind == A:
        record = POINTER + bytes([0, A, 0, 1, 0, 0, 0, 60, 0, 4]) + ipaddress.IPv4Address(address).packed
    elif mode == "deaf":
        return None
    flags = bytes([0x80 | question[2] & 0x01, 0x80 | rcode])
    return question[:2] + flags + bytes([0, 1, 0, bool(record), 0, 0, 0, 0]) + question[12:end] + record


def main() -> None:
    """Answer questions over UDP on port 53 until ended."""
    mode, address = sys.argv[1], "".join(sys.argv[2:])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        channel.bind(("::", 53))
        while True:
            question, sender = channel.recvfrom(4096)
            said = answer(question, mode, address)
            if said is not None:
                seconds = float(mode[:-1]) if mode.endswith("s") else 0.0
                threading.Timer(seconds, channel.sendto, (said, sender)).start()


if __name__ == "__main__":
    main()
