"""`agent province report`: the service level of a month, per commune; pages to print and tables to compute with."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from agent.province import report_html
from agent.province.month import STATES, Key, Month
from agent.province.report_html import availability


def write(month: Month, earlier: Month | None, out: Path) -> list[Path]:
    """Write the pages and tables; gives their paths."""
    out.mkdir(parents=True, exist_ok=True)
    written = []
    communes = sorted({key[0] for key in month.lines})
    for commune in communes:
        page = out / f"{commune}.html"
        page.write_text(report_html.commune_page(month, earlier, commune), encoding="utf-8")
        written.append(page)
        table = out / f"{commune}.csv"
        table.write_text(_csv(month, [key for key in month.lines if key[0] == commune]), encoding="utf-8-sig")
        written.append(table)
    for key in sorted(month.lines):
        page = out / "evidence" / f"{'-'.join(key)}.html"
        page.parent.mkdir(exist_ok=True)
        page.write_text(report_html.evidence_page(month, key), encoding="utf-8")
        written.append(page)
    (out / "index.html").write_text(report_html.index_page(month, earlier, communes), encoding="utf-8")
    (out / "lines.csv").write_text(_csv(month, list(month.lines)), encoding="utf-8-sig")
    return [*written, out / "index.html", out / "lines.csv"]


def _csv(month: Month, keys: list[Key]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    head = ["month", "commune", "site", "name", "link", "carrier", "availability", "availability_in_hours"]
    head += [f"{state}_seconds" for state in STATES] + [f"{state}_seconds_in_hours" for state in STATES]
    writer.writerow([*head, "outages", "longest_outage_seconds", "rtt_p50_seconds", "rtt_p95_seconds", "loss_p95_ratio"])
    for key in sorted(keys):
        line = month.lines[key]
        shares = ["" if value is None else f"{value:.6f}" for value in (availability(line.whole), availability(line.hours))]
        lengths = [end - begin for begin, end in line.outages]
        facts = [f"{line.facts[name]:.6g}" if name in line.facts else "" for name in ("rtt50", "rtt95", "loss95")]
        row = [month.name, key[0], key[1], month.names.get(key[:2], ""), key[2], line.carrier, *shares]
        row += [f"{line.whole[state]:.0f}" for state in STATES] + [f"{line.hours[state]:.0f}" for state in STATES]
        writer.writerow([*row, len(lengths), f"{max(lengths, default=0):.0f}", *facts])
    return text.getvalue()
