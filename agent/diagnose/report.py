"""Tells a diagnosis: JSON by the contract, text for pipes, a calm screen for terminals, one HTML page to send on.

Everywhere the verdict comes first, then the next step, then how it is known, then the table of checks. Nothing here judges.
"""

from __future__ import annotations

import datetime
import html
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent.diagnose.codes import CODES
from agent.diagnose.graph import NO_TIME, Result, Status
from agent.diagnose.judge import Finding, is_healthy
from agent.diagnose.phrases import phrased
from agent.locale import N_
from collectors.wire.hardware import hide

Translate = Callable[[str], str]
SCHEMA = 1
LAYERS = (
    N_("this computer"),
    N_("cable and Wi-Fi"),
    N_("address"),
    N_("router"),
    N_("line"),
    N_("name service"),
    N_("services"),
    N_("devices"),
)
STATUS_WORDS = {
    Status.PASS: N_("good"),
    Status.WARN: N_("warning"),
    Status.FAIL: N_("fault"),
    Status.SKIP: N_("not judged"),
    Status.ERROR: N_("not measured"),
}
MARKS = {Status.PASS: "+", Status.WARN: "!", Status.FAIL: "x", Status.SKIP: "-", Status.ERROR: "?"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found.

    Attributes:
        site: province, commune, site, name, instance.
        started: when, in seconds since 1970.
        seconds: how long it took.
        history: what the running agent remembers about a finding ("since 08:12, third time today"), by (code, subject).
        notes: sentences about what could not be looked at (a missing privilege), already translated.
    """

    site: Mapping[str, str]
    started: float
    seconds: float
    findings: Sequence[Finding]
    results: Mapping[str, Result]
    history: Mapping[tuple[str, str], str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def healthy(self) -> bool:
        """Healthy or only information, and nothing was left out for want of time."""
        return is_healthy(list(self.findings)) and not self.is_open

    @property
    def is_open(self) -> bool:
        """Nothing wrong was found, but not everything could be measured in the time: neither healthy nor a fault."""
        late = any(result.outcome.detail == NO_TIME for result in self.results.values())
        return late and is_healthy(list(self.findings))


def summary(finding: Finding, translate: Translate) -> str:
    """What is wrong, in one sentence."""
    return _fill(CODES[finding.code].summary, finding, translate)


def action(finding: Finding, translate: Translate) -> str:
    """What to do next, in one sentence or two."""
    return _fill(CODES[finding.code].action, finding, translate)


class _Facts(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _fill(template: str, finding: Finding, translate: Translate) -> str:
    told = {key: phrased(value, translate) if value else translate(N_("carrier unknown")) for key, value in finding.facts.items()}
    return translate(template).format_map(_Facts(told, subject=finding.subject))


def to_send(diagnosis: Diagnosis) -> Diagnosis:
    """The same with every hardware address hashed, for what may leave the site: all but the technician's own screen.

    The key is this diagnosis's own: two devices can be told apart in it, and nobody can try out the addresses of a maker.
    A check's `data` keeps the BSSID of the site's own access point, which the metrics name as well.
    """
    key = secrets.token_bytes(16)

    def hidden(result: Result) -> Result:
        return replace(result, outcome=replace(result.outcome, detail=hide(result.outcome.detail, key)))

    findings = [
        replace(finding, facts={name: hide(value, key) for name, value in finding.facts.items()})
        for finding in diagnosis.findings
    ]
    return replace(diagnosis, findings=findings, results={name: hidden(result) for name, result in diagnosis.results.items()})


def as_json(diagnosis: Diagnosis, translate: Translate) -> str:
    """The contract's JSON document (schema 1)."""
    started = datetime.datetime.fromtimestamp(diagnosis.started, datetime.UTC)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "site": dict(diagnosis.site),
        "started": started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "duration_seconds": round(diagnosis.seconds, 3),
        "healthy": diagnosis.healthy,
        "verdict": None if diagnosis.healthy or diagnosis.is_open else diagnosis.findings[0].code,
        "findings": [
            {
                "code": finding.code,
                "subject": finding.subject,
                "layer": finding.layer,
                "severity": finding.severity,
                "root": finding.root,
                "explains": list(finding.explains),
                "summary": summary(finding, translate),
                "action": action(finding, translate),
                "evidence": list(finding.evidence),
                **({"history": past} if (past := diagnosis.history.get((finding.code, finding.subject))) else {}),
            }
            for finding in diagnosis.findings
        ],
        "checks": [
            {
                "id": name,
                "status": result.outcome.status.value,
                "detail": result.outcome.detail,
                "data": dict(result.outcome.data),
                "seconds": round(result.seconds, 3),
            }
            for name, result in diagnosis.results.items()
        ],
        "notes": list(diagnosis.notes),
    }
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def headline(diagnosis: Diagnosis, translate: Translate) -> str:
    """The verdict in one sentence."""
    if diagnosis.is_open:
        return translate(N_("No fault found so far, but the time did not suffice for everything."))
    if diagnosis.healthy:
        return translate(N_("No fault found."))
    return summary(diagnosis.findings[0], translate)


def known_from(finding: Finding, diagnosis: Diagnosis, translate: Translate) -> list[str]:
    """The checks that tell of it, with what they saw."""
    return [
        f"{name}: {phrased(diagnosis.results[name].outcome.detail, translate)}"
        for name in finding.evidence[:4]
        if name in diagnosis.results and diagnosis.results[name].outcome.detail
    ]


def alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Findings of one code together, in the order of their first."""
    found: dict[str, list[Finding]] = {}
    for finding in findings:
        found.setdefault(finding.code, []).append(finding)
    return list(found.values())


def as_text(diagnosis: Diagnosis, translate: Translate) -> str:
    """Plain text, no colour, for pipes and files."""
    lines = [headline(diagnosis, translate)]
    for number, finding in enumerate(diagnosis.findings):
        if number or diagnosis.healthy or diagnosis.is_open:
            lines += ["", summary(finding, translate)]
        lines.append(f"  {translate(N_('To do'))}: {action(finding, translate)}")
        if past := diagnosis.history.get((finding.code, finding.subject)):
            lines.append(f"  {past}")
        lines += [f"  {translate(N_('Known from'))}: {why}" for why in known_from(finding, diagnosis, translate)]
        if finding.explains:
            lines.append(f"  {translate(N_('This explains'))}: {', '.join(finding.explains)}")
    lines += ["", *_rows(diagnosis, translate)]
    lines += [f"* {note}" for note in diagnosis.notes]
    return "\n".join(lines) + "\n"


def _rows(diagnosis: Diagnosis, translate: Translate) -> list[str]:
    width = max((len(name) for name in diagnosis.results), default=0)
    return [
        f"{MARKS[result.outcome.status]} {name.ljust(width)}  {translate(STATUS_WORDS[result.outcome.status])}  {phrased(result.outcome.detail, translate)}".rstrip()
        for name, result in diagnosis.results.items()
    ]


_PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title><style>
body{{font:16px/1.5 system-ui,"DejaVu Sans",sans-serif;margin:1.5rem auto;max-width:52rem;padding:0 1rem;color:#1b1f24}}
.verdict{{border-left:.5rem solid {colour};padding:.3rem 1rem;font-size:1.3rem;font-weight:600}}
.finding{{margin:1rem 0;padding:.2rem 1rem;border-left:.25rem solid #d0d7de}}.why,footer{{color:#57606a;font-size:.9rem}}
table{{border-collapse:collapse;width:100%;font-size:.9rem}}td{{padding:.15rem .6rem;border-bottom:1px solid #eaeef2;vertical-align:top}}
td{{overflow-wrap:anywhere}}td:nth-child(2){{white-space:nowrap}}.fail{{color:#b42318;font-weight:600}}.warn{{color:#9a6700}}.pass{{color:#1a7f37}}.skip,.error{{color:#6e7781}}
th{{text-align:left;padding:.8rem .6rem .2rem}}
</style></head><body><p class="verdict">{headline}</p>{findings}<table>{rows}</table><footer>{footer}</footer></body></html>
"""


def as_html(diagnosis: Diagnosis, translate: Translate, lang: str) -> str:
    """One self-contained page: no scripts, no references; addresses are kept, secrets never were in it."""
    parts = []
    for number, (finding, *others) in enumerate(alike(diagnosis.findings)):
        # The headline has said the first one already, unless it says that nothing is wrong.
        said = number == 0 and not diagnosis.healthy and not diagnosis.is_open
        lines = [
            f"<small>{finding.code}</small>"
            if said
            else f"<b>{html.escape(summary(finding, translate))}</b> <small>{finding.code}</small>",
            f"<b>{html.escape(translate(N_('To do')))}:</b> {html.escape(action(finding, translate))}",
        ]
        if others:
            lines.insert(1, html.escape(f"{translate(N_('Likewise'))}: {', '.join(one.subject for one in others)}"))
        if past := diagnosis.history.get((finding.code, finding.subject)):
            lines.append(html.escape(past))
        lines += [f'<span class="why">{html.escape(why)}</span>' for why in known_from(finding, diagnosis, translate)]
        parts.append(f'<div class="finding">{"<br>".join(lines)}</div>')
    rows = []
    for layer, title in enumerate(LAYERS):
        members = [(name, result) for name, result in diagnosis.results.items() if result.check.layer == layer]
        if members:
            rows.append(f'<tr><th colspan="3">{html.escape(translate(title))}</th></tr>')
        for name, result in members:
            status = result.outcome.status
            word = html.escape(translate(STATUS_WORDS[status]))
            rows.append(
                f'<tr><td>{html.escape(name)}</td><td class="{status.value}">{word}</td><td>{html.escape(phrased(result.outcome.detail, translate))}</td></tr>'
            )
    when = datetime.datetime.fromtimestamp(diagnosis.started, datetime.UTC).astimezone()
    facts = [
        diagnosis.site.get("name") or "",
        *(diagnosis.site.get(key, "") for key in ("province", "commune", "site", "instance")),
    ]
    where = " / ".join(fact for fact in facts if fact)
    notes = "".join(f"<br>* {html.escape(note)}" for note in diagnosis.notes)
    return _PAGE.format(
        lang=lang,
        title=html.escape(headline(diagnosis, translate)),
        colour="#1a7f37" if diagnosis.healthy else "#b42318",
        headline=html.escape(headline(diagnosis, translate)),
        findings="".join(parts),
        rows="".join(rows),
        footer=f"{html.escape(where)} · {when.isoformat(timespec='seconds')} · {diagnosis.seconds:.1f} s{notes}",
    )
