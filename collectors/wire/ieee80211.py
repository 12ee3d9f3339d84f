"""What a beacon or probe response says (IEEE 802.11-2020, section 9.4.2), the same whoever heard it.

The kernel, an `iw` or `netsh` text, the Windows API and a captured frame all become `Bss`, so that zones, surveys and
diagnosis judge one kind of value.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NamedTuple

SSID, DS_PARAMETER, BSS_LOAD, HT_OPERATION, RSN, VHT_OPERATION, VENDOR, EXTENSION = 0, 3, 11, 61, 48, 192, 221, 255
HE_OPERATION, EHT_OPERATION = 36, 106
PRIVACY = 0x0010
_WPA1 = b"\x00\x50\xf2\x01"
_SUITES = b"\x00\x0f\xac"
_ENTERPRISE = frozenset({1, 3, 5, 11, 12, 13})
_PSK = frozenset({2, 4, 6, 19, 20})
_SAE = frozenset({8, 9, 24, 25})
_OWE = 18
BROADCAST = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True, slots=True)
class Bss:
    """One access point's network as heard at one moment.

    Attributes:
        bssid: its MAC address, lower case with colons; empty where the source does not tell.
        ssid: the network's name; empty when hidden.
        frequency_mhz: centre of the primary channel; 0 where unknown.
        signal_dbm: received signal, None where the driver gives none in dBm.
        width_mhz: channel width, None where not announced.
        security: `open`, `wep`, `wpa`, `wpa2`, `wpa3`, `owe`, each of the middle three with `-enterprise`; empty: unknown.
        load: channel utilization from 0 to 1 as the access point measures it (BSS Load element), None without one.
        stations: associated stations by the same element.
        age: seconds since it was last heard.
        associated: this computer is associated with it.
    """

    bssid: str
    ssid: str
    frequency_mhz: int
    signal_dbm: float | None = None
    width_mhz: int | None = None
    security: str = ""
    load: float | None = None
    stations: int | None = None
    age: float = 0.0
    associated: bool = False

    @property
    def band(self) -> str:
        """`2.4`, `5` or `6` (GHz); empty for other bands."""
        return band_of(self.frequency_mhz)

    @property
    def channel(self) -> int:
        """The primary channel's number; 0 where unknown."""
        return channel_of(self.frequency_mhz)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest frequency (MHz) that the network may occupy, seen from its primary channel."""
        width = self.width_mhz or 20
        if width <= 20 or self.band == "2.4":
            return self.frequency_mhz - width / 2, self.frequency_mhz + width / 2
        # From 40 MHz on, channels in 5 and 6 GHz lie on a fixed grid of their width (Annex E).
        base = 5955 - 10 if self.band == "6" else (5735 if self.frequency_mhz >= 5735 else 5170)
        low = base + (self.frequency_mhz - base) // width * width
        return low, low + width


def band_of(frequency_mhz: float) -> str:
    """The band of a centre frequency: `2.4`, `5`, `6`, or empty."""
    if 2400 <= frequency_mhz < 2500:
        return "2.4"
    if 4900 <= frequency_mhz < 5925:
        return "5"
    if 5925 <= frequency_mhz <= 7125:
        return "6"
    return ""


def channel_of(frequency_mhz: int) -> int:
    """Channel number of a centre frequency (IEEE 802.11-2020, 17.3.8.4.3 and Annex E); 0 where there is none."""
    if frequency_mhz == 2484:
        return 14
    if 2412 <= frequency_mhz <= 2472:
        return (frequency_mhz - 2407) // 5
    if frequency_mhz == 5935:
        return 2
    if 5955 <= frequency_mhz <= 7115:
        return (frequency_mhz - 5950) // 5
    if 4910 <= frequency_mhz <= 4980:
        return (frequency_mhz - 4000) // 5
    if 5000 < frequency_mhz < 5925:
        return (frequency_mhz - 5000) // 5
    return 0


def frequency_of(channel: int, band: str) -> int:
    """Centre frequency in MHz of a channel; without a band the one that its number is usual in; 0 where there is none."""
    if band == "6":
        return 5935 if channel == 2 else 5950 + 5 * channel if 1 <= channel <= 233 else 0
    if channel == 14 and band in {"", "2.4"}:
        return 2484
    if 1 <= channel <= 13 and band in {"", "2.4"}:
        return 2407 + 5 * channel
    if not band and channel % 4 == 1 and (14 < channel < 149 or 177 < channel <= 233):
        return 5950 + 5 * channel  # 5 GHz has none of these numbers
    if (32 <= channel <= 177 and not band) or (1 <= channel <= 184 and band == "5"):
        return 5000 + 5 * channel
    return 0


def ssid_text(raw: bytes) -> str:
    """An SSID as text: UTF-8 as nearly all are, else with escaped octets; a name of zero octets only is a hidden one."""
    if not raw.strip(b"\0"):
        return ""
    text = raw.decode(errors="backslashreplace")  # a long name may be cut within a letter
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def mac_text(raw: bytes) -> str:
    """Six octets as lower-case text with colons."""
    return raw.hex(":")


class Elements(NamedTuple):
    """What the elements of a frame tell of its network; absent ones are None or empty."""

    ssid: str | None
    channel: int | None
    width_mhz: int | None
    security: str
    load: float | None
    stations: int | None


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Identifier and body of each element; a truncated last one is left out, as receivers must."""
    offset = 0
    while offset + 2 <= len(data):
        end = offset + 2 + data[offset + 1]
        if end > len(data):
            return
        yield data[offset], data[offset + 2 : end]
        offset = end


