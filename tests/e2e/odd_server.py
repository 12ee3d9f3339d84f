"""A server that misbehaves: python odd_server.py mute|closes|plain [ADDRESS:PORT], at the portals' address unless told;
or odd_server.py talks CHAIN KEY, at the portals' address, with TLS and without HTTP.

It stands for web servers whose machine is up while the program behind the port hangs, dies, or is another one.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time

PORTALS = ("198.51.100.80:80", "198.51.100.80:443")


def talk(connection: socket.socket, secure: bool) -> None:  # noqa: FBT001  one place calls it
    """Something else than HTTP, over TLS where one expects it."""
    with contextlib.suppress(OSError):
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(sys.argv[2], sys.argv[3])
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(4096)
        connection.sendall(b"220 mail.example ESMTP ready\r\n\r\n")
        connection.close()


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
        if what == "talks":
            threading.Thread(target=talk, args=(connection, port == "443"), daemon=True).start()
            continue
        if what == "plain":
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        connection.close()


if __name__ == "__main__":
    for one in PORTALS if sys.argv[1] == "talks" else sys.argv[2:] or PORTALS:
        threading.Thread(target=serve, args=(one, sys.argv[1]), daemon=True).start()
    time.sleep(3600)
