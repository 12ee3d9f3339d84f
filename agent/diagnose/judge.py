"""From results to findings: which suspect is the cause, what it explains, and in which order to tell them.

A suspect explains another when the other's check stands, directly or through others, on the suspect's check. What
nothing explains is a root. The judgement knows the graph and the layers, never a list of known faults.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent.diagnose.codes import CODES, SEVERITIES, Severity
from agent.diagnose.graph import Result, Results, Status, Suspect

LOSS_PROBES = 100
LOSS_FOUND = 0.08
"""Loss is judged from at least 100 probes: 8 % and more is a finding, less is a warning with its interval."""
RTT_SLOW_SECONDS = 0.150
JITTER_HIGH_SECONDS = 0.020
"""Two thirds of the 30 ms at which conferences suffer (Cisco), since a short series sees little of the tail."""
CONTRACT_SHARE = 0.8
"""QCVN 34: a line gives at least 0.8 of the contracted rate."""
SATURATED_SHARE = 0.9
CLOCK_WRONG_SECONDS = 60.0
WIFI_BUSY_RATIO = 0.8
"""Channel utilization from which on an access point has hardly any time left (Cisco: above 0.5 is high for voice)."""
DNS_SLOW_SECONDS = 0.4
DISK_FREE_BYTES = 200 * 2**20
DISK_FREE_RATIO = 0.02
MEMORY_FREE_RATIO = 0.05
CPU_BUSY_RATIO = 0.97
ERROR_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, as the contract gives it."""

    code: str
    subject: str
    severity: Severity
    root: bool
    explains: tuple[str, ...]
    facts: Mapping[str, str]
    evidence: tuple[str, ...]

    @property
    def layer(self) -> int:
        """The layer of the code."""
        return CODES[self.code].layer


def interval(lost: int, sent: int) -> tuple[float, float]:
    """The 95 % interval of a loss ratio (Wilson score), as ratios."""
    if sent == 0:
        return 0.0, 1.0
    z = 1.96
    share = lost / sent
    centre = (share + z * z / (2 * sent)) / (1 + z * z / sent)
    half = z / (1 + z * z / sent) * math.sqrt(share * (1 - share) / sent + z * z / (4 * sent * sent))
    return max(0.0, centre - half), min(1.0, centre + half)


def judge(results: Results) -> list[Finding]:
    """All findings, the root cause first, then other roots by layer and severity, then what they explain."""
    beneath = _beneath(results)

    def explains(name: str, other: str, suspect: Suspect) -> bool:
        """Does a fault found by the check `name` explain what `other` suspects?"""
        return name != other and name in (beneath[other] if suspect.stands_on is None else suspect.stands_on)

    raised = _merge_uplinks(results, [(name, suspect) for name, result in results.items() for suspect in result.outcome.suspects])
    raised = [(name, suspect) for name, suspect in raised if not _crossed(name, suspect, results)]
    findings = []
    for number, (name, suspect) in enumerate(raised):
        causes = [other for index, (other, _) in enumerate(raised) if index != number and explains(other, name, suspect)]
        explained = {other: later.code for other, later in raised if explains(name, other, later)}
        symptoms = [
            code
            for other, result in results.items()
            if name in beneath[other] and result.outcome.status is Status.SKIP
            for code in result.check.symptoms
        ]
        codes = dict.fromkeys([*explained.values(), *symptoms])
        evidence = (name, *(other for other in results if other in explained))
        codes.pop(suspect.code, None)
        findings.append(
            Finding(
                suspect.code,
                suspect.subject,
                suspect.severity or CODES[suspect.code].severity,
                root=not causes,
                explains=tuple(codes),
                facts=suspect.facts,
                evidence=evidence,
            )
        )
    return sorted(findings, key=_order)


def _crossed(name: str, suspect: Suspect, results: Results) -> bool:
    """Does what lies beyond answer with clearly less loss?

    Then the packets came through, and the router merely answers few pings, as many do to save their processor.
    """
    own = results[name].outcome.data.get("loss_interval")
    if own is None or not suspect.code.endswith(".lossy"):
        return False
    beyond = [result.outcome.data.get("loss_interval") for result in results.values() if name in result.check.stands_on]
    return any(found is not None and found[1] < own[0] for found in beyond)


def _order(finding: Finding) -> tuple[bool, bool, int, int]:
    # What nobody has to act on now never stands before what stops the work: information comes after everything else.
    return (not finding.root, finding.severity == "info", finding.layer, SEVERITIES.index(finding.severity))


def is_healthy(findings: list[Finding]) -> bool:
    """Healthy or only information."""
    return all(finding.severity == "info" for finding in findings)


def _beneath(results: Mapping[str, Result]) -> dict[str, set[str]]:
    """For each check, all that it stands on, directly or through others."""
    found: dict[str, set[str]] = {}

    def ground(name: str) -> set[str]:
        if name not in found:
            found[name] = set()  # soft edges may lead in a circle
            for edge in results[name].check.ground:
                found[name] |= {edge} | ground(edge)
        return found[name]

    for name in results:
        ground(name)
    return found


def _merge_uplinks(results: Results, raised: list[tuple[str, Suspect]]) -> list[tuple[str, Suspect]]:
    """A line that is down is `link.down` while another one works, `wan.down` when none does."""
    if any(name.startswith("uplink:") and result.outcome.carries for name, result in results.items()):
        return raised
    return [(name, replace(suspect, code="wan.down") if suspect.code == "link.down" else suspect) for name, suspect in raised]
