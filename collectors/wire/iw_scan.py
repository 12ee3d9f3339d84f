"""Reads the text of `iw dev WLAN scan` that a technician saved on a computer without the agent.

Only for imports: where the agent runs, it asks the kernel itself. Labels are matched after white space, since such text
has often been pasted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.wire.ieee80211 import Bss, frequency_of

# Addresses are often made unreadable with x before such a text is passed on.
_BSS = re.compile(r"^\s*BSS ([0-9a-fA-FxX]{2}(?::[0-9a-fA-FxX]{2}){5})(?=[\s(]|$)(.*)$")
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,6})?")
_ESCAPE = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")
_VHT_WIDTHS = {"1": 80, "2": 160, "3": 160}


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


def _unescape(text: str) -> str:
    """Octets that iw wrote in hexadecimal back to text where they are UTF-8, as Vietnamese names are."""

    def octets(found: re.Match[str]) -> str:
        raw = bytes.fromhex(found[0].replace("\\x", ""))
        try:
            decoded = raw.decode()
        except UnicodeDecodeError:
            return found[0]
        return decoded if decoded.isprintable() else ("" if not raw.strip(b"\0") else found[0])

    return _ESCAPE.sub(octets, text)


def _bss(head: re.Match[str], lines: list[str]) -> Bss:
    ssid: str | None = None
    frequency = channel = 0
    signal = load = None
    stations = width = None
    age = 0.0
    capability = ""
    suites: list[str] = []
    has_rsn = has_wpa = in_vht = False
    for line in lines:
        label, _, value = line.lstrip("* ").partition(":")
        label, value = label.strip(), value.strip()
        if label == "SSID" and ssid is None:
            ssid = _unescape(value)
        elif label == "freq":
            frequency = int(_number(value) or 0)
        elif label == "signal":
            signal = _number(value) if "dBm" in value else signal
        elif label == "last seen" and "ago" in value:
            age = (_number(value) or 0.0) / 1000
        elif label == "capability":
            capability = value
        elif label in {"DS Parameter set", "primary channel"} and not channel:
            channel = int(_number(value) or 0)
        elif label == "station count":
            stations = int(_number(value) or 0)
        elif label == "channel utilisation":
            load = _utilisation(value, load)
        elif label == "HT operation":
            width, in_vht = width or 20, False
        elif label == "secondary channel offset" and value not in {"no secondary", ""}:
            width = max(width or 20, 40)
        elif label in {"VHT operation", "HE operation", "HE Operation"}:
            in_vht = True
        elif label == "channel width" and in_vht:
            width = max(width or 20, _VHT_WIDTHS.get(value[:1], 20))
        elif label in {"RSN", "WPA"}:
            has_rsn, has_wpa = has_rsn or label == "RSN", has_wpa or label == "WPA"
        elif label == "Authentication suites":
            suites.append(value)
    security = _security(" ".join(suites), capability, has_rsn=has_rsn, has_wpa=has_wpa)
    return Bss(
        head[1].lower(),
        ssid or "",
        frequency or frequency_of(channel, ""),
        signal,
        width,
        security,
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


def _security(suites: str, capability: str, *, has_rsn: bool, has_wpa: bool) -> str:
    if "OWE" in suites:
        return "owe"
    if "SAE" in suites:
        return "wpa3"
    enterprise = "-enterprise" if "802.1X" in suites and "PSK" not in suites else ""
    if has_rsn:
        return f"wpa2{enterprise}"
    if has_wpa:
        return f"wpa{enterprise}"
    return "wep" if "Privacy" in capability else "open"
