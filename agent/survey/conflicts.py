"""Conflicts of channels: the site's access points among each other and with their neighbours, and which channel is better.

The networks of one radio count once, and what is advised for one access point is taken as done when the next is judged:
two that move to the same quiet channel would only meet again.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.locale import Translate
from collectors.wire.ieee80211 import Bss, frequency_of, overlaps
from collectors.wire.survey_file import Heard, Visit

BUSY_LOAD = 0.5
CROWD = 3
AUDIBLE_DBM = -85.0
CLEAR_24 = (1, 6, 11)
CHOICES = {"2.4": CLEAR_24, "5": (36, 40, 44, 48, 149, 153, 157, 161), "6": (5, 21, 37, 53, 69, 85)}
Radio = tuple[str, str, int]
"""An access point's radio: the part of the address that its networks share, band, channel."""


def conflicts(visits: Sequence[Visit], good_dbm: float, _: Translate) -> list[str]:
    """What the site's access points suffer from, each once, at the spot where it is heard best."""
    best: dict[Radio, tuple[Heard, Visit]] = {}
    for visit in visits:
        for heard in visit.heard:
            radio = _radio(heard)
            if radio not in best or heard.level > best[radio][0].level:
                best[radio] = (heard, visit)
    said = []
    planned = {radio: radio[2] for radio in best}
    for radio, (heard, visit) in sorted(best.items(), key=lambda one: not _is_off_grid(one[1][0])):
        names = sorted({one.ssid for one in visit.heard if _radio(one) == radio})
        facts = {"ssid": ", ".join(names), "bssid": heard.bssid, "channel": heard.channel, "band": heard.band}
        if _is_off_grid(heard):
            text = _("{ssid} ({bssid}) is on channel {channel}, which overlaps two others. In 2.4 GHz use 1, 6 or 11.")
            said.append(text.format(**facts))
        rivals = sum(
            use.networks for use in visit.channels if use.band == heard.band and _is_rival(use.channel, heard, use.strongest_dbm)
        )
        if rivals >= CROWD or _is_off_grid(heard):
            quiet = _quietest(visit, radio, planned)
            text = _(
                "{ssid} ({bssid}) shares channel {channel} ({band} GHz) with {rivals} other networks; channel {quiet} is the quietest."
            )
            if rivals >= CROWD and quiet != heard.channel:
                said.append(text.format(rivals=rivals, quiet=quiet, **facts))
            planned[radio] = quiet
        if heard.load is not None and heard.load > BUSY_LOAD:
            text = _("{ssid} ({bssid}): channel {channel} is busy {load} % of the time. Spread users or change the channel.")
            said.append(text.format(load=round(heard.load * 100), **facts))
    return said + _meetings(visits, good_dbm, _)


def _radio(heard: Heard) -> Radio:
    # The first octet tells the networks of one radio apart, as the last does.
    return heard.bssid[3:14] or heard.ssid, heard.band, heard.channel


def _is_off_grid(heard: Heard) -> bool:
    """These move first: they disturb two of the three channels at once."""
    return heard.band == "2.4" and heard.channel not in CLEAR_24


def _reach(band: str) -> int:
    """How far channel numbers may lie apart and still disturb each other, 20 MHz wide."""
    return 4 if band == "2.4" else 0


def _is_audible(signal: float | None) -> bool:
    """Loud enough to take air; whose signal is not known is taken to be."""
    return signal is None or signal >= AUDIBLE_DBM


def _is_rival(channel: int, heard: Heard, strongest: float | None) -> bool:
    return abs(channel - heard.channel) <= _reach(heard.band) and _is_audible(strongest)


def _quietest(visit: Visit, radio: Radio, planned: dict[Radio, int]) -> int:
    """The channel where fewest of the site's own radios, then fewest others are heard at the spot."""
    band, reach = radio[1], _reach(radio[1])
    own = {_radio(one) for one in visit.heard if one.band == band and _is_audible(one.signal_dbm)} - {radio}

    def load(channel: int) -> tuple[int, int, float]:
        near = [use for use in visit.channels if use.band == band and abs(use.channel - channel) <= reach]
        meets = sum(abs(planned[one] - channel) <= reach for one in own)
        return meets, sum(use.networks for use in near), max((use.strongest_dbm or -100 for use in near), default=-100)

    return min(CHOICES[band], key=load)


def _meetings(visits: Sequence[Visit], good_dbm: float, _: Translate) -> list[str]:
    """Two access points of the site on overlapping channels that are both strong at one spot take each other's air."""
    text = _(
        "{zone}: two access points of the site ({one}, {other}) are both strong and overlap on channels {a} and {b};"
        " move one to another channel."
    )
    said: dict[frozenset[Radio], str] = {}
    for visit in visits:
        strong = [heard for heard in visit.heard if heard.level >= good_dbm]
        for index, one in enumerate(strong):
            for other in strong[index + 1 :]:
                if _radio(one)[0] != _radio(other)[0] and overlaps(_bss(one), _bss(other)):
                    facts = {"one": one.bssid, "other": other.bssid, "a": one.channel, "b": other.channel}
                    said.setdefault(frozenset({_radio(one), _radio(other)}), text.format(zone=visit.zone, **facts))
    return list(said.values())


def _bss(heard: Heard) -> Bss:
    return Bss(heard.bssid, heard.ssid, frequency_of(heard.channel, heard.band), heard.signal_dbm, heard.width_mhz)
