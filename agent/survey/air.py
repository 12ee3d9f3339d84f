"""Reads 802.11 frames with radiotap from a capture or a monitor interface: who sends, how strong, how often again.

Run as `python -m agent.survey.air`, so that scapy (65 MiB, one second), which reads captures of every form and listens, lives
in a short process of its own and never in the agent. Prints one JSON object. Stations are counted by the frames that they send again; their addresses are not kept.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from collectors.wire import frames80211
from collectors.wire.frames80211 import BEACON, DEAUTHENTICATION, DISASSOCIATION, MANAGEMENT, PROBE_RESPONSE, Frame, read_frame
from collectors.wire.ieee80211 import Bss, Elements, channel_of, elements, frequency_of, parse_elements

FLOOD_FRAMES, FLOOD_SECONDS = 10, 1.0
"""So many deauthentication or disassociation frames within so many seconds are no ordinary leaving of a client."""
Packet = tuple[int, float, bytes]
"""A packet of a capture: its link-layer header type, when it was heard, its octets."""


@dataclass(slots=True)
class Sender:
    """One access point of the capture."""

    bssid: str
    ssid: str = ""
    is_hidden: bool = False
    frequency_mhz: int = 0
    security: str = ""
    width_mhz: int | None = None
    load: float | None = None
    stations: int | None = None
    beacons: int = 0
    signals: list[float] = field(default_factory=list)
    frames: int = 0
    retries: int = 0

    def bss(self) -> Bss:
        """As any other network heard; the signal is the median of its beacons and probe responses."""
        return Bss(
            self.bssid,
            self.ssid,
            self.frequency_mhz,
            median(self.signals) if self.signals else None,
            self.width_mhz,
            self.security,
            self.load,
            self.stations,
        )


@dataclass(frozen=True, slots=True)
class Flood:
    """Deauthentication frames in the name of one access point: all of them, and the most within a second."""

    bssid: str
    frames: int
    peak: int


class Analysis:
    """Takes frames one by one and knows what they say together."""

    def __init__(self) -> None:
        self.senders: dict[str, Sender] = {}
        self.leavings: dict[str, list[float]] = defaultdict(list)
        self.frames = 0
        self.damaged = 0

    def take(self, packet: Packet) -> None:
        """One more packet."""
        link, when, data = packet
        self.frames += 1
        frame = read_frame(link, data)
        if frame is None:
            self.damaged += 1
            return
        if frame.kind == MANAGEMENT and frame.bssid:
            self._manage(frame, when)
        sender = self.senders.get(frame.bssid)
        if sender is not None:
            sender.frames += 1
            sender.retries += frame.is_again

    def _manage(self, frame: Frame, when: float) -> None:
        if frame.subtype in {DEAUTHENTICATION, DISASSOCIATION}:
            self.leavings[frame.bssid].append(when)
        if frame.subtype not in {BEACON, PROBE_RESPONSE}:
            return
        sender = self.senders.setdefault(frame.bssid, Sender(frame.bssid))
        told = parse_elements(frame.elements, frame.capability)
        is_whole = sum(len(body) + 2 for _kind, body in elements(frame.elements)) == len(frame.elements)
        if is_whole or not sender.beacons:  # a frame that was cut off lacks what tells its security
            self._describe(sender, told, frame.frequency_mhz)
        if frame.subtype == BEACON:
            sender.beacons += 1
            sender.is_hidden = sender.is_hidden or told.ssid == ""
        if frame.signal_dbm is not None:
            sender.signals.append(frame.signal_dbm)

    @staticmethod
    def _describe(sender: Sender, told: Elements, frequency: int) -> None:
        sender.ssid = told.ssid or sender.ssid
        sender.security = told.security
        sender.width_mhz = told.width_mhz or sender.width_mhz
        sender.load, sender.stations = told.load, told.stations
        # On a 2.4 GHz radio frames of the next channels are heard too; the element says which one it is.
        if told.channel and told.channel != channel_of(frequency) and frequency < 2500:
            frequency = frequency_of(told.channel, "2.4") or frequency
        sender.frequency_mhz = frequency or frequency_of(told.channel or 0, "") or sender.frequency_mhz

    def floods(self) -> list[Flood]:
        """Access points in whose name clients are thrown out in numbers."""
        found = []
        for bssid, times in self.leavings.items():
            times.sort()
            peak, first = 0, 0
            for index, when in enumerate(times):
                while when - times[first] > FLOOD_SECONDS:
                    first += 1
                peak = max(peak, index - first + 1)
            if peak >= FLOOD_FRAMES:
                found.append(Flood(bssid, len(times), peak))
        return found

    def result(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "frames": self.frames,
            "damaged": self.damaged,
            "senders": [asdict(sender) for sender in self.senders.values()],
            "floods": [asdict(flood) for flood in self.floods()],
        }


def evil_twins(senders: Iterable[Sender], ssids: Iterable[str], trusted: Iterable[str] = ()) -> list[tuple[Sender, str]]:
    """Senders that use a name of the site and do not belong to it, each with the security expected, empty for a mere address.

    With `trusted` addresses (the site's access points, from an earlier survey) every other one is suspect, unless it
    shares the vendor's part and the security. Without, the majority of a name's security is taken to be right.
    """
    known = {address.lower() for address in trusted}
    prefixes = {_vendor(address) for address in known}
    found = []
    for ssid in ssids:
        mine = [sender for sender in senders if sender.ssid == ssid]
        counts = Counter(sender.security for sender in mine if not known or sender.bssid in known)
        usual, most = counts.most_common(1)[0] if counts else ("", 0)
        for sender in mine:
            if sender.bssid in known:
                continue
            if usual and sender.security != usual and counts[sender.security] < most:
                found.append((sender, usual))
            elif known and _vendor(sender.bssid) not in prefixes:
                found.append((sender, ""))
    return found


def _vendor(bssid: str) -> str:
    """The vendor's three octets, without the bit that marks further networks of one access point."""
    return f"{int(bssid[:2], 16) & ~0x02:02x}{bssid[2:8]}" if len(bssid) == 17 else bssid


def analyse(packets: Iterable[Packet]) -> Analysis:
    """What the packets say together."""
    found = Analysis()
    for packet in packets:
        found.take(packet)
    return found


def of_file(file: str) -> Iterator[Packet]:
    """The packets of a capture file, pcap or pcapng, gzipped or not.

    Raises:
        OSError, ValueError, scapy.error.Scapy_Exception: it cannot be read, or holds nothing of 802.11.
    """
    from scapy.utils import RawPcapReader  # noqa: PLC0415  as at the head of this file

    links = set()
    with RawPcapReader(file) as reader:
        reading: Any = reader  # its types speak of one form only
        for data, told in reading:
            if hasattr(told, "linktype"):
                link, when = told.linktype, ((told.tshigh or 0) << 32 | (told.tslow or 0)) / (told.tsresol or 1_000_000)
            else:
                link, when = reading.linktype & 0xFFFF, told.sec + told.usec / (1e9 if reading.nano else 1e6)
            links.add(link)
            yield link, when, data
    if links and not links & frames80211.LINKS:
        message = "no capture of 802.11 frames"
        raise ValueError(message)


def of_interface(name: str, seconds: float) -> Iterator[Packet]:
    """The packets that an interface in monitor mode hears for some seconds.

    Raises:
        OSError: there is no such interface, or no permission.
        ValueError: it is not in monitor mode.
    """
    import scapy.layers.dot11  # noqa: F401, PLC0415  so that the link types of monitor interfaces are known
    from scapy.config import conf  # noqa: PLC0415

    if name not in (known for _index, known in socket.if_nameindex()):
        message = "no such interface"
        raise ValueError(message)
    end = time.monotonic() + seconds
    listener: Any = conf.L2listen(iface=name)
    try:
        link = conf.l2types.layer2num.get(listener.LL)
        if link not in frames80211.LINKS:
            message = "not in monitor mode"
            raise ValueError(message)
        while (left := end - time.monotonic()) > 0:
            if select.select([listener], [], [], left)[0]:
                _kind, data, when = listener.recv_raw()
                if data:
                    yield link, when or time.time(), data
    finally:
        listener.close()


def main(arguments: list[str]) -> int:
    """`FILE`, or `--monitor INTERFACE SECONDS`; 0, or 2 with the reason on stderr."""
    from scapy.error import Scapy_Exception  # noqa: PLC0415

    monitor = arguments[0] == "--monitor"
    try:
        packets = of_interface(arguments[1], float(arguments[2])) if monitor else of_file(arguments[0])
        print(json.dumps(analyse(packets).result()))  # noqa: T201
    except (OSError, Scapy_Exception, ValueError) as error:
        said = str(getattr(error, "strerror", None) or error).rstrip(" !.")
        print(said, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
