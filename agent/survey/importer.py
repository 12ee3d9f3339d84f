"""Recognises what a technician saved on a computer without the agent, and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.survey import capture
from agent.survey.air import Flood, Sender
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


class ImportFileError(ValueError):
    """The file holds nothing that is understood; says what would be."""


def load(file: Path) -> Imported:
    """Read `iw dev … scan`, `netsh wlan show networks mode=bssid`, `netsh wlan show interfaces` or a capture.

    Raises:
        ImportFileError: nothing of these.
        OSError: the file cannot be read.
        capture.CaptureError: it is a capture and cannot be read.
    """
    with file.open("rb") as handle:
        data = handle.read(_MAX_BYTES)
    if data.startswith(_PCAP):
        return of_capture("pcap", capture.read(str(file)))
    text = decode(data)
    for source, parse in (("iw", iw_scan.parse), ("netsh", netsh.parse)):
        networks = parse(text)
        if networks:
            return Imported(source, tuple(networks))
    message = (
        f"{file}: no network found; understood are the outputs of `iw dev wlan0 scan`, `netsh wlan show networks mode=bssid`"
        " and `netsh wlan show interfaces`, and captures (pcap, pcapng) with radiotap"
    )
    raise ImportFileError(message)


def of_capture(source: str, found: capture.Capture) -> Imported:
    """A capture's access points as networks."""
    return Imported(source, tuple(sender.bss() for sender in found.senders), found.senders, found.floods)


def decode(data: bytes) -> str:
    """Text as Windows and Linux save it: UTF-16 and UTF-8 by their marks, else UTF-8, else octet by octet.

    The last keeps digits, addresses and punctuation of every console code page, which is all that is read.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
