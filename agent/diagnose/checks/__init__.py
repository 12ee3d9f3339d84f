"""The check graph of a site: which checks there are here and now, and what each stands on."""

from __future__ import annotations

from agent.diagnose.checks import devices, host, lan, line, local, names, services, wifi
from agent.diagnose.graph import Check
from agent.diagnose.ground import Ground


def build(ground: Ground) -> list[Check]:
    """Every check for this computer, with its edges; lower layers first."""
    checks = [
        *host.build(ground),
        *wifi.build(ground),
        *local.build(ground),
        *lan.build(ground),
        *line.build(ground),
        *names.build(ground),
        *services.build(ground),
        *devices.build(ground),
    ]
    known = {check.id for check in checks}
    return [_within(check, known) for check in checks]


def _within(check: Check, known: set[str]) -> Check:
    """Edges to checks that do not exist on this site (no Wi-Fi, no proxy) fall away."""
    return Check(
        check.id,
        check.layer,
        check.run,
        needs=tuple(edge for edge in check.needs if edge in known),
        needs_any=tuple(edge for edge in check.needs_any if edge in known),
        after=tuple(edge for edge in check.after if edge in known),
        stands_on=tuple(edge for edge in check.stands_on if edge in known),
        symptoms=check.symptoms,
    )
