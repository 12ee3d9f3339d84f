"""`agent gaps`: the ledger of intervals without data."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import json
import sqlite3
import sys
import time
from pathlib import Path

import click

from agent.cli.local import BASE, client_of, config_option, directory_of
from agent.cli.speech import _
from agent.forward import gaps
from agent.forward.gaps import Gap
from agent.locale import N_
from collectors.wire.units import parse_duration

_SAID = {
    "agent_stopped": N_("agent stopped"),
    "machine_off": N_("computer off"),
    "power_lost": N_("power lost"),
    "suspended": N_("computer asleep"),
    "refused": N_("refused by the province"),
    "expired": N_("waited too long"),
}


@click.command()
@config_option
@click.option("--since", default="7d", show_default=True, help="How far back: 12h, 7d, 30d.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(path: Path | None, since: str, *, as_json: bool) -> None:
    """Intervals without data, each with its reason."""
    try:
        begin = time.time() - parse_duration(since)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--since") from None
    directory = directory_of(path)
    try:
        found = asyncio.run(_find(directory, begin))
    except sqlite3.Error as error:
        file = directory / gaps.FILE
        click.echo(_("{file} cannot be read, and no agent runs: {error}").format(file=file, error=error), err=True)
        sys.exit(2)
    if as_json:
        click.echo(json.dumps([{**dataclasses.asdict(gap), "seconds": gap.seconds} for gap in found], indent=2))
        return
    if not found:
        click.echo(_("no gaps in the last {span}").format(span=since))
        return
    rows = [(_("from"), _("to"), _("lasted"), _("reason"))]
    for gap in found:
        said = _(_SAID.get(gap.reason, gap.reason))
        detail = f"  ({gap.detail})" if gap.detail else ""
        rows.append((_local(gap.begin), _local(gap.end), _length(gap.seconds), f"{gap.reason}: {said}{detail}"))
    for first, last, lasted, reason in rows:
        click.echo(f"{first:19}  {last:19}  {lasted:>9}  {reason}")


async def _find(directory: Path, since: float) -> list[Gap]:
    """From the running agent, else from its file."""
    try:
        async with client_of(directory) as client:
            reply = await client.request("GET", f"{BASE}/api/v1/gaps?since={since}")
            return [Gap(**row) for row in json.loads(reply.body)["gaps"]]
    except OSError:
        pass
    if not (directory / gaps.FILE).exists():
        click.echo(_("no agent runs, and none has left a ledger in {directory}").format(directory=directory), err=True)
        return []
    return gaps.read(directory / gaps.FILE, since)


def _local(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"
