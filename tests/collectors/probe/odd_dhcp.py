"""A DHCP server of a kind that nobody should make: answers each DISCOVER with one DHCPOFFER for each list of options given.

Run as `python odd_dhcp.py INTERFACE HEX…`; the options are sent as they are, right or not. Offers have servers and hardware
addresses of their own, from 192.168.1.240 and 02:00:00:00:99:00 on.
"""

from __future__ import annotations

import socket
import struct
import sys


def checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def offer(number: int, asked: bytes, options: bytes) -> bytes:
    transaction, client = asked[46:50], asked[70:86]
    given = bytes([192, 168, 1, 200 + number])
    fixed = (2, 1, 6, 0, transaction, 0, 0x8000, bytes(4), given, bytes(4), bytes(4), client, b"", b"")
    message = struct.pack("!BBBB4sHH4s4s4s4s16s64s128s", *fixed) + b"c\x82Sc" + options
    datagram = struct.pack("!HHHH", 67, 68, 8 + len(message), 0) + message
    source = bytes([192, 168, 1, 240 + number])
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0, source, b"\xff" * 4)
    header = header[:10] + struct.pack("!H", checksum(header)) + header[12:]
    return b"\xff" * 6 + bytes([2, 0, 0, 0, 0x99, number]) + b"\x08\0" + header + datagram


def main() -> None:
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
    channel.bind((sys.argv[1], 0))
    print("ready", flush=True)
    while True:
        frame = channel.recv(2000)
        if len(frame) > 282 and frame[23] == 17 and frame[36:38] == b"\0C" and frame[42] == 1:
            for number, options in enumerate(sys.argv[2:]):
                channel.send(offer(number, frame, bytes.fromhex(options)))


if __name__ == "__main__":
    main()
