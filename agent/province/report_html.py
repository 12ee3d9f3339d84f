"""The pages of the monthly report: plain HTML with drawings inside, to be read on a screen, printed or sent to a carrier."""

from __future__ import annotations

import datetime
import html
import zoneinfo
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.province.month import Key, Line, Month

TARGET = 0.995
_ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")
_COLORS = {"up": "#2e7d32", "degraded": "#f9a825", "down": "#c62828", "unknown": "#9e9e9e"}
_STATES = {
    "up": "chạy / up",
    "degraded": "kém / degraded",
    "down": "đứt / down",
    "unknown": "không biết / unknown",
}
_CAUSES = {
    "CarrierOutage": "sự cố nhà mạng / carrier incident",
    "AreaOutage": "mất điện, bão cả khu vực / power or storm",
    "SiteDark": "cả điểm mất / site dark",
    "SiteSilent": "im lặng / silent",
    "UpsOnBattery": "mất điện / mains power",
    "GatewayDown": "bộ định tuyến / router",
    "UplinkDown": "đường truyền / line",
}
_GAPS = {
    "agent_stopped": "phần mềm dừng / agent stopped",
    "machine_off": "máy tắt / computer off",
    "power_lost": "mất điện / power lost",
    "suspended": "máy ngủ / suspended",
    "refused": "máy chủ từ chối / refused",
    "expired": "quá hạn lưu / expired",
}
_STYLE = """
body{font:15px/1.5 "DejaVu Sans",Arial,sans-serif;color:#222;max-width:60rem;margin:1.5rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:1.6rem 0 .4rem;border-bottom:1px solid #ccc}
table{border-collapse:collapse;width:100%;margin:.4rem 0}td,th{padding:.25rem .5rem;text-align:left;border-bottom:1px solid #eee}
th{background:#f5f5f5;font-weight:600}td.n{text-align:right;font-variant-numeric:tabular-nums}
.bad{color:#c62828;font-weight:600}.good{color:#2e7d32}.note{color:#666;font-size:.9rem}svg{width:100%;min-width:34rem;height:auto}
.wide{overflow-x:auto}td.n{white-space:nowrap}
@media print{body{margin:0;max-width:none}h2{break-after:avoid}tr{break-inside:avoid}}
"""


def _page(title: str, body: list[str]) -> str:
    text = "\n".join(body)
    return (
        f'<!doctype html><html lang="vi"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>\n{text}\n</body></html>\n"
    )


def percent(value: float | None, digits: int = 2) -> str:
    """A share as people here write it: a comma for the decimals."""
    return "-" if value is None else f"{value * 100:.{digits}f} %".replace(".", ",")


