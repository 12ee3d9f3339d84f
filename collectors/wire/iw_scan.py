"""Reads the text of `iw dev WLAN scan` that a technician saved on a computer without the agent.

Only for imports: where the agent runs, it asks the kernel itself. Labels are matched after white space, since such text
has often been pasted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.wire.ieee80211 import Bss, akm_security, frequency_of, ssid_text, vht_width

# Addresses are often made unreadable with x before such a text is passed on.
_BSS = re.compile(r"^\s*BSS ([0-9a-fA-FxX]{2}(?::[0-9a-fA-FxX]{2}){5})(?=[\s(]|$)(.*)$")
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,6})?")
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})")
_SUITES = {
    "IEEE 802.1X": 1,
    "PSK": 2,
    "FT/IEEE 802.1X": 3,
    "FT/PSK": 4,
    "IEEE 802.1X/SHA-256": 5,
    "PSK/SHA-256": 6,
    "SAE": 8,
    "FT/SAE": 9,
    "IEEE 802.1X/SUITE-B": 11,
    "IEEE 802.1X/SUITE-B-192": 12,
    "FT/IEEE 802.1X/SHA-384": 13,
    "OWE": 18,
}
"""What iw calls the AKM suites of table 9-151; one that it has no name for it prints as 00-0f-ac:24, the last in decimal."""
_SUITE = re.compile("|".join(sorted(map(re.escape, _SUITES), key=len, reverse=True)) + r"|00-0f-ac:(\d{1,3})")
_OPERATIONS = ("HT operation", "VHT operation", "HE operation", "EHT operation")


def parse(text: str) -> list[Bss]:
    """Every network of the text; empty where it is no such text."""
    return [_bss(head, lines) for head, lines in _blocks(text)]


def _blocks(text: str) -> Iterator[tuple[re.Match[str], list[str]]]:
    head, lines = None, list[str]()
    for line in text.splitlines():
        found = _BSS.match(line)
        if found is None:
            lines.append(line.strip())
            continue
        if head is not None:
            yield head, lines
        head, lines = found, []
    if head is not None:
        yield head, lines


def _number(text: str) -> float | None:
    found = _NUMBER.search(text)
    return float(found[0]) if found else None


def _integer(text: str) -> int:
    return int(_number(text) or 0)


def _name(text: str) -> str:
    """A name from what iw prints, where all but printable ASCII is escaped."""
    octets = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode(errors="surrogatepass"))
    return ssid_text(octets)


def _bss(head: re.Match[str], lines: list[str]) -> Bss:
    ssid: str | None = None
    frequency = channel = 0
    signal = load = None
    stations = width = None
    age = 0.0
    capability = operation = ""
    offset = False
    vht = {"channel width": 0, "center freq segment 1": 0, "center freq segment 2": 0}
    suites: dict[str, str] = {}
    element = ""
    for line in lines:
        label, _, value = line.lstrip("* ").partition(":")
        label, value = label.strip(), value.strip()
        if label in {"RSN", "WPA"}:
            element = label
            suites.setdefault(element, "")
        operation = next((one for one in _OPERATIONS if label.lower() == one.lower()), operation)
        if label == "SSID" and ssid is None:
            ssid = _name(value)
        elif label == "freq":
            frequency = _integer(value)
        elif label == "signal":
            signal = _number(value) if "dBm" in value else signal
        elif label == "last seen" and "ago" in value:
            age = (_number(value) or 0.0) / 1000
        elif label == "capability":
            capability = value
        elif label in {"DS Parameter set", "primary channel"} and not channel:
            channel = _integer(value)
        elif label == "station count":
            stations = _integer(value)
        elif label == "channel utilisation":
            load = _utilisation(value, load)
        elif label == "HT operation":
            width = width or 20
        elif label == "secondary channel offset":
            offset = value in {"above", "below"}
        elif label == "STA channel width":
            width = max(width or 20, 40 if offset and value != "20 MHz" else 20)
        elif operation == "VHT operation" and label in vht:
            vht[label] = _integer(value)
            width = max(width or 20, vht_width(*vht.values()))
        elif operation in {"HE operation", "EHT operation"} and label == "Channel Width":
            width = max(width or 20, *map(int, re.findall(r"\d{2,3}", value)), 20)
        elif label == "Authentication suites" and element:
            suites[element] += value
    return Bss(
        head[1].lower(),
        ssid or "",
        frequency or frequency_of(channel, ""),
        signal,
        width,
        _security(suites, capability),
        load,
        stations,
        age,
        "associated" in head[2],
    )


def _utilisation(value: str, known: float | None) -> float | None:
    part, _, whole = value.partition("/")
    number = _number(part)
    if known is not None or number is None:
        return known
    return min(1.0, max(0.0, number / (_number(whole) or 255.0)))


def _security(suites: dict[str, str], capability: str) -> str:
    """By the suites of the RSN element, else by the older WPA's, else by the capability field."""
    if "RSN" in suites:
        return akm_security({_SUITES.get(one[0]) or int(one[1]) for one in _SUITE.finditer(suites["RSN"])})
    if "WPA" in suites:
        return "wpa-enterprise" if "802.1X" in suites["WPA"] else "wpa"
    return "wep" if "Privacy" in capability else "open"
