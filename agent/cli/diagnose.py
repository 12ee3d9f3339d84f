"""`agent diagnose`: what is wrong here, and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from agent import statedir
from agent.cli.run import load_settings
from agent.diagnose import report
from agent.diagnose.session import diagnose
from agent.locale import N_, choose, translator
from collectors.machine import Machine

if TYPE_CHECKING:
    from agent.diagnose.graph import Check, Result
    from agent.diagnose.report import Diagnosis, Translate
    from agent.settings import AgentSettings

LAST_CHECK, LAST_CHECK_QUICK = 17.5, 3.3
"""Seconds from the start of the process until the last check has ended, of the 20 (4) that the command may take."""
LEAST, LEAST_QUICK = 10.0, 1.5
"""Seconds left for the checks however slow the start was: with less there is nothing to tell."""
GIVEN_UP = 5.0
"""Seconds beyond that: then something holds the whole process (a dead network drive), and it is ended."""


@click.command()
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration file; none is needed.")
@click.option("--lang", type=click.Choice(["vi", "en"]), help="Language; default: that of the system.")
@click.option("--json", "as_json", is_flag=True, help="Print the contract's JSON document.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write one page to send to a colleague.")
@click.option("--quick", is_flag=True, help="Answer within 4 seconds, without long series of probes.")
def command(path: Path | None, lang: str | None, page: Path | None, *, as_json: bool, quick: bool) -> None:
    """Find out what is wrong here, and what to do next.

    Exit status: 0 healthy or only information, 1 a problem, 2 the diagnosis could not be run, or not to its end.
    """
    logging.disable(logging.CRITICAL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # an old terminal may not know every letter of the language
    left = _left(quick=quick)
    _end_after(left + GIVEN_UP)
    settings = load_settings(path)
    spoken = choose(lang, os.environ)
    translate = translator(spoken)
    try:
        # No asyncio.run: it would wait at the end for whatever hangs.
        loop = asyncio.new_event_loop()
        drawn = not as_json and sys.stdout.isatty()
        found = loop.run_until_complete(_run(settings, translate, quick=quick, screen=drawn, within=left))
    except OSError as error:
        click.echo(f"the diagnosis could not be run: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        _end(130)
    sent = report.to_send(found)
    if as_json:
        click.echo(report.as_json(sent, translate), nl=False)
    elif sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415  only a screen pays for it

        from agent.diagnose import screen  # noqa: PLC0415

        screen.show(found, translate, Console(highlight=False, no_color="NO_COLOR" in os.environ))
    else:
        click.echo(report.as_text(sent, translate), nl=False)
    if page is not None:
        try:
            page.write_text(report.as_html(sent, translate, spoken), encoding="utf-8")
        except OSError as error:
            click.echo(f"{page}: cannot be written: {error.strerror}; name another file", err=True)
            _end(2)
    _end(0 if found.healthy else 2 if found.is_open else 1)


async def _run(settings: AgentSettings, translate: Translate, *, quick: bool, screen: bool, within: float) -> Diagnosis:
    machine = Machine()
    socket = _socket(settings, machine)
    if not screen:
        return await diagnose(settings, machine, translate, quick=quick, within=within, socket=socket)
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    running: dict[str, str] = {}
    done = 0
    with Live(Text(""), transient=True, refresh_per_second=8) as live:

        def progress(check: Check, result: Result | None) -> None:
            nonlocal done
            if result is None:
                running[check.id] = translate(report.LAYERS[check.layer])
            else:
                running.pop(check.id, None)
                done += 1
            told = translate(N_("{count} checks done; now: {what}")).format(
                count=done, what=", ".join(dict.fromkeys(running.values()))
            )
            live.update(Text(told, overflow="ellipsis", no_wrap=True))

        return await diagnose(settings, machine, translate, quick=quick, within=within, socket=socket, progress=progress)


def _left(*, quick: bool) -> float:
    """Seconds until the last check must have ended: the bound, less what the start has cost on this computer."""
    whole, least = (LAST_CHECK_QUICK, LEAST_QUICK) if quick else (LAST_CHECK, LEAST)
    return max(least, whole - _age())


def _age() -> float:
    """Seconds since this process was started, the interpreter's own start included; processor time where that is not told."""
    used = time.process_time()
    if sys.platform != "linux":
        return used
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return used
    # Where a sandbox does not tell the start, the age is that of the machine.
    return age if used <= age < LAST_CHECK else used


def _end_after(seconds: float) -> None:
    """Should the event loop itself be held up: say so and end."""

    def give_up() -> None:
        os.write(2, b"the diagnosis could not be run: a file of this computer cannot be read (a dead network drive?)\n")
        os._exit(2)

    timer = threading.Timer(seconds, give_up)
    timer.daemon = True
    timer.start()


def _end(status: int) -> NoReturn:
    """End at once: threads that wait for a dead name server or drive are left behind."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _socket(settings: AgentSettings, machine: Machine) -> Path | None:
    """Where an agent that runs here listens: as configured, else the service's, else the user's own."""
    wanted = statedir.wanted(settings, machine)
    for place in (wanted, Path("/var/lib/commune-agent")):
        with contextlib.suppress(OSError):
            if place is not None and (place / statedir.SOCKET_NAME).exists():
                return place / statedir.SOCKET_NAME
    return None
