"""The report as one HTML file that stands alone: pictures inside, no script, prints on A4."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from agent.locale import Translate
from agent.survey.report import DEAD, GOOD, UNKNOWN, WEAK, Change, Survey, advice, tables

STYLE = """
:root{color-scheme:light}body{font:16px/1.5 "DejaVu Sans",system-ui,sans-serif;color:#1b1b1b;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2rem 0 .5rem}p.when{color:#555;margin:0 0 1.2rem}
.sum{display:flex;gap:.8rem;flex-wrap:wrap}.sum div{border:1px solid #ccc;border-radius:.5rem;padding:.5rem 1rem;min-width:7rem}
.sum b{display:block;font-size:1.6rem}img{max-width:100%;height:auto;border:1px solid #ddd;border-radius:.4rem;margin:.6rem 0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #ddd}th{background:#f3f3f3}
div.wide{overflow-x:auto}td{white-space:nowrap}td:first-child{white-space:normal;min-width:7rem}
.good{color:#1a7f37}.weak{color:#b35900}.dead{color:#b00020;font-weight:bold}.unknown{color:#555}li{margin:.35rem 0}
@media(max-width:40rem){body{margin:1rem auto}th,td{padding:.3rem .4rem;font-size:.85rem}.sum div{min-width:4rem;padding:.4rem .6rem}
.wide img{max-width:none;height:24rem}}
@media print{body{margin:0;font-size:12px}img{max-height:16cm}td{white-space:normal}}
"""


def render(
    survey: Survey, changes: Sequence[Change], pictures: Sequence[Path], language: str, _: Translate, site: str = ""
) -> str:
    """The page's text, headed by the name of the site where that is known."""
    title = _("Wi-Fi coverage survey") + (f": {site}" if site else "")
    days = sorted({datetime.fromtimestamp(visit.time, UTC).astimezone().strftime("%d/%m/%Y") for visit in survey.visits})
    verdicts = {_(word): word for word in (GOOD, WEAK, DEAD, UNKNOWN)}
    parts = [
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f'<h1>{escape(title)}</h1><p class="when">{escape(_("Measured on"))} {escape(", ".join(days))}</p>',
        '<div class="sum">',
    ]
    counted = [(GOOD, _("good zones")), (WEAK, _("weak zones")), (DEAD, _("dead zones"))]
    if UNKNOWN in survey.places.values():
        counted.append((UNKNOWN, _("zones unknown")))
    for word, label in counted:
        count = sum(verdict == word for verdict in survey.places.values())
        parts.append(f'<div><b class="{word if count else ""}">{count}</b>{escape(label)}</div>')
    parts.append("</div>")
    for picture in pictures:
        data = base64.b64encode(picture.read_bytes()).decode()
        parts.append(f'<div class="wide"><img alt="{escape(_("Heat map"))}" src="data:image/png;base64,{data}"></div>')
    parts.append(f"<h2>{escape(_('Advice'))}</h2><ul>")
    parts += [f"<li>{escape(line)}</li>" for line in advice(survey, _)]
    parts.append("</ul>")
    for name, rows in tables(survey, changes, _):
        head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
        parts.append(f"<h2>{escape(name)}</h2><div class='wide'><table><thead><tr>{head}</tr></thead><tbody>")
        for row in rows[1:]:
            cells = "".join(f'<td class="{verdicts.get(cell, "")}">{escape(cell)}</td>' for cell in row)
            parts.append(f"<tr>{cells}</tr>")
        parts.append("</tbody></table></div>")
    return "\n".join([*parts, "</body></html>\n"])
