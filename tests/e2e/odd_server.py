"""A server that misbehaves: python odd_server.py mute|closes|plain [ADDRESS:PORT], at the portals' address unless told.

It stands for web servers whose machine is up while the program behind the port hangs, dies, or is another one.
"""

from __future__ import annotations

import socket
import sys
import threading
import time

PORTALS = ("198.51.100.80:80", "198.51.100.80:443")


def serve(address: str, what: str) -> None:
    """Accept for ever."""
    host, _, port = address.rpartition(":")
    listener = socket.create_server((host, int(port)), backlog=64)
    held = []
    while True:
        connection, _ = listener.accept()
        if what == "mute":
            held.append(connection)
            continue
        if what == "plain":
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()


if __name__ == "__main__":
    for one in sys.argv[2:] or PORTALS:
        threading.Thread(target=serve, args=(one, sys.argv[1]), daemon=True).start()
    time.sleep(3600)
