"""One diagnosis from beginning to end: look around, ask the running agent, run the graph, judge."""

from __future__ import annotations

import asyncio
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.diagnose.checks import build
from agent.diagnose.graph import NO_TIME, Progress, run
from agent.diagnose.ground import Ground
from agent.diagnose.history import remember
from agent.diagnose.judge import judge
from agent.diagnose.report import Diagnosis, Translate
from agent.locale import N_
from agent.plan import resolve_uplinks
from agent.settings import AgentSettings
from agent.tasks import spawn
from collectors.machine import Machine
from collectors.probe.filesystems import Filesystems
from collectors.probe.icmp import Pinger
from collectors.probe.surroundings import look
from collectors.site import Context, Surroundings

WITHIN = 17.5
WITHIN_QUICK = 3.2
"""Seconds for everything here, of the 20 (4) that the whole command may take; a slow start leaves less."""
STATUS_TIMEOUT = 1.0
CLOSE_WITHIN = 0.2


async def diagnose(
    settings: AgentSettings,
    machine: Machine,
    translate: Translate,
    *,
    quick: bool = False,
    within: float | None = None,
    socket: Path | None = None,
    surroundings: Surroundings | None = None,
    filesystems: Filesystems | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Diagnose this site.

    Args:
        settings: the configuration, or the defaults.
        machine: the computer.
        translate: for the sentences that history and notes are told in.
        quick: within 4 seconds, without long series.
        within: seconds until the last check has ended, what comes before the checks included; None for `WITHIN`.
        socket: the running agent's Unix socket.
        surroundings: None to look.
        filesystems: None for the machine's own.
        progress: called as checks begin and end.
    """
    begin = machine.clock.monotonic()
    started = machine.clock.true()
    within = within or (WITHIN_QUICK if quick else WITHIN)
    running = await ask_agent(socket, min(STATUS_TIMEOUT, within / 4))
    found = look(machine) if surroundings is None else surroundings
    uplinks = resolve_uplinks(settings.kinds["links"], found)
    context = Context(machine, settings.core.site, found, uplinks)
    pinger = context.session(Pinger, Pinger)
    ground = Ground(settings, context, pinger, filesystems or Filesystems(machine), quick, running)
    try:
        checks = build(ground)
        left = within - (machine.clock.monotonic() - begin)
        results = await run(checks, within=max(left, 0.0), progress=progress)
    finally:
        closing = [spawn(session.close(), "diagnose/close") for session in context.sessions.values()]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_WITHIN)
    findings = judge(results)
    site = settings.core.site
    facts = {name: str(getattr(site, name)) for name in ("province", "commune", "site", "name", "instance", "zone")}
    facts["instance"] = facts["instance"] or platform.node()
    gateways = {uplink.gateway: uplink.name for uplink in reversed(uplinks) if uplink.gateway}
    history = remember(findings, running, started, translate, gateways)
    notes = [translate(note) for note in ground.notes]
    if late := [name for name, result in results.items() if result.outcome.detail == NO_TIME]:
        notes.append(translate(N_("Not measured for want of time: {checks}.")).format(checks=", ".join(late)))
    return Diagnosis(facts, started, machine.clock.monotonic() - begin, findings, results, history, notes)


async def ask_agent(socket: Path | None, within: float = STATUS_TIMEOUT) -> Mapping[str, Any] | None:
    """The status of the agent that runs here, None when none answers within so many seconds."""
    if socket is None or not socket.exists():
        return None
    from agent.http_client import by_unix_socket  # noqa: PLC0415  only where an agent runs

    try:
        async with asyncio.timeout(within), by_unix_socket(socket) as client:
            reply = await client.request("GET", "http://agent/api/v1/status")
            found: Mapping[str, Any] = json.loads(reply.body)
            return found if reply.status == 200 else None
    except (OSError, ValueError):
        return None
