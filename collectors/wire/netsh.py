"""Reads `netsh wlan show networks mode=bssid` and `netsh wlan show interfaces` in any language of Windows.

Labels are translated, values and structure are not: a MAC address begins an access point, `SSID 3 : Name` a network, a
percentage beside an access point is its signal, `5 GHz` a band, `802.11ax` a radio, and the first bare number after the
radio type or the band the channel. The lines below a network's name are its kind, its authentication and its cipher, in
this order, and so are the two lines below a joined network's radio type. Signal quality runs linearly from 0 % at -100 dBm
to 100 % at -50 dBm (WLAN_ASSOCIATION_ATTRIBUTES); newer releases also print the dBm themselves, which are then preferred.
Where a computer is joined by several links at once (Wi-Fi 7), each is an access point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from collectors.wire.ieee80211 import Bss, frequency_of

_OCTETS = r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}"
_SSID = re.compile(r"^\W*SSID\s+\d{1,4}\s*[:\uff1a]\s?(.*)$")
_MAC = re.compile(rf"^{_OCTETS}$")
_LINK = re.compile(rf"{_OCTETS}.{{0,40}}?({_OCTETS})\D{{0,40}}?(-\d{{1,3}})\b(.*)$")
"""A line of its own for each link: number, own address, the access point's, signal, channel, band, width."""
_BAND_WITHIN = re.compile(r"(2[.,]4|[56])\s?[^\W\d_]{2,}")
_NUMBER_WITHIN = re.compile(r"[:\uff1a]\s*(\d{1,3})\s*(?:[,\uff0c]|$)")
_PERCENT = re.compile(r"^(?:(\d{1,3})\s?[%\u066a\uff05]|[%\u066a\uff05]\s?(\d{1,3}))")
_LOAD = re.compile(r"^(\d{1,3})\s*[(\uff08].*[%\u066a\uff05].*[)\uff09]")
_DBM = re.compile(r"^[-\u2212](\d{1,3})(?:\s*dBm)?$")
_BAND = re.compile(rf"^{_BAND_WITHIN.pattern}$")
_RADIO = re.compile(r"^802\.11")
_DIGITS = re.compile(r"^\d{1,3}$")
_ENTERPRISE = re.compile(
    r"enterprise|802\.1x|ent(re|er)pri|unternehmen|empres|aziend|doanh nghi|企[业業]|エンタープライズ|엔터프라이즈|предприят|корпоратив"
    r"|kurumsal|akm\s*=\s*00-0f-ac[:\uff1a]0[135bcd]",
    re.IGNORECASE,
)
_INTERFACE_LABEL = "GUID"


@dataclass
class _Network:
    """A name and the values of the lines that tell its security."""

    ssid: str = ""
    joined: bool = False
    words: list[str] = field(default_factory=list)
    keys: str = ""

    def security(self) -> str:
        told = self.words[:2] if self.joined else self.words[1:3]
        authentication, cipher = (*told, "", "")[:2]
        enterprise = "-enterprise" if _ENTERPRISE.search(f"{authentication} {self.keys}") else ""
        if "owe" in authentication.lower().split():
            return "owe"
        if (found := re.search("wpa([23]?)", authentication.lower())) is not None:
            return f"wpa{found[1]}{enterprise}"
        if "wep" in f"{authentication} {cipher}".lower():
            return "wep"
        if (found := re.search("ccmp|gcmp|tkip", cipher.lower())) is not None:
            return f"wpa{'' if found[0] == 'tkip' else '2'}{enterprise}"
        return "open" if cipher else ""


@dataclass
class _Point:
    """An access point of a network."""

    network: _Network
    bssid: str
    signal: float | None = None
    band: str = ""
    has_radio: bool = False
    channel: int = 0
    width: int | None = None
    load: float | None = None
    stations: int | None = None
    last_number: int | None = None

    def bss(self) -> Bss:
        return Bss(
            self.bssid.lower().replace("-", ":"),
            self.network.ssid,
            frequency_of(self.channel, self.band),
            self.signal,
            self.width,
            self.network.security(),
            self.load,
            self.stations,
            associated=self.network.joined,
        )


def quality_to_dbm(percent: float) -> float:
    """Signal quality of Windows (0 to 100) as dBm: -100 to -50."""
    return min(100.0, max(0.0, percent)) / 2 - 100


def parse(text: str) -> list[Bss]:
    """Every access point of the text; those of `show interfaces` are associated ones. Empty for other text."""
    found: list[_Point] = []
    network: _Network | None = None
    point: _Point | None = None
    for line in re.split("[\r\n]+", text):  # names and code pages hold what else is taken for the end of a line
        head = _SSID.match(line)
        if head is not None:
            network, point = _Network(head[1].strip()), None
            continue
        label, value = _pair(line)
        if label == _INTERFACE_LABEL or (label == "SSID" and (network is None or not network.joined)):
            network, point = _Network(joined=True), None
        if network is None or not label:
            continue
        if network.joined and (link := _LINK.search(line)) is not None:
            if point is not None and not point.channel:
                found.remove(point)  # the address that all links have in common
            point = _of_link(network, link)
            found.append(point)
        elif label == "SSID":
            network.ssid = value
        elif _MAC.match(value) and ("BSSID" in label.upper() or not network.joined):
            point = _Point(network, value)
            found.append(point)
        elif point is not None:
            _detail(point, value)
        elif not network.joined:
            network.words.append(value)
    return [point.bss() for point in found]


def _pair(line: str) -> tuple[str, str]:
    """Label and value; the first mark parts them, an ordinary colon or a wide one: addresses hold colons too."""
    mark = re.search("[:\uff1a]", line)
    return ("", "") if mark is None else (line[: mark.start()].strip(), line[mark.end() :].strip())


def _of_link(network: _Network, found: re.Match[str]) -> _Point:
    band = _BAND_WITHIN.search(found[3])
    numbers = [int(number) for number in _NUMBER_WITHIN.findall(found[3])]
    point = _Point(network, found[1], float(found[2]), band=band[1].replace(",", ".") if band else "")
    point.channel = numbers[0] if numbers else 0
    point.width = numbers[1] if len(numbers) > 1 else None
    return point


def _detail(point: _Point, value: str) -> None:
    """Take one value of an access point by its form."""
    if (found := _DBM.match(value)) is not None:
        point.signal = -float(found[1])
    elif (found := _LOAD.match(value)) is not None:
        point.load, point.stations = min(1.0, int(found[1]) / 255), point.last_number
    elif (found := _PERCENT.match(value)) is not None:
        if point.signal is None:
            point.signal = quality_to_dbm(int(found[1] or found[2]))
    elif not point.band and (found := _BAND.match(value)) is not None:
        point.band = found[1].replace(",", ".")
    elif _RADIO.match(value):
        point.has_radio = True
    elif _DIGITS.match(value):
        if not point.channel and (point.has_radio or point.band):
            point.channel = int(value)
        point.last_number = int(value)
    elif not point.network.joined:
        return
    elif "akm" in value.lower():
        point.network.keys = value
    elif point.has_radio:
        point.network.words.append(value)
