"""The survey file: one JSON object a line, one line a visit of a spot; appended to, merged by concatenation.

The site's own networks are kept with their access points. All others are only counted by channel, with the strongest
signal among them: no neighbour's name or address is ever in such a file.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from collectors.wire.ieee80211 import Bss

VERSION = 1
WALK = 4 * 3600.0
"""Seconds before a zone's last visit without a position within which its others without one belong to the same walk."""
UNHEARD = -math.inf
"""The signal, in dBm, of a network that is not heard; None is a signal that is not known."""


class NoVisitError(ValueError):
    """A line that is no visit: where it stands (`file:line`), and why."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: no line of a survey file ({why})")
        self.place = place
        self.why = why


@dataclass(frozen=True, slots=True)
class Heard:
    """One of the site's access points as heard at a spot: median signal over the scans.

    Attributes:
        signal_dbm: None where the radio's driver tells none in dBm: heard, who knows how well.
    """

    ssid: str
    bssid: str
    band: str
    channel: int
    signal_dbm: float | None
    width_mhz: int | None = None
    security: str = ""
    load: float | None = None

    @property
    def level(self) -> float:
        """For comparisons: the signal, lower than any other where it is not known."""
        return UNHEARD if self.signal_dbm is None else self.signal_dbm


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """Other people's networks on a channel: how many, and the strongest signal among them."""

    band: str
    channel: int
    networks: int
    strongest_dbm: float | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """What was heard at one spot at one time.

    Attributes:
        time: seconds since 1970, UTC.
        zone: the place's name.
        ssids: the networks that were looked for; one that is not in `heard` was not heard.
        x: position on the floor plan, from its left edge; None without coordinates.
        y: the same from its upper edge.
        scans: scans that the medians are of.
        source: `scan`, `iw`, `netsh`, `pcap` or `monitor`.
    """

    time: float
    zone: str
    ssids: tuple[str, ...]
    heard: tuple[Heard, ...] = ()
    channels: tuple[ChannelUse, ...] = ()
    x: float | None = None
    y: float | None = None
    scans: int = 1
    source: str = "scan"

    def best(self, ssid: str, band: str | None = None) -> Heard | None:
        """The strongest access point of a network here, in one band or any; None: not heard."""
        mine = [one for one in self.heard if one.ssid == ssid and band in {None, one.band}]
        return max(mine, key=lambda one: one.level, default=None)

    def signal(self, ssid: str) -> float | None:
        """How well a network is heard here, in dBm: `UNHEARD`, or None where it is heard by a radio that does not tell."""
        best = self.best(ssid)
        return UNHEARD if best is None else best.signal_dbm


def summarize(scans: Iterable[Iterable[Bss]], ssids: Iterable[str]) -> tuple[tuple[Heard, ...], tuple[ChannelUse, ...]]:
    """Repeated scans of one spot: medians of the site's access points, counts of everyone else's."""
    own = frozenset(ssids)
    by_bss: dict[tuple[str, str], list[Bss]] = defaultdict(list)
    for scan in scans:
        for number, bss in enumerate(scan):
            by_bss[(bss.bssid or str(number), bss.ssid)].append(bss)
    heard, others = [], defaultdict[tuple[str, int], list[float | None]](list)
    for found in by_bss.values():
        last = found[-1]
        signals = [bss.signal_dbm for bss in found if bss.signal_dbm is not None]
        signal = round(median(signals), 1) if signals else None
        if last.ssid not in own:
            if last.band:
                others[(last.band, last.channel)].append(signal)
        else:
            load = None if last.load is None else round(last.load, 3)
            heard.append(Heard(last.ssid, last.bssid, last.band, last.channel, signal, last.width_mhz, last.security, load))
    channels = [
        ChannelUse(band, channel, len(signals), max((signal for signal in signals if signal is not None), default=None))
        for (band, channel), signals in sorted(others.items())
    ]
    return tuple(sorted(heard, key=lambda one: (one.ssid, -one.level))), tuple(channels)


def latest(visits: Iterable[Visit]) -> list[Visit]:
    """The last visit of every spot, so that several days become one picture.

    A spot is a zone and its position. Visits of a zone without one are spots of their own as far as they belong to its
    last walk (`WALK`): who measures two corners of a hall must not lose the weaker one.
    """
    placed: dict[tuple[str, float | None, float | None], Visit] = {}
    walks: dict[str, list[Visit]] = {}
    for visit in sorted(visits, key=lambda visit: visit.time):
        if visit.x is None and visit.y is None:
            walks.setdefault(visit.zone, []).append(visit)
        else:
            placed[(visit.zone, visit.x, visit.y)] = visit
    found = [*placed.values(), *(visit for walk in walks.values() for visit in walk if walk[-1].time - visit.time <= WALK)]
    return sorted(found, key=lambda visit: visit.time)


def write(visit: Visit) -> str:
    """A visit as one line, with its end."""
    row: dict[str, Any] = {"survey": VERSION, **_known(asdict(visit)), "time": _rfc3339(visit.time)}
    row |= {"heard": [_known(asdict(one)) for one in visit.heard], "channels": [_known(asdict(one)) for one in visit.channels]}
    return json.dumps(row, ensure_ascii=False) + "\n"


def _known(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is not known: absent, as everywhere, instead of null."""
    return {key: value for key, value in row.items() if value is not None}


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(round(seconds), UTC).isoformat().replace("+00:00", "Z")


def read(text: str, name: str) -> Iterator[Visit]:
    """The visits of a file; a torn last line, as a power cut leaves one, is passed over.

    Raises:
        NoVisitError: for any other line that is not a visit.
    """
    lines = text.removesuffix("\n").split("\n")  # other separators may stand in a name
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _visit(json.loads(line))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            if number == len(lines) and not text.endswith("\n"):
                return
            why = "no JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            place = f"{name}:{number}"
            raise NoVisitError(place, why) from None


def _visit(row: dict[str, Any]) -> Visit:
    if row["survey"] != VERSION:
        message = f"version {row['survey']} is not known here"
        raise ValueError(message)
    heard = tuple(
        Heard(
            str(one["ssid"]),
            str(one["bssid"]),
            str(one["band"]),
            int(one["channel"]),
            _known_finite(one.get("signal_dbm")),
            one.get("width_mhz"),
            str(one.get("security", "")),
            _known_finite(one.get("load")),
        )
        for one in row["heard"]
    )
    channels = tuple(
        ChannelUse(
            str(one["band"]),
            int(one["channel"]),
            int(one["networks"]),
            _known_finite(one.get("strongest_dbm")),
        )
        for one in row.get("channels", ())
    )
    return Visit(
        datetime.fromisoformat(row["time"]).timestamp(),
        str(row["zone"]),
        tuple(map(str, row["ssids"])),
        heard,
        channels,
        _known_finite(row.get("x")),
        _known_finite(row.get("y")),
        int(row.get("scans", 1)),
        str(row.get("source", "scan")),
    )


def _known_finite(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not math.isfinite(number):
        message = f"{value} is no number"
        raise ValueError(message)
    return number
