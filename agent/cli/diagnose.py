"""`agent diagnose`: what is wrong here, and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent import statedir
from agent.cli.run import load_settings
from agent.diagnose import report
from agent.diagnose.session import WITHIN, WITHIN_QUICK, diagnose
from agent.locale import choose, translator
from collectors.machine import Machine

if TYPE_CHECKING:
    from agent.diagnose.graph import Check, Result
    from agent.diagnose.report import Diagnosis, Translate
    from agent.settings import AgentSettings


@click.command()
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration file; none is needed.")
@click.option("--lang", type=click.Choice(["vi", "en"]), help="Language; default: that of the system.")
@click.option("--json", "as_json", is_flag=True, help="Print the contract's JSON document.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write one page to send to a colleague.")
@click.option("--quick", is_flag=True, help="Answer within 4 seconds, without long series of probes.")
def command(path: Path | None, lang: str | None, page: Path | None, *, as_json: bool, quick: bool) -> None:
    """Find out what is wrong here, and what to do next.

    Exit status: 0 healthy or only information, 1 a problem, 2 the diagnosis could not be run.
    """
    logging.disable(logging.CRITICAL)
    settings = load_settings(path)
    spoken = choose(lang, os.environ)
    translate = translator(spoken)
    try:
        found = asyncio.run(_run(settings, translate, quick=quick, screen=not as_json and sys.stdout.isatty()))
    except OSError as error:
        click.echo(f"the diagnosis could not be run: {error}", err=True)
        sys.exit(2)
    if page is not None:
        try:
            page.write_text(report.as_html(found, translate, spoken), encoding="utf-8")
        except OSError as error:
            click.echo(f"{page}: cannot be written: {error.strerror}; name another file", err=True)
            sys.exit(2)
    if as_json:
        click.echo(report.as_json(found, translate), nl=False)
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415  only a screen pays for it

        report.show(found, translate, Console(highlight=False, no_color="NO_COLOR" in os.environ))
    else:
        click.echo(report.as_text(found, translate), nl=False)
    sys.exit(0 if found.healthy else 1)


async def _run(settings: AgentSettings, translate: Translate, *, quick: bool, screen: bool) -> Diagnosis:
    machine = Machine()
    within = _left(quick=quick)
    socket = _socket(settings, machine)
    if not screen:
        return await diagnose(settings, machine, translate, quick=quick, within=within, socket=socket)
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    running: dict[str, None] = {}
    done = 0
    with Live(Text(""), transient=True, refresh_per_second=8) as live:

        def progress(check: Check, result: Result | None) -> None:
            nonlocal done
            if result is None:
                running[check.id] = None
            else:
                running.pop(check.id, None)
                done += 1
            live.update(Text(f"{done}  {', '.join(running)}", overflow="ellipsis", no_wrap=True))

        return await diagnose(settings, machine, translate, quick=quick, within=within, socket=socket, progress=progress)


def _left(*, quick: bool) -> float:
    """Seconds for the checks: the bound of the command, less what its start has cost on this computer."""
    whole, least = (3.7, 1.5) if quick else (19.0, 12.0)
    return min(WITHIN_QUICK if quick else WITHIN, max(least, whole - time.process_time()))


def _socket(settings: AgentSettings, machine: Machine) -> Path | None:
    """Where an agent that runs here listens: as configured, else the service's, else the user's own."""
    wanted = statedir.wanted(settings, machine)
    for place in (wanted, Path("/var/lib/commune-agent")):
        with contextlib.suppress(OSError):
            if place is not None and (place / statedir.SOCKET_NAME).exists():
                return place / statedir.SOCKET_NAME
    return None
