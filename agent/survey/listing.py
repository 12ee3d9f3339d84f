"""What was heard, as text for the screen: names of neighbours are shown to whoever measures and go into no file."""

from __future__ import annotations

from collections.abc import Sequence

from agent.locale import Translate
from agent.survey import report
from agent.survey.air import Sender
from agent.survey.importer import Imported
from collectors.wire.ieee80211 import Bss


def networks(found: Sequence[Bss], own: Sequence[str], _: Translate) -> str:
    """A table of networks, the strongest first."""
    head = [_("Network"), _("Access point"), _("Band"), _("Channel"), _("Signal"), _("Security"), ""]
    rows = [
        [
            bss.ssid or _("(hidden)"),
            bss.bssid,
            bss.band,
            str(bss.channel or ""),
            report.dbm(bss.signal_dbm, _),
            bss.security,
            _("own") if bss.ssid in own else "",
        ]
        for bss in sorted(found, key=lambda bss: -(bss.signal_dbm or -999))
    ]
    return report.table([head, *rows])


def air(found: Imported, own: Sequence[str], twins: Sequence[tuple[Sender, str]], _: Translate) -> str:
    """What a capture shows: its networks, how often each sends again, and attacks."""
    lines = [networks(found.networks, own, _)]
    for sender in found.senders:
        ratio = f"{sender.retries / sender.frames:.0%}" if sender.frames else "-"
        hidden = ", " + _("name hidden") if sender.is_hidden else ""
        facts = {"bssid": sender.bssid, "beacons": sender.beacons, "frames": sender.frames, "retries": ratio}
        lines.append(_("{bssid}: {beacons} beacons, {frames} frames, {retries} sent again").format(**facts) + hidden)
    for flood in found.floods:
        text = _(
            "Deauthentication flood in the name of {bssid}: {frames} frames, up to {peak} a second. Somebody may be throwing clients out."
        )
        lines.append(text.format(bssid=flood.bssid, frames=flood.frames, peak=flood.peak))
    for sender, expected in twins:
        text = _(
            "{bssid} uses the site's name {ssid} on channel {channel} from an address that is not the site's. It may be a false access point."
        )
        if expected:
            text = _(
                "{bssid} uses the site's name {ssid} on channel {channel} with {security} instead of {expected}. It may be a false access point."
            )
        facts = {"bssid": sender.bssid, "ssid": sender.ssid, "channel": sender.bss().channel, "security": sender.security}
        lines.append(text.format(expected=expected, **facts))
    return "\n".join(lines)
