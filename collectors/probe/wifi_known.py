"""The Wi-Fi networks that this computer is set up to join, read from the files of its network services.

Only names are taken; the files also hold passphrases, which are never kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from collectors.machine import Machine
from collectors.wire.ieee80211 import ssid_text

_WPA_FOLDERS = ("/etc/wpa_supplicant", "/run/wpa_supplicant", "/run/netplan")
_NM_FOLDERS = ("/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections")
_IWD = "/var/lib/iwd"
_WPA_SSID = re.compile(r"^\s*ssid=(?P<quote>\"?)(?P<name>.+?)(?P=quote)\s*$", re.MULTILINE)
_NM_SSID = re.compile(r"^ssid=(.+)$", re.MULTILINE)
_NM_OCTETS = re.compile(r"(\d{1,3};)+")
_UCI_STATION = re.compile(r"config wifi-iface.*?(?=\nconfig |\Z)", re.DOTALL)
_UCI_SSID = re.compile(r"option ssid '?([^'\n]+)'?")


def known_ssids(machine: Machine) -> tuple[str, ...]:
    """Names of the configured networks, sorted; fewer where the files may not be read (they need root)."""
    return tuple(sorted(set(_names(machine)) - {""}))


def _names(machine: Machine) -> Iterator[str]:
    for folder in _WPA_FOLDERS:
        for entry in machine.entries(folder):
            if entry.endswith(".conf"):
                for found in _WPA_SSID.finditer(machine.read_or_none(f"{folder}/{entry}") or ""):
                    yield _wpa_name(found["name"], quoted=bool(found["quote"]))
    for folder in _NM_FOLDERS:
        for entry in machine.entries(folder):
            text = machine.read_or_none(f"{folder}/{entry}") or ""
            for name in _NM_SSID.findall(text.partition("[wifi]")[2].partition("\n[")[0]):
                yield _nm_name(name.strip())
    for entry in machine.entries(_IWD):
        stem, _, suffix = entry.rpartition(".")
        if suffix in {"psk", "open", "8021x"}:
            yield ssid_text(bytes.fromhex(stem[1:])) if re.fullmatch("=([0-9a-f]{2})+", stem) else stem
    for section in _UCI_STATION.findall(machine.read_or_none("/etc/config/wireless") or ""):
        if "option mode 'sta'" in section or "option mode sta" in section:
            yield from _UCI_SSID.findall(section)


def _wpa_name(name: str, *, quoted: bool) -> str:
    if quoted:
        return name
    return ssid_text(bytes.fromhex(name)) if re.fullmatch("([0-9a-fA-F]{2})+", name) else ""


def _nm_name(name: str) -> str:
    if _NM_OCTETS.fullmatch(name):
        octets = [int(octet) for octet in name.rstrip(";").split(";")]
        return ssid_text(bytes(octets)) if max(octets) < 256 else ""
    return name.replace("\\;", ";").replace("\\\\", "\\")