def parse_elements(data: bytes, capability: int = 0) -> Elements:
    """The elements of a beacon or probe response, with the capability field for networks without RSN."""
    ssid: str | None = None
    channel = width = load = stations = None
    security = "wep" if capability & PRIVACY else "open"
    for kind, body in elements(data):
        if kind == SSID and ssid is None:
            ssid = ssid_text(body)
        elif kind == DS_PARAMETER and body:
            channel = body[0]
        elif kind == BSS_LOAD and len(body) >= 5:
            stations, utilization = struct.unpack_from("<HB", body)
            load = utilization / 255
        elif kind == HT_OPERATION and len(body) >= 2:
            channel = body[0]
            width = max(width or 20, 40 if body[1] & 0x03 and body[1] & 0x04 else 20)
        elif kind == VHT_OPERATION and len(body) >= 3:
            width = max(width or 20, vht_width(*body[:3]))
        elif kind == EXTENSION and body:
            width = _extension_width(body, width)
        elif kind == RSN:
            security = _rsn(body)
        elif kind == VENDOR and body.startswith(_WPA1) and security in {"open", "wep"}:
            security = "wpa-enterprise" if b"\x00\x50\xf2\x01" in body[12:] else "wpa"
    return Elements(ssid, channel, width, security, load, stations)


def vht_width(mode: int, first: int, second: int) -> int:
    """Width in MHz by VHT Operation's channel width and centre segments (9.4.2.158); 20 where HT Operation tells it."""
    if mode == 0:
        return 20
    if mode == 1:
        return 160 if second and abs(second - first) in {8, *range(17, 256)} else 80
    return 160


def _extension_width(body: bytes, width: int | None) -> int | None:
    """HE Operation with 6 GHz information (9.4.2.249), EHT Operation with its own (802.11be)."""
    if body[0] == HE_OPERATION and len(body) >= 7:
        flags = int.from_bytes(body[1:4], "little")
        offset = 7 + (3 if flags & 0x4000 else 0) + (1 if flags & 0x8000 else 0)
        if flags & 0x20000 and len(body) >= offset + 2:
            return max(width or 20, (20, 40, 80, 160)[body[offset + 1] & 0x03])
    if body[0] == EHT_OPERATION and len(body) >= 7 and body[1] & 0x01:
        return max(width or 20, (20, 40, 80, 160, 320)[min(body[6] & 0x07, 4)])
    return width


def _rsn(body: bytes) -> str:
    """Security by the AKM suites of an RSN element (9.4.2.24.3)."""
    suites: set[int] = set()
    if len(body) >= 8:
        offset = 8 + 4 * struct.unpack_from("<H", body, 6)[0]
        if len(body) >= offset + 2:
            (count,) = struct.unpack_from("<H", body, offset)
            listed = body[offset + 2 : offset + 2 + 4 * count]
            suites = {listed[at + 3] for at in range(0, len(listed) - 3, 4) if listed[at : at + 3] == _SUITES}
    return akm_security(suites)


def akm_security(suites: Collection[int]) -> str:
    """Security by AKM suite types of 00-0F-AC (table 9-151); `wpa2` where they tell no other."""
    if _OWE in suites:
        return "owe"
    if not _SAE.isdisjoint(suites):
        return "wpa3"
    if not _PSK.isdisjoint(suites):
        return "wpa2"
    if not _ENTERPRISE.isdisjoint(suites):
        return "wpa3-enterprise" if {12, 13} & set(suites) and not set(suites) - {5, 11, 12, 13} else "wpa2-enterprise"
    return "wpa2"


def overlaps(one: Bss, other: Bss) -> bool:
    """Two networks occupy a common frequency."""
    (low, high), (other_low, other_high) = one.span, other.span
    return bool(one.frequency_mhz and other.frequency_mhz) and low < other_high and other_low < high
