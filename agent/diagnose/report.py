"""Tells a diagnosis: JSON by the contract, text for pipes, a calm screen for terminals, one HTML page to send on.

The verdict comes first, then the next step, then how it is known. Nothing here judges.
"""

from __future__ import annotations

import datetime
import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.diagnose.codes import CODES, N_
from agent.diagnose.graph import NO_TIME, Result, Status
from agent.diagnose.judge import Finding, is_healthy

if TYPE_CHECKING:
    from rich.console import Console

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
_MARKS = {Status.PASS: "+", Status.WARN: "!", Status.FAIL: "x", Status.SKIP: "-", Status.ERROR: "?"}
_STYLES = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIP: "dim", Status.ERROR: "magenta"}
_WORST = (Status.SKIP, Status.PASS, Status.ERROR, Status.WARN, Status.FAIL)
MORE_FINDINGS = 2
"""Kinds of findings beside the first that a screen tells with their next step; the others are only named."""
EVIDENCE_SHOWN = 2
_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "cyan"}


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
    facts = _Facts({key: value or translate(N_("carrier unknown")) for key, value in finding.facts.items()})
    return translate(template).format_map(_Facts(facts, subject=finding.subject))


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


def _why(finding: Finding, diagnosis: Diagnosis) -> list[str]:
    return [
        f"{name}: {diagnosis.results[name].outcome.detail}"
        for name in finding.evidence[:4]
        if name in diagnosis.results and diagnosis.results[name].outcome.detail
    ]


def as_text(diagnosis: Diagnosis, translate: Translate) -> str:
    """Plain text, no colour, for pipes and files."""
    lines = [headline(diagnosis, translate)]
    for number, finding in enumerate(diagnosis.findings):
        if number or diagnosis.healthy or diagnosis.is_open:
            lines += ["", summary(finding, translate)]
        lines.append(f"  {translate(N_('To do'))}: {action(finding, translate)}")
        if past := diagnosis.history.get((finding.code, finding.subject)):
            lines.append(f"  {past}")
        lines += [f"  {translate(N_('Known from'))}: {why}" for why in _why(finding, diagnosis)]
        if finding.explains:
            lines.append(f"  {translate(N_('This explains'))}: {', '.join(finding.explains)}")
    lines += ["", *_rows(diagnosis, translate)]
    lines += [f"* {note}" for note in diagnosis.notes]
    return "\n".join(lines) + "\n"


def _rows(diagnosis: Diagnosis, translate: Translate) -> list[str]:
    width = max((len(name) for name in diagnosis.results), default=0)
    return [
        f"{_MARKS[result.outcome.status]} {name.ljust(width)}  {translate(STATUS_WORDS[result.outcome.status])}  {result.outcome.detail}".rstrip()
        for name, result in diagnosis.results.items()
    ]


def show(diagnosis: Diagnosis, translate: Translate, console: Console) -> None:
    """The terminal screen: every check by layer, then evidence, then verdict and next step where the eye is at the end.

    Layers without a fault take one line, so that verdict, next step and what led to them fit the last 24 lines.
    """
    from rich.markup import escape  # noqa: PLC0415  only a screen pays for rich
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True)
    for layer, title in enumerate(LAYERS):
        members = [(name, result) for name, result in diagnosis.results.items() if result.check.layer == layer]
        if not members:
            continue
        worst = max((result.outcome.status for _, result in members), key=_WORST.index)
        label = f"[{_STYLES[worst]}]{_MARKS[worst]}[/] {escape(translate(title))}"
        table.add_row(label, f"[{_STYLES[worst]}]{escape(_layer_line(members, worst, translate))}[/]")
        for name, result in members:
            status = result.outcome.status
            if status in {Status.FAIL, Status.WARN} and result.outcome.suspects:
                table.add_row(f"    [{_STYLES[status]}]{escape(name)}[/]", escape(result.outcome.detail))
    console.print()
    console.print(table)
    for note in diagnosis.notes:
        console.print(f"[dim]* {escape(note)}[/]")
    told = list(diagnosis.findings)
    alike: dict[str, list[Finding]] = {}
    for finding in told[1:]:
        alike.setdefault(finding.code, []).append(finding)
    for number, (code, (finding, *others)) in reversed(list(enumerate(alike.items()))):
        gap = "\n" if number < MORE_FINDINGS else ""
        console.print(f"{gap}[{_SEVERITY_STYLES[finding.severity]}]{escape(summary(finding, translate))}[/]")
        if others:
            console.print(f"  {translate(N_('Likewise'))}: {escape(', '.join(one.subject for one in others))}")
        if finding.root and code != told[0].code and number < MORE_FINDINGS:
            console.print(f"  {translate(N_('To do'))}: {escape(action(finding, translate))}")
    style = "bold green" if diagnosis.healthy else "bold yellow" if diagnosis.is_open else _SEVERITY_STYLES[told[0].severity]
    console.print(f"\n[{style}]{escape(headline(diagnosis, translate))}[/]")
    if told:
        first = told[0]
        if diagnosis.healthy or diagnosis.is_open:
            console.print(f"[{_SEVERITY_STYLES[first.severity]}]{escape(summary(first, translate))}[/]")
        for why in _why(first, diagnosis)[:EVIDENCE_SHOWN]:
            console.print(f"  [dim]{escape(translate(N_('Known from')))}: {escape(why)}[/]", no_wrap=True, overflow="ellipsis")
        if past := diagnosis.history.get((first.code, first.subject)):
            console.print(f"  {escape(past)}")
        console.print(f"  [bold]{translate(N_('To do'))}:[/] {escape(action(first, translate))}")


def _layer_line(members: Sequence[tuple[str, Result]], worst: Status, translate: Translate) -> str:
    """A layer in a few words: its worst status, and how many of its checks came out so."""
    word = translate(STATUS_WORDS[worst])
    judged = [result for _, result in members if result.outcome.status is not Status.SKIP] or members
    count = sum(result.outcome.status is worst for _, result in members)
    return word if count == len(judged) else f"{word} ({count}/{len(judged)})"


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
    for finding in diagnosis.findings:
        why = "".join(f'<br><span class="why">{html.escape(line)}</span>' for line in _why(finding, diagnosis))
        past = diagnosis.history.get((finding.code, finding.subject), "")
        parts.append(
            f'<div class="finding"><b>{html.escape(summary(finding, translate))}</b> <small>{finding.code}</small><br>'
            f"{html.escape(translate(N_('To do')))}: {html.escape(action(finding, translate))}"
            f"{'<br>' + html.escape(past) if past else ''}{why}</div>"
        )
    rows = []
    for layer, title in enumerate(LAYERS):
        members = [(name, result) for name, result in diagnosis.results.items() if result.check.layer == layer]
        if members:
            rows.append(f'<tr><th colspan="3">{html.escape(translate(title))}</th></tr>')
        for name, result in members:
            status = result.outcome.status
            word = html.escape(translate(STATUS_WORDS[status]))
            rows.append(
                f'<tr><td>{html.escape(name)}</td><td class="{status.value}">{word}</td><td>{html.escape(result.outcome.detail)}</td></tr>'
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
