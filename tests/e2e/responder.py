"""A name server that says one thing to everybody: a response code and nothing else (RFC 1035, section 4.1.1)."""

from __future__ import annotations

import socket
import sys


def main() -> None:
    """`responder.py RCODE`: answer every question over UDP on port 53 so."""
    rcode = int(sys.argv[1])
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as channel:
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        channel.bind(("::", 53))
        while True:
            question, sender = channel.recvfrom(4096)
            end = question.index(b"\0", 12) + 5
            flags = bytes([0x80 | question[2] & 0x01, 0x80 | rcode])
            channel.sendto(question[:2] + flags + b"\0\1\0\0\0\0\0\0" + question[12:end], sender)


if __name__ == "__main__":
    main()
