"""What a survey means: each zone's verdict, and what to do, in the reader's language.

Judged by vendors' design values, overridable: -67 dBm is good (voice and video), below -75 dBm is dead.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from agent.locale import Translate
from agent.survey.conflicts import conflicts
from collectors.wire.survey_file import UNHEARD, Visit, latest

GOOD_DBM = -67.0
DEAD_DBM = -75.0
GOOD, WEAK, DEAD, UNKNOWN = "good", "weak", "dead", "unknown"
WORST = (DEAD, WEAK, UNKNOWN, GOOD)
"""Of several verdicts the first of these counts: a known fault is told, and good is only what is known to be."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From `good` dBm up a signal is good, below `dead` dBm there is none to speak of."""

    good: float = GOOD_DBM
    dead: float = DEAD_DBM

    def verdict(self, signal: float | None) -> str:
        """`good`, `weak` or `dead`, which `UNHEARD` is too; `unknown` for a signal that is heard and not known."""
        if signal is None:
            return UNKNOWN
        if signal < self.dead:
            return DEAD
        return GOOD if signal >= self.good else WEAK


@dataclass(frozen=True, slots=True)
class Row:
    """One network in one band of a zone: median over the zone's spots of the best access point's signal."""

    zone: str
    ssid: str
    band: str
    signal_dbm: float | None
    channel: int
    bssid: str
    load: float | None


@dataclass(frozen=True, slots=True)
class Zone:
    """One network in a zone, over all bands: median and weakest spot. The weakest decides, since people stand there.

    Both are None where the network is heard and no signal known, `UNHEARD` where it is not heard: anywhere, or somewhere.
    """

    zone: str
    ssid: str
    signal_dbm: float | None
    weakest_dbm: float | None
    spots: int
    verdict: str


@dataclass(frozen=True, slots=True)
class Change:
    """A zone before and after, in dBm; None where it was not measured or the signal is not known."""

    zone: str
    ssid: str
    before: float | None
    after: float | None

    @property
    def gain_db(self) -> float | None:
        """How much stronger it is now, in dB; None unless it was heard both times."""
        if self.before is None or self.after is None or UNHEARD in {self.before, self.after}:
            return None
        return self.after - self.before


@dataclass(frozen=True, slots=True)
class Survey:
    """A judged survey."""

    visits: tuple[Visit, ...]
    ssids: tuple[str, ...]
    rows: tuple[Row, ...]
    zones: tuple[Zone, ...]
    limits: Limits

    @property
    def places(self) -> dict[str, str]:
        """One verdict for each zone: the worst of the site's networks there."""
        found: dict[str, str] = {}
        for zone in self.zones:
            found[zone.zone] = min(found.get(zone.zone, GOOD), zone.verdict, key=WORST.index)
        return found

    @property
    def dead(self) -> tuple[Zone, ...]:
        """The zones without usable signal."""
        return tuple(zone for zone in self.zones if zone.verdict == DEAD)


def judge(visits: Iterable[Visit], limits: Limits) -> Survey:
    """Every zone and network of a survey, the last visit of each spot counting."""
    spots = latest(visits)
    ssids = tuple(sorted({ssid for visit in spots for ssid in visit.ssids}))
    rows, zones = [], []
    for name in dict.fromkeys(visit.zone for visit in spots):
        here = [visit for visit in spots if visit.zone == name]
        for ssid in ssids:
            if any(ssid in visit.ssids for visit in here):
                zones.append(_zone(name, ssid, [visit for visit in here if ssid in visit.ssids], limits))
                rows += _rows(name, ssid, here)
    return Survey(tuple(spots), ssids, tuple(rows), tuple(zones), limits)


def _zone(name: str, ssid: str, here: Sequence[Visit], limits: Limits) -> Zone:
    signals = [visit.signal(ssid) for visit in here]
    known = [signal for signal in signals if signal is not None]
    heard = [signal for signal in known if signal != UNHEARD]
    middle = median(heard) if heard else None if None in signals else UNHEARD
    verdict = min((limits.verdict(signal) for signal in signals), key=WORST.index)
    return Zone(name, ssid, middle, min(known, default=None), len(here), verdict)


def _rows(name: str, ssid: str, here: Sequence[Visit]) -> list[Row]:
    found = []
    for band in ("2.4", "5", "6"):
        heard = [one for one in (visit.best(ssid, band) for visit in here) if one is not None]
        if heard:
            strongest = max(heard, key=lambda one: one.level)
            known = [one.signal_dbm for one in heard if one.signal_dbm is not None]
            found.append(
                Row(name, ssid, band, median(known) if known else None, strongest.channel, strongest.bssid, strongest.load)
            )
    return found