def span(seconds: float) -> str:
    """A length of time in hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02}" if minutes >= 60 else f"{minutes} min"


def when(moment: float) -> str:
    """A local moment."""
    return datetime.datetime.fromtimestamp(moment, _ZONE).strftime("%d/%m %H:%M")


def availability(seconds: dict[str, float]) -> float | None:
    """Share of the known time in which the line worked; None when nothing is known."""
    known = seconds["up"] + seconds["degraded"] + seconds["down"]
    return (seconds["up"] + seconds["degraded"]) / known if known > 0 else None


def _share(value: float | None) -> str:
    shade = "" if value is None else ("good" if value >= TARGET else "bad")
    return f'<td class="n {shade}">{percent(value)}</td>'


def _table(head: list[str], rows: list[str]) -> str:
    cells = "".join(f"<th>{html.escape(text)}</th>" for text in head)
    return f'<div class="wide"><table><tr>{cells}</tr>{"".join(f"<tr>{row}</tr>" for row in rows)}</table></div>'


def _cells(*values: str) -> str:
    return "".join(f"<td>{html.escape(value)}</td>" for value in values)


def day_chart(line: Line, days: int) -> str:
    """A column a day: hours in each state, from the bottom: up, degraded, down, unknown."""
    width, tall = 720, 130
    step = (width - 40) / days
    parts = [f'<div class="wide"><svg viewBox="0 0 {width} {tall + 40}" role="img" aria-label="Theo ngày / by day">']
    for hour in (0, 12, 24):
        y = tall - hour / 24 * tall + 4
        parts.append(f'<line x1="32" x2="{width}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="26" y="{y + 4:.0f}" font-size="11" text-anchor="end" fill="#666">{hour} h</text>')
    for day in range(1, days + 1):
        top = tall + 4.0
        x = 36 + (day - 1) * step
        for state, color in _COLORS.items():
            high = min(line.days[day][state], 86400.0) / 86400 * tall if day in line.days else 0.0
            top -= high
            if high > 0:
                parts.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{step * 0.8:.1f}" height="{high:.2f}" fill="{color}"/>')
        if day == 1 or day % 5 == 0:
            parts.append(
                f'<text x="{x + step * 0.4:.1f}" y="{tall + 18}" font-size="11" text-anchor="middle" fill="#666">{day}</text>'
            )
    for order, (state, color) in enumerate(_COLORS.items()):
        x = 36 + order * 170
        parts.append(f'<rect x="{x}" y="{tall + 23}" width="10" height="10" fill="{color}"/>')
        parts.append(f'<text x="{x + 14}" y="{tall + 32}" font-size="11" fill="#333">{_STATES[state]}</text>')
    return "".join([*parts, "</svg></div>"])


def _days(month: Month) -> int:
    return max(1, round((month.end - month.start) / 86400 + 0.49))


def _cause(month: Month, key: Key, begin: float, end: float) -> str:
    """What the alerts of that time said; the widest cause wins."""
    places = (key[:2], (month.lines[key].carrier,), (month.areas.get(key[:2], ""),))
    told = [alert for place in places for alert in month.causes.get(place, [])]
    named = {name for name, moment in told if begin - 300 <= moment <= end + 300}
    order = ("CarrierOutage", "AreaOutage", "UpsOnBattery", "SiteDark", "SiteSilent", "GatewayDown", "UplinkDown")
    return next((_CAUSES[name] for name in order if name in named), _CAUSES["UplinkDown"])


def commune_page(month: Month, earlier: Month | None, commune: str) -> str:
    """The report of one commune."""
    keys = sorted(key for key in month.lines if key[0] == commune)
    name = next((title for (code, _), title in month.names.items() if code == commune), commune)
    body = [
        f"<h1>{html.escape(name)}</h1>",
        f'<p class="note">Mức dịch vụ tháng / service level of {month.name} · mã / code {commune} · mục tiêu / target 99,5 %</p>',
    ]
    rows = []
    for key in keys:
        line = month.lines[key]
        total = sum(line.whole.values())
        rows.append(
            _cells(f"{key[1]} / {key[2]}", line.carrier)
            + _share(availability(line.whole))
            + _share(availability(line.hours))
            + f'<td class="n">{span(line.whole["down"])}</td><td class="n">{span(line.hours["down"])}</td>'
            + f'<td class="n">{percent(line.whole["unknown"] / total if total else None, 1)}</td><td class="n">{len(line.outages)}</td>'
        )
    body.append("<h2>Độ sẵn sàng / Availability</h2>")
    head = [
        "Đường / Line",
        "Nhà mạng / Carrier",
        "Cả ngày / 24 h",
        "Trong giờ / In hours",
        "Đứt / Down",
        "Đứt trong giờ / Down in hours",
    ]
    body.append(_table([*head, "Không biết / Unknown", "Lần đứt / Outages"], rows))
    for key in keys:
        body.append(f"<h2>{html.escape(key[1])} / {html.escape(key[2])}</h2>")
        body.append(day_chart(month.lines[key], _days(month)))
        body.append(
            f'<p class="note"><a href="evidence/{"-".join(key)}.html">Trang chứng cứ cho nhà mạng / evidence for the carrier</a></p>'
        )
    outages = sorted((begin, end, key) for key in keys for begin, end in month.lines[key].outages)
    body.append("<h2>Các lần đứt / Outages</h2>")
    shown = [
        _cells(when(begin), span(end - begin), f"{key[1]} / {key[2]}", _cause(month, key, begin, end))
        for begin, end, key in outages[:60]
    ]
    body.append(
        _table(["Bắt đầu / From", "Kéo dài / Length", "Đường / Line", "Nguyên nhân / Cause"], shown)
        if shown
        else "<p>Không có. / None.</p>"
    )
    zones = [(f"{site}: {zone}", share) for code, site, zone, share in month.zones if code == commune]
    body += ["<h2>Vùng yếu Wi-Fi / Dead zones</h2>", _dead_zones(zones)]
    gaps = month.gaps.get(commune, {})
    body.append("<h2>Thời gian không có số liệu / Time without data</h2>")
    shown = [
        _cells(_GAPS.get(reason, reason), span(value))
        for reason, value in sorted(gaps.items(), key=lambda item: -item[1])
        if value >= 60
    ]
    body.append(_table(["Lý do / Reason", "Tổng / Total"], shown) if shown else "<p>Không có. / None.</p>")
    if earlier is not None:
        body += _improved(month, earlier, keys)
    return _page(f"{name} {month.name}", body)


def _change(month: Month, earlier: Month, key: Key) -> tuple[float, float] | None:
    """Availability of a line in the month before and in this one; None when either is not known."""
    then = availability(earlier.lines[key].whole) if key in earlier.lines else None
    now = availability(month.lines[key].whole)
    return None if now is None or then is None else (then, now)


def _improved(month: Month, earlier: Month, keys: list[Key], *, named: bool = False) -> list[str]:
    rows = []
    for key in keys:
        known = _change(month, earlier, key)
        if known is None:
            continue
        then, now = known
        change = (now - then) * 100
        word = "tốt hơn / better" if change > 0.005 else ("kém hơn / worse" if change < -0.005 else "như cũ / the same")
        line = f"{month.names.get(key[:2], key[0])}: {key[2]}" if named else f"{key[1]} / {key[2]}"
        rows.append(_cells(line, percent(then), percent(now), f"{change:+.2f}".replace(".", ","), word))
    if not rows:
        return []
    head = ["Đường / Line", f"Tháng {earlier.name}", f"Tháng {month.name}", "Điểm % / Points", ""]
    return ["<h2>So với tháng trước / Against the month before</h2>", _table(head, rows)]


def _most_changed(month: Month, earlier: Month) -> list[Key]:
    """The lines that changed most, the improved first."""
    changes = {key: known[1] - known[0] for key in month.lines if (known := _change(month, earlier, key)) is not None}
    ranked = sorted((key for key in changes if abs(changes[key]) > 5e-5), key=lambda key: -abs(changes[key]))[:20]
    return sorted(ranked, key=lambda key: -changes[key])


def _dead_zones(zones: list[tuple[str, float]]) -> str:
    rows = [_cells(place, percent(share, 0)) for place, share in sorted(zones, key=lambda item: -item[1])[:20]]
    return _table(["Điểm, vùng / Site, zone", "Phần thời gian / Share of time"], rows) if rows else "<p>Không có. / None.</p>"


def evidence_page(month: Month, key: Key) -> str:
    """One uplink, for its carrier: both ends' view, percentiles, the contract, and every outage."""
    line = month.lines[key]
    name = month.names.get(key[:2], key[0])
    facts = line.facts
    body = [
        f"<h1>{html.escape(name)}: {html.escape(key[2])}</h1>",
        f'<p class="note">Chứng cứ đường truyền / evidence · {html.escape(month.desks.get(line.carrier) or line.carrier or "?")} · {month.name} · {when(month.start)} - {when(month.end)} (UTC+7)</p>',
        day_chart(line, _days(month)),
    ]
    rows = [
        _cells(
            "Độ sẵn sàng, nhìn từ xã / availability, seen from the site",
            percent(availability(line.whole), 3),
            "≥ 99,5 % (QCVN 34)",
        ),
        _cells("Trả lời, nhìn từ tỉnh / answers, seen from the province", percent(line.outside, 3), ""),
        _cells("Tổng thời gian đứt / time down", span(line.whole["down"]), ""),
    ]
    for fact, text, limit in (
        ("rtt50", "Trễ trung vị / median delay", "≤ 50 ms (QCVN 34)"),
        ("rtt95", "Trễ 95 % / delay, 95th percentile", ""),
        ("jitter95", "Biến động 95 % / jitter, 95th percentile", "≤ 30 ms"),
    ):
        if fact in facts:
            rows.append(_cells(text, f"{facts[fact] * 1000:.1f} ms".replace(".", ","), limit))
    if "loss95" in facts:
        rows.append(_cells("Mất gói 95 % / loss, 95th percentile", percent(facts["loss95"]), "≤ 1 %"))
    for rate, contract, text in (
        ("down50", "contract", "Tải xuống trung vị / median download"),
        ("up50", "contract_up", "Tải lên trung vị / median upload"),
    ):
        if rate in facts:
            promised = f"{facts[contract] * 8e-6:.0f} Mbit/s, ≥ 80 % (QCVN 34)" if contract in facts else ""
            share = f" = {percent(facts[rate] / facts[contract], 0)}" if facts.get(contract) else ""
            rows.append(_cells(text, f"{facts[rate] * 8e-6:.1f} Mbit/s".replace(".", ",") + share, promised))
    body += ["<h2>Số đo / Figures</h2>", _table(["", "Đo được / Measured", "Yêu cầu / Asked for"], rows)]
    shown = [
        _cells(when(begin), when(end), span(end - begin), _cause(month, key, begin, end)) for begin, end in line.outages[:200]
    ]
    body.append("<h2>Các lần đứt / Outages</h2>")
    body.append(
        _table(["Từ / From", "Đến / To", "Kéo dài / Length", "Nguyên nhân / Cause"], shown)
        if shown
        else "<p>Không có. / None.</p>"
    )
    body.append(
        '<p class="note">Cách đo: mỗi giây một gói ICMP tới nhiều địa chỉ ngoài nhà mạng; đường chỉ bị coi là đứt khi không địa chỉ nào trả lời. '
        "How it was measured: one ICMP echo a second to several addresses beyond the carrier; the line counts as down only when none answers.</p>"
    )
    return _page(f"{name} {key[2]} {month.name}", body)


