"""Reads `netsh wlan show networks mode=bssid` and `netsh wlan show interfaces` in any language of Windows.

Labels are translated, values and structure are not: a MAC address begins an access point, `SSID 3 : Name` a network, a
percentage beside an access point is its signal, `5 GHz` a band, `802.11ax` a radio, and the first bare number after the
radio type the channel. Signal quality runs linearly from 0 % at -100 dBm to 100 % at -50 dBm (WLAN_ASSOCIATION_ATTRIBUTES);
newer releases also print the dBm themselves, which are then preferred.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from collectors.wire.ieee80211 import Bss, frequency_of

_SSID = re.compile(r"^\s*SSID\s+\d{1,4}\s*[:\uff1a]\s?(.*)$")
_MAC = re.compile(r"^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}$")
_PERCENT = re.compile(r"^(\d{1,3})\s?%")
_LOAD = re.compile(r"^(\d{1,3})\s*\(\s*\d{1,3}\s?%\s*\)")
_DBM = re.compile(r"^(-\d{1,3})(?:\s*dBm)?$")
_BAND = re.compile(r"^(2[.,]4|5|6)\s?GHz")
_RADIO = re.compile(r"^802\.11")
_DIGITS = re.compile(r"^\d{1,3}$")
_OPEN_WORDS = ("open", "offen", "abiert", "ouvert", "apert", "abert", "mở", "открыт", "otwart", "åben", "öppen", "开放", "開放")
_INTERFACE_LABEL = "GUID"


@dataclass
class _Block:
    ssid: str = ""
    security: str = ""
    bssid: str = ""
    signal: float | None = None
    has_dbm: bool = False
    band: str = ""
    has_radio: bool = False
    channel: int = 0
    load: float | None = None
    stations: int | None = None
    last_number: int | None = None
    associated: bool = False

    def bss(self) -> Bss:
        frequency = frequency_of(self.channel, self.band)
        return Bss(
            self.bssid,
            self.ssid,
            frequency,
            self.signal,
            None,
            self.security,
            self.load,
            self.stations,
            associated=self.associated,
        )


def quality_to_dbm(percent: float) -> float:
    """Signal quality of Windows (0 to 100) as dBm: -100 to -50."""
    return min(100.0, max(0.0, percent)) / 2 - 100


def parse(text: str) -> list[Bss]:
    """Every access point of the text; those of `show interfaces` are associated ones. Empty for other text."""
    found: list[_Block] = []
    network = _Block()
    current: _Block | None = None
    in_interface = False
    for line in text.splitlines():
        head = _SSID.match(line)
        if head is not None:
            network, current, in_interface = _Block(ssid=head[1].strip()), None, False
            continue
        label, value = _pair(line)
        if not label:
            continue
        if label == _INTERFACE_LABEL:
            network, current, in_interface = _Block(associated=True), None, True
        elif label == "SSID" and in_interface:
            network.ssid = value
        elif _MAC.match(value) and ("BSSID" in label.upper() or not in_interface):
            current = _Block(network.ssid, network.security, value.lower().replace("-", ":"), associated=in_interface)
            found.append(current)
        elif current is not None:
            _detail(current, value)
        elif not network.security:
            network.security = _security(value)
    return [block.bss() for block in found]


def _pair(line: str) -> tuple[str, str]:
    """Label and value; the first mark parts them, an ordinary colon or a wide one: addresses hold colons too."""
    mark = re.search("[:\uff1a]", line)
    return ("", "") if mark is None else (line[: mark.start()].strip(), line[mark.end() :].strip())


def _detail(block: _Block, value: str) -> None:
    """Take one value of an access point by its form."""
    if (found := _DBM.match(value)) is not None:
        block.signal, block.has_dbm = float(found[1]), True
    elif (found := _LOAD.match(value)) is not None:
        block.load, block.stations = min(1.0, int(found[1]) / 255), block.last_number
    elif (found := _PERCENT.match(value)) is not None:
        if not block.has_dbm and block.signal is None:
            block.signal = quality_to_dbm(int(found[1]))
    elif (found := _BAND.match(value)) is not None:
        block.band = found[1].replace(",", ".")
    elif _RADIO.match(value):
        block.has_radio = True
    elif _DIGITS.match(value):
        if not block.channel and (block.has_radio or block.band):
            block.channel = int(value)
        block.last_number = int(value)
    elif block.associated and not block.security:
        block.security = _security(value)


def _security(value: str) -> str:
    """Authentication by the parts of its name that no language translates; empty where the value is something else."""
    lower = value.lower()
    enterprise = "-enterprise" if re.search(r"enterprise|802\.1x|entreprise|unternehmen|empresa|doanh nghi", lower) else ""
    if "owe" in lower.split():
        return "owe"
    found = re.search(r"wpa([23]?)", lower)
    if found:
        return f"wpa{found[1]}{enterprise}"
    if "wep" in lower:
        return "wep"
    return "open" if lower.startswith(_OPEN_WORDS) else ""
