"""A monitor interface without a radio: a TAP device that calls itself 802.11 with radiotap, and frames that come from it.

Run as `python -m tests.agent.survey.tapped ARGUMENTS…` in a network namespace of its own: creates `mon0`, lets an air full
of trouble be heard there, and runs `agent survey ARGUMENTS…`.
"""

import fcntl
import os
import struct
import subprocess
import sys
import threading
import time
from typing import Any

from agent.cli import main

TUNSETIFF, TUNSETLINK = 0x400454CA, 0x400454CD  # linux/if_tun.h
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
ARPHRD_IEEE80211_RADIOTAP = 803
OWN, HIDDEN, TWIN, NEIGHBOUR = "02:00:00:00:00:01", "02:00:00:00:00:02", "66:00:00:00:00:66", "aa:00:00:00:00:09"
CITIZEN = "06:00:00:00:00:99"
RSN = bytes.fromhex("0100000fac040100000fac040100000fac020000")


def frames() -> list[bytes]:
    """Two access points of the site (one hides its name), a false one, a neighbour, a client's retries, a flood."""
    from scapy.layers import dot11
    from scapy.layers.l2 import LLC

    def radio(signal: int, channel: int) -> Any:
        return dot11.RadioTap(
            present="Channel+dBm_AntSignal", ChannelFrequency=2407 + 5 * channel, ChannelFlags=0x80, dBm_AntSignal=signal
        )

    def beacon(bssid: str, ssid: bytes, signal: int, channel: int, *, private: bool = True, subtype: int = 8) -> bytes:
        body = dot11.Dot11Beacon if subtype == 8 else dot11.Dot11ProbeResp
        frame = radio(signal, channel) / dot11.Dot11(type=0, subtype=subtype, addr1="ff:ff:ff:ff:ff:ff", addr2=bssid, addr3=bssid)
        security = dot11.Dot11Elt(ID=48, info=RSN) if private else dot11.Dot11Elt(ID=42, info=b"\0")
        elements = dot11.Dot11Elt(ID=0, info=ssid) / dot11.Dot11Elt(ID=3, info=bytes([channel])) / security
        return bytes(frame / body(cap=0x0411 if private else 0x0401) / elements)

    def data(flags: int) -> bytes:
        frame = dot11.Dot11(type=2, subtype=0, FCfield=flags, addr1=OWN, addr2=CITIZEN, addr3=OWN)
        return bytes(radio(-60, 1) / frame / LLC() / b"x")

    leave = dot11.Dot11(type=0, subtype=12, addr1=CITIZEN, addr2=OWN, addr3=OWN) / dot11.Dot11Deauth()
    return [
        beacon(OWN, b"CSC-Free", -61, 1),
        beacon(HIDDEN, b"", -70, 6),
        beacon(HIDDEN, b"CSC-Free", -70, 6, subtype=5),
        beacon(TWIN, b"CSC-Free", -40, 11, private=False),
        beacon(NEIGHBOUR, "Quán".encode(), -80, 6),
        data(0x01),
        data(0x01 | 0x08),
        *[bytes(radio(-50, 1) / leave)] * 30,
    ]


def hear() -> None:
    """Create `mon0`, and let the frames come from it again and again, as long as this process lives."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"mon0", IFF_TAP | IFF_NO_PI))
    fcntl.ioctl(device, TUNSETLINK, ARPHRD_IEEE80211_RADIOTAP)
    subprocess.run(["ip", "link", "set", "mon0", "up"], check=True)
    sent = frames()

    def send() -> None:
        while True:
            for frame in sent:
                os.write(device, frame)
            time.sleep(0.3)

    threading.Thread(target=send, daemon=True, name="air").start()


if __name__ == "__main__":
    hear()
    main(["survey", *sys.argv[1:]])
