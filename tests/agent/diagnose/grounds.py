"""Grounds for checks: a captured root of a few files, and surroundings as a test wants them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.diagnose.graph import Check, Outcome, Result, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.plan import resolve_uplinks
from agent.settings import defaults
from collectors.machine import Machine
from collectors.probe.filesystems import Filesystems, Space
from collectors.probe.icmp import Pinger
from collectors.site import Context, Interface, Route, Surroundings

GATEWAY = "192.168.1.1"
SITE = Surroundings((Route(4, "eth0", GATEWAY, 100),), (GATEWAY,), (Interface("eth0", ("192.168.1.10/24",), wireless=False),))
NIC = {
    "carrier": "1",
    "duplex": "full",
    "ifindex": "2",
    "iflink": "2",
    "operstate": "up",
    "speed": "1000",
    "uevent": "INTERFACE=eth0",
}


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Files of a machine, by absolute name."""
    for name, text in files.items():
        file = root / name.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return root


def nic(name: str = "eth0", **values: str) -> dict[str, str]:
    """The files of a card."""
    return {f"/sys/class/net/{name}/{key}": value for key, value in {**NIC, **values}.items()}


def ground(
    root: Path,
    surroundings: Surroundings = SITE,
    spaces: Mapping[str, Space] | None = None,
    environ: Mapping[str, str] | None = None,
    **keywords: Any,
) -> Ground:
    """A ground on a captured root; nothing is sent unless a check does."""
    machine = Machine(root, environ=dict(environ or {}))
    settings = defaults()
    context = Context(machine, settings.core.site, surroundings, resolve_uplinks((), surroundings))
    disks = Filesystems(machine, lambda path: (spaces or {})[path])
    return Ground(settings, context, Pinger(), disks, **keywords)


def codes(outcome: Outcome) -> list[str]:
    """What it suspects."""
    return [suspect.code for suspect in outcome.suspects]


async def _never(_: Results) -> Outcome:
    raise AssertionError


def ended(name: str, outcome: Outcome | None = None, *suspects: Suspect, **edges: Any) -> dict[str, Result]:
    """A check that has ended, for those that read what came before."""
    found = outcome or Outcome(Status.FAIL if suspects else Status.PASS, suspects=suspects)
    return {name: Result(Check(name, 0, _never, **edges), found, 0.1)}
