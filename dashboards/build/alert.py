"""What an alert is, in one declaration: when, how bad, for whom, and what to say and do in both languages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["page", "ticket", "info", "none"]
Scope = Literal["province", "area", "carrier", "site", "link", "agent", "zone", "device", "service", "stack"]
BOARD = {
    "province": "commune-province?var-province={{ $labels.province }}",
    "area": "commune-province?var-province={{ $labels.province }}",
    "carrier": "commune-uplinks?var-province={{ $labels.province }}",
    "site": "commune-commune?var-province={{ $labels.province }}&var-commune={{ $labels.commune }}&var-site={{ $labels.site }}",
    "link": "commune-uplinks?var-province={{ $labels.province }}&var-commune={{ $labels.commune }}&var-site={{ $labels.site }}",
    "agent": "commune-agents?var-province={{ $labels.province }}&var-commune={{ $labels.commune }}&var-site={{ $labels.site }}",
    "zone": "commune-wifi?var-province={{ $labels.province }}&var-commune={{ $labels.commune }}&var-site={{ $labels.site }}",
    "device": "commune-devices?var-province={{ $labels.province }}&var-commune={{ $labels.commune }}&var-site={{ $labels.site }}",
    "service": "commune-portals?var-province={{ $labels.province }}",
    "stack": "commune-agents?var-province={{ $labels.province }}",
}


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        wait: the rule's `for`, in seconds; a child's is longer than its parent's.
        hold: `keep_firing_for` in seconds, against flapping; left out in dialects that refuse it.
        vi, en: a summary and the next step, with Prometheus templates.
    """

    name: str
    severity: Severity
    scope: Scope
    expression: str
    wait: int
    vi: tuple[str, str]
    en: tuple[str, str]
    hold: int = 0
    labels: dict[str, str] = field(default_factory=dict)

    def rule(self) -> dict[str, object]:
        """The rule as Prometheus reads it."""
        rule: dict[str, object] = {"alert": self.name, "expr": self.expression}
        if self.wait:
            rule["for"] = f"{self.wait}s"
        if self.hold:
            rule["keep_firing_for"] = f"{self.hold}s"
        rule["labels"] = {"severity": self.severity, "scope": self.scope, **self.labels}
        rule["annotations"] = {
            "summary_vi": self.vi[0],
            "action_vi": self.vi[1],
            "summary_en": self.en[0],
            "action_en": self.en[1],
            "dashboard_url": "__GRAFANA__/d/" + BOARD[self.scope],
            "runbook_url": f"__RUNBOOKS__/{self.name}.md",
        }
        return rule


@dataclass(frozen=True)
class AlertGroup:
    """Alerts that are judged together every `interval` seconds."""

    name: str
    interval: int
    alerts: tuple[Alert, ...]


def _query(series: str, label: str) -> str:
    return f"query (printf \"{series}{{province='%s', {label}='%s'}}\" $labels.province $labels.{label})"


def count_query(series: str, label: str) -> str:
    """A template that prints the value of a series of the alert's province and `label`, 0 without one."""
    return f"{{{{ with {_query(series, label)} }}}}{{{{ . | first | value }}}}{{{{ else }}}}0{{{{ end }}}}"


CONTACTS = (
    f"{{{{ range {_query('commune_contact_info', 'commune')} }}}} ({{{{ .Labels.contact }}}}"
    "{{ with .Labels.phone }} {{ . }}{{ end }}){{ end }}"
)
"""Whom to call at the commune, in brackets, when the inventory names somebody."""
DESK = f"{{{{ range {_query('commune_carrier_info', 'carrier')} }}}}{{{{ with .Labels.desk }}}} ({{{{ . }}}}){{{{ end }}}}{{{{ end }}}}"
"""The number of the carrier's desk, in brackets, when the inventory says it."""