def index_page(month: Month, earlier: Month | None, communes: list[str]) -> str:
    """The province: worst lines, carriers, dead zones, what changed, and a link to every commune."""
    ranked = sorted(((share, key) for key, line in month.lines.items() if (share := availability(line.whole)) is not None))
    below = sum(share < TARGET for share, _ in ranked)
    body = [
        f"<h1>Mức dịch vụ {html.escape(month.province)} {month.name}</h1>",
        f'<p class="note">{len(communes)} xã / communes · {len(ranked)} đường / lines · {below} dưới / below 99,5 %</p>',
        "<h2>Đường tệ nhất / Worst lines</h2>",
    ]
    rows = [
        f'<td><a href="{key[0]}.html">{html.escape(month.names.get(key[:2], key[0]))}</a></td>'
        + _cells(key[2], month.lines[key].carrier)
        + _share(share)
        + _share(availability(month.lines[key].hours))
        + _cells(span(month.lines[key].whole["down"]))
        for share, key in ranked[:20]
    ]
    body.append(_table(["Điểm / Site", "Đường / Line", "Nhà mạng / Carrier", "24 h", "Trong giờ / In hours", "Đứt / Down"], rows))
    down: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for line in month.lines.values():
        down[line.carrier] += round(line.whole["down"])
        known[line.carrier] += round(line.whole["up"] + line.whole["degraded"] + line.whole["down"])
    rows = [
        _cells(carrier or "?") + _share(1 - down[carrier] / known[carrier]) + _cells(span(down[carrier]))
        for carrier in sorted(known)
        if known[carrier]
    ]
    body += [
        "<h2>Nhà mạng / Carriers</h2>",
        _table(["Nhà mạng / Carrier", "24 h", "Đứt / Down"], rows),
        "<h2>Vùng yếu Wi-Fi / Dead zones</h2>",
        _dead_zones([(f"{month.names.get((code, site), code)}: {zone}", share) for code, site, zone, share in month.zones]),
    ]
    if earlier is not None:
        body += _improved(month, earlier, _most_changed(month, earlier), named=True)
    body += ["<h2>Các xã / Communes</h2>", "<p>"]
    names = {code: name for (code, _), name in reversed(month.names.items())}
    body.append(" · ".join(f'<a href="{code}.html">{html.escape(names.get(code, code))}</a>' for code in communes) + "</p>")
    return _page(f"{month.province} {month.name}", body)
