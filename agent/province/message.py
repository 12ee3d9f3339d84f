"""What people read in a chat: one incident, its update or its end, in Vietnamese or English, within Zalo's limit."""

from __future__ import annotations

import datetime
import unicodedata
from typing import Any

LIMIT = 2000
"""The longest text that the Zalo Bot API takes."""
WORDS = {
    "vi": {
        "new": "SỰ CỐ",
        "update": "CẬP NHẬT",
        "end": "ĐÃ KHÔI PHỤC",
        "next": "Việc cần làm",
        "more": "và {} việc khác",
        "at": "lúc {}",
        "minutes": "sau {} phút",
        "hours": "sau {} giờ {:02} phút",
    },
    "en": {
        "new": "INCIDENT",
        "update": "UPDATE",
        "end": "RECOVERED",
        "next": "Next step",
        "more": "and {} more",
        "at": "at {}",
        "minutes": "after {} min",
        "hours": "after {} h {:02}",
    },
}
SILENT = {
    "vi": "SỰ CỐ: hệ thống giám sát của tỉnh im lặng từ {} phút. Kiểm tra máy chủ Prometheus và Alertmanager; trong lúc này không có cảnh báo nào.",
    "en": "INCIDENT: the province's monitoring has been silent for {} minutes. Check Prometheus and Alertmanager; no alarm comes meanwhile.",
}
BACK = {
    "vi": "ĐÃ KHÔI PHỤC: hệ thống giám sát của tỉnh hoạt động lại.",
    "en": "RECOVERED: the province's monitoring works again.",
}


def compose(payload: dict[str, Any], lang: str, zone: datetime.tzinfo, *, known: bool) -> str:
    """The text of one notification of Alertmanager (webhook version 4).

    Args:
        payload: what Alertmanager sent.
        lang: `vi` or `en`.
        zone: of the times in it.
        known: this incident was told before, so that a firing one is an update.
    """
    words = WORDS[lang]
    alerts = [alert for alert in payload.get("alerts", []) if isinstance(alert, dict)]
    ended = payload.get("status") == "resolved"
    head = words["end"] if ended else words["update" if known else "new"]
    firing = [alert for alert in alerts if alert.get("status") == "firing"] or alerts
    lines = []
    for alert in firing:
        notes = alert.get("annotations", {})
        text = str(notes.get(f"summary_{lang}") or alert.get("labels", {}).get("alertname", "?"))
        if not ended and notes.get(f"action_{lang}"):
            text += f"\n{words['next']}: {notes[f'action_{lang}']}"
        lines.append(text)
    link = next(
        (str(alert["annotations"]["dashboard_url"]) for alert in firing if alert.get("annotations", {}).get("dashboard_url")), ""
    )
    return _fitted(f"{head}{_when(firing, words, zone, ended=ended)}: ", list(dict.fromkeys(lines)), link, words["more"])


def _when(alerts: list[dict[str, Any]], words: dict[str, str], zone: datetime.tzinfo, *, ended: bool) -> str:
    """When it began, or when it was over and how long it took: a message may come late."""
    moments = [[_moment(alert.get(key)) for alert in alerts] for key in ("startsAt", "endsAt")]
    starts, ends = ([moment for moment in found if moment is not None] for found in moments)
    if not starts or (ended and not ends):
        return ""
    if not ended:
        return " " + words["at"].format(min(starts).astimezone(zone).strftime("%H:%M %d/%m"))
    minutes = max(1, round((max(ends) - min(starts)).total_seconds() / 60))
    lasted = words["minutes"].format(minutes) if minutes < 60 else words["hours"].format(*divmod(minutes, 60))
    return f" {words['at'].format(max(ends).astimezone(zone).strftime('%H:%M %d/%m'))} {lasted}"


def _moment(text: object) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.year > 1 else None  # year 1: Alertmanager's "not yet"


def length(text: str) -> int:
    """How long a text is for Zalo: UTF-16 units, as everything of JavaScript counts."""
    return len(text.encode("utf-16-le")) // 2


def _fitted(head: str, lines: list[str], link: str, more: str) -> str:
    """As many whole lines as the limit allows, then how many were left out; the link stays. A single line ends with a word."""
    tail = f"\n{link}" if link else ""
    for count in range(len(lines), 0, -1):
        rest = f"\n{more.format(len(lines) - count)}" if count < len(lines) else ""
        text = unicodedata.normalize("NFC", head + "\n".join(lines[:count]) + rest + tail)
        if length(text) <= LIMIT:
            return text
    text = unicodedata.normalize("NFC", head + "".join(lines[:1]))
    room = LIMIT - length(tail) - 1
    cut = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", "ignore")
    words = cut.rsplit(None, 1)[0]
    return (words if length(words) > room // 2 else cut) + "…" + tail
