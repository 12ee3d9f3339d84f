"""Reads 802.11 frames with radiotap from a capture or a monitor interface: who sends, how strong, how often again.

Run as `python -m agent.survey.air`, so that scapy (65 MiB, one second) lives in a short process of its own and never in
the agent. Prints one JSON object. Stations are counted by the frames that they send again; their addresses are not kept.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from collectors.wire.ieee80211 import BROADCAST, Bss, Elements, channel_of, frequency_of, parse_elements

FLOOD_FRAMES, FLOOD_SECONDS = 10, 1.0
"""So many deauthentication or disassociation frames within so many seconds are no ordinary leaving of a client."""
MANAGEMENT, DATA = 0, 2
PROBE_RESPONSE, BEACON, DISASSOCIATION, DEAUTHENTICATION = 5, 8, 10, 12


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

    def management(
        self, subtype: int, bssid: str, *, when: float, signal: float | None, frequency: int, capability: int, body: bytes
    ) -> None:
        """A management frame; `body` begins with its first element for beacons and probe responses."""
        if subtype in {DEAUTHENTICATION, DISASSOCIATION}:
            self.leavings[bssid].append(when)
        if subtype not in {BEACON, PROBE_RESPONSE}:
            return
        sender = self.senders.setdefault(bssid, Sender(bssid))
        told = parse_elements(body, capability)
        self._describe(sender, told, frequency)
        if subtype == BEACON:
            sender.beacons += 1
            sender.is_hidden = sender.is_hidden or told.ssid == ""
        if signal is not None:
            sender.signals.append(signal)

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

    def count(self, bssid: str, *, retry: bool) -> None:
        """Any frame of an access point's cell."""
        sender = self.senders.get(bssid)
        if sender is not None:
            sender.frames += 1
            sender.retries += retry

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


def analyse(packets: Iterable[Any]) -> Analysis:
    """Frames as scapy reads them."""
    from scapy.layers.dot11 import Dot11, Dot11Elt, RadioTap  # noqa: PLC0415  as at the head of this file

    found = Analysis()
    for packet in packets:
        found.frames += 1
        frame = packet.getlayer(Dot11)
        radio = packet.getlayer(RadioTap)
        if frame is None or (radio is not None and radio.Flags is not None and "badFCS" in str(radio.Flags)):
            found.damaged += 1
            continue
        signal = getattr(radio, "dBm_AntSignal", None)
        frequency = getattr(radio, "ChannelFrequency", None) or 0
        retry = bool(int(frame.FCfield or 0) & 0x08)
        bssid = _bssid(frame)
        if frame.type == MANAGEMENT and bssid:
            fixed = frame.payload
            capability = int(getattr(fixed, "cap", 0) or 0)
            elements = packet.getlayer(Dot11Elt)
            body = bytes(elements) if elements is not None else b""
            found.management(
                frame.subtype,
                bssid,
                when=float(packet.time),
                signal=None if signal is None else float(signal),
                frequency=int(frequency),
                capability=capability,
                body=body,
            )
        if bssid and frame.type in {MANAGEMENT, DATA}:
            found.count(bssid, retry=retry)
    return found


def _bssid(frame: Any) -> str:
    """The cell's address, by the direction of the frame (IEEE 802.11-2020, table 9-30)."""
    flags = int(frame.FCfield or 0) & 0x03
    address = {0: frame.addr3, 1: frame.addr1, 2: frame.addr2}.get(flags)
    return "" if address is None or address == BROADCAST else str(address).lower()


def main(arguments: list[str]) -> int:
    """`FILE`, or `--monitor INTERFACE SECONDS`; 0, or 2 with the reason on stderr."""
    import scapy.layers.dot11  # noqa: F401, PLC0415  before a file is opened, so that its link type is known
    from scapy.error import Scapy_Exception  # noqa: PLC0415
    from scapy.utils import PcapReader  # noqa: PLC0415

    try:
        if arguments[0] == "--monitor":
            from scapy.sendrecv import AsyncSniffer  # noqa: PLC0415

            sniffer = AsyncSniffer(iface=arguments[1], store=True)
            sniffer.start()
            sniffer.join(float(arguments[2]))
            packets = sniffer.stop() if sniffer.running else sniffer.results
            result = analyse(packets or []).result()
        else:
            with PcapReader(arguments[0]) as reader:
                result = analyse(reader).result()
    except (OSError, Scapy_Exception, ValueError) as error:
        print(f"{arguments[-1] if arguments[0] != '--monitor' else arguments[1]}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps(result))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
