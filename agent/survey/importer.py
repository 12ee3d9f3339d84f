"""Recognises what a technician saved on a computer without the agent, and reads it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from agent.locale import N_
from agent.survey import capture
from agent.survey.air import Flood, Sender
from agent.survey.trouble import SurveyError, unreadable
from collectors.wire import iw_scan, netsh
from collectors.wire.ieee80211 import Bss

_PCAP = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
_MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Imported:
    """Networks of a file, with what a capture tells beyond them."""

    source: str
    networks: tuple[Bss, ...]
    senders: tuple[Sender, ...] = ()
    floods: tuple[Flood, ...] = ()


class ImportFileError(SurveyError):
    """The file holds nothing that is understood; says what would be."""


_PAGES = ("cp1258", "cp437", "cp850", "cp852", "cp866", "cp1251", "cp1252", "cp932", "cp936", "cp949", "cp950", "cp874")
"""Code pages of Windows consoles, the Vietnamese one first."""
_REFUSED = "ms-settings:privacy-location"
"""All that Windows 11 24H2 prints of Wi-Fi while its location service is off; the address is the same in every language."""


def load(file: Path, names: Iterable[str] = ()) -> Imported:
    """Read `iw dev … scan`, `netsh wlan show networks mode=bssid`, `netsh wlan show interfaces` or a capture.

    Args:
        file: what was saved.
        names: of the site's networks; where one of them stands in the file, it tells the code page.

    Raises:
        ImportFileError: nothing of these.
        SurveyError: the file cannot be read.
    """
    try:
        with file.open("rb") as handle:
            data = handle.read(_MAX_BYTES)
    except OSError as error:
        raise unreadable(file, error) from error
    if data.startswith(_PCAP):
        return of_capture("pcap", capture.read(str(file)))
    text = decode(data, names)
    for source, parse in (("iw", iw_scan.parse), ("netsh", netsh.parse)):
        networks = parse(text)
        if networks:
            return Imported(source, tuple(networks))
    if _REFUSED in text:
        raise ImportFileError(
            N_("{file}: Windows told nothing; switch on Location (Settings, Privacy & security, Location) and save it again"),
            file=str(file),
        )
    raise ImportFileError(
        N_(
            "{file}: no network found; understood are the outputs of `iw dev wlan0 scan`, `netsh wlan show networks mode=bssid`"
            " and `netsh wlan show interfaces`, and captures (pcap, pcapng) of 802.11 frames"
        ),
        file=str(file),
    )


def of_capture(source: str, found: capture.Capture) -> Imported:
    """A capture's access points as networks."""
    return Imported(source, tuple(sender.bss() for sender in found.senders), found.senders, found.floods)


def decode(data: bytes, names: Iterable[str] = ()) -> str:
    """Text as Windows and Linux save it: UTF-16 and UTF-8, else the code page in which one of the names stands in it.

    Without such a name octet by octet, which keeps digits, addresses and punctuation of every console's code page.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if data[1:200:2].count(0) > data[:200:2].count(0) + 20:
        return data.decode("utf-16-le", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        foreign = [name for name in names if not name.isascii()]
        tried = (unicodedata.normalize("NFC", data.decode(page, errors="replace")) for page in _PAGES if foreign)
        return next((text for text in tried if any(name in text for name in foreign)), data.decode("latin-1"))
