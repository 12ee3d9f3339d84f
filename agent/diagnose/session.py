"""One diagnosis from beginning to end: look around, ask the running agent, run the graph, judge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.diagnose.checks import build
from agent.diagnose.graph import Progress, run
from agent.diagnose.ground import Ground
from agent.diagnose.history import remember
from agent.diagnose.judge import judge
from agent.diagnose.report import Diagnosis, Translate
from agent.plan import resolve_uplinks
from agent.settings import AgentSettings
from collectors.machine import Machine
from collectors.probe.filesystems import Filesystems
from collectors.probe.icmp import Pinger
from collectors.probe.surroundings import look
from collectors.site import Context, Surroundings

WITHIN = 18.0
WITHIN_QUICK = 3.2
"""Seconds for the checks, of the 20 (4) that the whole command may take; what a slow start costs is taken off."""
STATUS_TIMEOUT = 1.0


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
        within: seconds, None for 4 or 20 with what comes before and after.
        socket: the running agent's Unix socket.
        surroundings: None to look.
        filesystems: None for the machine's own.
        progress: called as checks begin and end.
    """
    begin = machine.clock.monotonic()
    started = machine.clock.true()
    running = await ask_agent(socket)
    found = look(machine) if surroundings is None else surroundings
    uplinks = resolve_uplinks(settings.kinds["links"], found)
    context = Context(machine, settings.core.site, found, uplinks)
    pinger = context.session(Pinger, Pinger)
    ground = Ground(settings, context, pinger, filesystems or Filesystems(machine), quick, running)
    try:
        results = await run(build(ground), within=within or (WITHIN_QUICK if quick else WITHIN), progress=progress)
    finally:
        for session in context.sessions.values():
            with contextlib.suppress(Exception):
                await asyncio.wait_for(session.close(), 0.5)
    findings = judge(results)
    site = settings.core.site
    facts = {name: str(getattr(site, name)) for name in ("province", "commune", "site", "name", "instance", "zone")}
    gateways = {uplink.gateway: uplink.name for uplink in reversed(uplinks) if uplink.gateway}
    history = remember(findings, running, started, translate, gateways)
    notes = [translate(note) for note in ground.notes]
    return Diagnosis(facts, started, machine.clock.monotonic() - begin, findings, results, history, notes)


async def ask_agent(socket: Path | None) -> Mapping[str, Any] | None:
    """The status of the agent that runs here, None when none answers at once."""
    if socket is None or not socket.exists():
        return None
    import aiohttp  # noqa: PLC0415  only where an agent runs

    timeout = aiohttp.ClientTimeout(total=STATUS_TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=str(socket)), timeout=timeout) as session,
            session.get("http://agent/api/v1/status") as response,
        ):
            found: Mapping[str, Any] = await response.json()
            return found if response.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