def compare(before: Survey, after: Survey) -> list[Change]:
    """Each zone of either survey, before and after."""
    old = {(zone.zone, zone.ssid): zone.signal_dbm for zone in before.zones}
    new = {(zone.zone, zone.ssid): zone.signal_dbm for zone in after.zones}
    return [Change(*key, old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])]


def dbm(signal: float | None, _: Translate) -> str:
    """A signal as people read it."""
    if signal is None:
        return _("unknown")
    return _("not heard") if signal == UNHEARD else f"{round(signal, 1):g} dBm"


def advice(survey: Survey, _: Translate) -> list[str]:
    """What to do, the worst first."""
    said = []
    for zone in survey.zones:
        facts = {"zone": zone.zone, "ssid": zone.ssid, "signal": dbm(zone.weakest_dbm, _)}
        if zone.verdict == DEAD:
            said.append(
                _(
                    "{zone}: no usable signal of {ssid} ({signal}). Put an access point here or move the nearest one closer."
                ).format(**facts)
            )
    for zone in survey.zones:
        facts = {"zone": zone.zone, "ssid": zone.ssid, "signal": dbm(zone.weakest_dbm, _)}
        if zone.verdict == WEAK:
            said.append(
                _("{zone}: {ssid} is weak ({signal}). Video calls may break; turn or move the nearest access point.").format(
                    **facts
                )
            )
    text = _("{zone}: {ssid} is heard, but the radio tells no signal in dBm. Measure there with another computer.")
    said += [text.format(zone=zone.zone, ssid=zone.ssid) for zone in survey.zones if zone.verdict == UNKNOWN]
    said += _band_advice(survey, _)
    said += conflicts(survey.visits, survey.limits.good, _)
    return said or [_("Coverage is good everywhere; nothing to do.")]


def _band_advice(survey: Survey, _: Translate) -> list[str]:
    bands: dict[tuple[str, str], set[str]] = {}
    for row in survey.rows:
        bands.setdefault((row.zone, row.ssid), set()).add(row.band)
    text = _("{zone}: {ssid} is heard in 2.4 GHz only. An access point with 5 GHz nearby would be faster and less disturbed.")
    return [text.format(zone=zone, ssid=ssid) for (zone, ssid), found in bands.items() if found == {"2.4"}]


def as_text(survey: Survey, changes: Sequence[Change], _: Translate) -> str:
    """The report for a terminal."""
    parts = [table(_zone_cells(survey, _)), table(_row_cells(survey, _))]
    if changes:
        parts.append(table(_change_cells(changes, _)))
    lines = [f"- {line}" for line in advice(survey, _)]
    return "\n".join([*parts, _("Advice") + ":", *lines]) + "\n"


def _zone_cells(survey: Survey, _: Translate) -> list[list[str]]:
    head = [_("Zone"), _("Network"), _("Signal"), _("Weakest spot"), _("Spots"), _("Verdict")]
    return [head] + [
        [zone.zone, zone.ssid, dbm(zone.signal_dbm, _), dbm(zone.weakest_dbm, _), str(zone.spots), _(zone.verdict)]
        for zone in survey.zones
    ]


def _row_cells(survey: Survey, _: Translate) -> list[list[str]]:
    head = [_("Zone"), _("Network"), _("Band"), _("Signal"), _("Channel"), _("Access point"), _("Channel load")]
    return [head] + [
        [
            row.zone,
            row.ssid,
            f"{row.band} GHz",
            dbm(row.signal_dbm, _),
            str(row.channel),
            row.bssid,
            "" if row.load is None else f"{row.load:.0%}",
        ]
        for row in survey.rows
    ]


def _change_cells(changes: Sequence[Change], _: Translate) -> list[list[str]]:
    head = [_("Zone"), _("Network"), _("Before"), _("After"), _("Change")]
    return [head] + [
        [
            change.zone,
            change.ssid,
            dbm(change.before, _),
            dbm(change.after, _),
            "" if change.gain_db is None else f"{change.gain_db:+.0f} dB",
        ]
        for change in changes
    ]


def tables(survey: Survey, changes: Sequence[Change], _: Translate) -> list[tuple[str, list[list[str]]]]:
    """Title and cells of each table, the head row first."""
    found = [(_("Before and after"), _change_cells(changes, _))] if changes else []
    return [*found, (_("Zones"), _zone_cells(survey, _)), (_("Networks by band"), _row_cells(survey, _))]


def table(rows: list[list[str]]) -> str:
    """Rows as aligned text, the first one as head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]]) + "\n"
