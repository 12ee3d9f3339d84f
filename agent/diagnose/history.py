"""What the running agent remembers about a finding: since when, and how often today."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from agent.diagnose.judge import Finding
from agent.diagnose.report import Translate
from agent.locale import N_

SERIES = {
    "wan.down": ("commune_link_up", "link"),
    "link.down": ("commune_link_up", "link"),
    "gateway.unreachable": ("commune_link_gateway_up", "link"),
    "dns.unreachable": ("commune_dns_success", "server"),
    "service.unreachable": ("commune_http_success", "target"),
    "service.error": ("commune_http_success", "target"),
    "service.tls_expired": ("commune_http_success", "target"),
    "service.tls_untrusted": ("commune_http_success", "target"),
    "device.unreachable": ("commune_device_up", "device"),
    "ups.on_battery": ("commune_ups_on_battery", "device"),
}
"""Code to the series whose changes the agent keeps, and the label that is the finding's subject."""

LINES = frozenset({"wan.down", "link.down"})
ORDINALS = (
    N_("first"),
    N_("second"),
    N_("third"),
    N_("fourth"),
    N_("fifth"),
    N_("sixth"),
    N_("seventh"),
    N_("eighth"),
    N_("ninth"),
)


def remember(
    findings: Sequence[Finding],
    running: Mapping[str, Any] | None,
    now: float,
    translate: Translate,
    gateways: Mapping[str, str],
) -> dict[tuple[str, str], str]:
    """A sentence for each finding that the running agent has seen begin, by (code, subject).

    The status holds `changes`: rows of metric, labels, value and time (seconds since 1970), oldest first.
    `gateways` names the link behind each gateway's address, since the agent speaks of links.
    """
    found = {}
    for finding in findings:
        metric, label = SERIES.get(finding.code, ("", ""))
        subject = gateways.get(finding.subject, finding.subject) if label == "link" else finding.subject
        bad = 1.0 if metric == "commune_ups_on_battery" else 0.0
        rows = [
            row for row in (running or {}).get("changes", ()) if row["metric"] == metric and row["labels"].get(label) == subject
        ]
        if finding.code in LINES and (not rows or rows[-1]["value"] != bad):
            rows, bad = _beacons((running or {}).get("changes", ()), subject), 0.0
        began = [float(row["time"]) for row in rows if row["value"] == bad]
        if not rows or rows[-1]["value"] != bad:
            continue
        since = datetime.datetime.fromtimestamp(began[-1], datetime.UTC).astimezone()
        today = datetime.datetime.fromtimestamp(now, datetime.UTC).astimezone().date()
        times = sum(datetime.datetime.fromtimestamp(moment, datetime.UTC).astimezone().date() == today for moment in began)
        form = "%H:%M" if since.date() == today else "%d/%m %H:%M"
        found[(finding.code, finding.subject)] = _sentence(since.strftime(form), times, translate)
    return found


def _beacons(changes: Sequence[Mapping[str, Any]], link: str) -> list[dict[str, float]]:
    """A line as its ping targets tell it, for an agent that judges lines by the gateway: down while none beyond answers."""
    states: dict[str, float] = {}
    found: list[dict[str, float]] = []
    for row in changes:
        labels = row["labels"]
        if row["metric"] == "commune_ping_up" and labels.get("link") == link and not labels["target"].startswith("gateway"):
            states[labels["target"]] = row["value"]
            up = float(any(states.values()))
            if not found or found[-1]["value"] != up:
                found.append({"value": up, "time": row["time"]})
    return found


def _sentence(since: str, times: int, translate: Translate) -> str:
    """Since when, and the how manieth time it is today; begun yesterday, it is none of today's."""
    if not times:
        return translate(N_("Since {time}.")).format(time=since)
    if times > len(ORDINALS):
        return translate(N_("Since {time}; times today: {count}.")).format(time=since, count=times)
    ordinal = translate(ORDINALS[times - 1])
    return translate(N_("Since {time}, {ordinal} time today.")).format(time=since, ordinal=ordinal)
