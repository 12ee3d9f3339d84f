"""The terminal screen of a diagnosis, by rich: only a terminal pays for its import."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from agent.diagnose.graph import Result, Status
from agent.diagnose.phrases import phrased
from agent.diagnose.report import (
    LAYERS,
    MARKS,
    STATUS_WORDS,
    Diagnosis,
    Translate,
    action,
    alike,
    headline,
    known_from,
    summary,
)
from agent.locale import N_

_STYLES = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "bold red", Status.SKIP: "dim", Status.ERROR: "magenta"}
_WORST = (Status.SKIP, Status.PASS, Status.ERROR, Status.WARN, Status.FAIL)
MORE_FINDINGS = 2
"""Kinds of findings beside the first that a screen tells with their next step; the others are only named."""
EVIDENCE_SHOWN = 2
PROMPT_LINES = 1
_SEVERITY_STYLES = {"critical": "bold red", "warning": "bold yellow", "info": "cyan"}
INDENT = 2


def show(diagnosis: Diagnosis, translate: Translate, console: Console) -> None:
    """The terminal screen: verdict, next step, how it is known, what else is wrong, then the checks by layer.

    All of it stays within the height of the terminal where that can be, so that the first line is still seen at the end:
    a layer takes one line, and the checks that failed are named as far as there is room.
    """
    lines = [("", 0), *_told(diagnosis, translate)]
    lines += [("", 0)] + [(f"[dim]* {escape(note)}[/]", 0) for note in diagnosis.notes]
    said = [Padding(Text.from_markup(text or " "), (0, 0, 0, indent), expand=False) for text, indent in lines]
    room = console.height - PROMPT_LINES - sum(len(console.render_lines(one)) for one in said)
    above = len(said) - len(diagnosis.notes)
    for one in (*said[:above], _table(diagnosis, translate, room), *said[above:]):
        console.print(one)


def _told(diagnosis: Diagnosis, translate: Translate) -> list[tuple[str, int]]:
    """The findings: lines in rich's markup, and how far each is indented."""
    told = list(diagnosis.findings)
    style = "bold green" if diagnosis.healthy else "bold yellow" if diagnosis.is_open else _SEVERITY_STYLES[told[0].severity]
    lines = [(f"[{style}]{escape(headline(diagnosis, translate))}[/]", 0)]
    for number, (finding, *others) in enumerate(alike(told)):
        if number or diagnosis.healthy or diagnosis.is_open:
            lines += [("", 0)] if number <= MORE_FINDINGS else []
            lines.append((f"[{_SEVERITY_STYLES[finding.severity]}]{escape(summary(finding, translate))}[/]", 0))
        if others:
            lines.append((f"{translate(N_('Likewise'))}: {escape(', '.join(one.subject for one in others))}", INDENT))
        if number == 0 or (finding.root and number <= MORE_FINDINGS):
            lines.append((f"[bold]{translate(N_('To do'))}:[/] {escape(action(finding, translate))}", INDENT))
        if number == 0:
            past = diagnosis.history.get((finding.code, finding.subject))
            lines += [(escape(past), INDENT)] if past else []
            known = escape(translate(N_("Known from")))
            lines += [
                (f"[dim]{known}: {escape(why)}[/]", INDENT) for why in known_from(finding, diagnosis, translate)[:EVIDENCE_SHOWN]
            ]
    return lines


def _table(diagnosis: Diagnosis, translate: Translate, room: int) -> Table:
    """A line for each layer, and in `room` lines as many of the checks that found something as there is place for."""
    table = Table(box=None, padding=(0, 1), show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True)
    layers = [
        (title, members)
        for layer, title in enumerate(LAYERS)
        if (members := [(name, result) for name, result in diagnosis.results.items() if result.check.layer == layer])
    ]
    room -= len(layers)
    for title, members in layers:
        worst = max((result.outcome.status for _, result in members), key=_WORST.index)
        label = f"[{_STYLES[worst]}]{MARKS[worst]}[/] {escape(translate(title))}"
        table.add_row(label, f"[{_STYLES[worst]}]{escape(_layer_line(members, worst, translate))}[/]")
        for name, result in members:
            status = result.outcome.status
            if status in {Status.FAIL, Status.WARN} and result.outcome.suspects and room > 0:
                table.add_row(f"    [{_STYLES[status]}]{escape(name)}[/]", escape(phrased(result.outcome.detail, translate)))
                room -= 1
    return table


def _layer_line(members: Sequence[tuple[str, Result]], worst: Status, translate: Translate) -> str:
    """A layer in a few words: its worst status, and how many of its checks came out so."""
    word = translate(STATUS_WORDS[worst])
    judged = [result for _, result in members if result.outcome.status is not Status.SKIP] or members
    count = sum(result.outcome.status is worst for _, result in members)
    return word if count == len(judged) else f"{word} ({count}/{len(judged)})"
