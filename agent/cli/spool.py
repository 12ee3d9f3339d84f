"""`agent spool`: carries what waits by hand, where no line will be soon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import sys
from pathlib import Path
from typing import BinaryIO

import click

from agent.cli.local import BASE, client_of, config_option, directory_of
from agent.cli.run import load_settings
from agent.cli.speech import _
from agent.clock import boot_id
from agent.forward.api import NAME
from agent.forward.database import open_to_read
from agent.forward.disks import make_durable
from agent.forward.packing import DamagedError
from agent.forward.spool import FILE, UNTIMED, Spool
from agent.http_client import HttpClient, Reply
from agent.settings import BasicAuth, RemoteWriteSettings, TlsClient
from collectors.machine import Machine, SystemClock


@click.group()
def command() -> None:
    """Carry samples by hand: export on the site, import at the province."""


@command.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--clock-is-right", is_flag=True, help="Where nobody tells the time, trust this computer's clock.")
def export(path: Path | None, file: Path, *, clock_is_right: bool) -> None:
    """Write everything that waits to FILE; it is not sent by the line any more."""
    directory = directory_of(path)
    temporary = file.with_name(f"{file.name}.part")
    try:
        if file.exists():
            message = _("{file} exists already, and may hold what is at the province not yet; name another file").format(
                file=file
            )
            raise click.ClickException(message)  # noqa: TRY301  told as every other reason
        asyncio.run(_export(directory, path, temporary, file, clock_is_right=clock_is_right))
    except (OSError, sqlite3.Error, click.ClickException) as error:
        temporary.unlink(missing_ok=True)
        click.echo(_("not exported, everything stays in the spool: {error}").format(error=error), err=True)
        sys.exit(2)


async def _export(directory: Path, path: Path | None, temporary: Path, file: Path, *, clock_is_right: bool) -> None:
    """From the running agent, else from its file. What is exported is withheld once FILE is safe, not before."""
    async with client_of(directory) as client:
        try:
            with temporary.open("wb") as handle:
                reply = await _ask(client, handle, "?clock_is_right=1" if clock_is_right else "")
            if reply is not None and reply.status == 200:
                make_durable(temporary, file)
        except BaseException:
            with contextlib.suppress(OSError):
                await client.request("POST", f"{BASE}/api/v1/spool/release?unconfirmed=1")
            raise
        if reply is None:
            await _export_file(directory, path, temporary, file, clock_is_right=clock_is_right)
            return
        if reply.status != 200:
            raise click.ClickException(reply.text.strip())
        await _confirm(client, reply.head.get(NAME.lower()) or "", file)
    _tell(file)


async def _ask(client: HttpClient, handle: BinaryIO, query: str) -> Reply | None:
    """The running agent's answer, the copy going to `handle`; None when no agent runs."""
    try:
        return await client.request("POST", f"{BASE}/api/v1/spool/export{query}", sink=handle)
    except (ConnectionRefusedError, FileNotFoundError):
        return None


async def _confirm(client: HttpClient, name: str, file: Path) -> None:
    """Tell the agent that FILE is safe; where it cannot be told, the line will send everything and FILE must go."""
    trouble = _("the export was interrupted")
    try:
        answer = await client.request("POST", f"{BASE}/api/v1/spool/carried?name={name}")
        trouble = "" if answer.status == 204 else answer.text.strip()
    finally:
        if trouble:
            file.unlink(missing_ok=True)
    if trouble:
        raise click.ClickException(trouble)


def _spool(directory: Path, path: Path | None) -> Spool:
    """The spool of an agent that does not run; commands never make one."""
    if not (directory / FILE).exists():
        message = _("no spool in {directory}").format(directory=directory)
        raise click.ClickException(message)
    limits = load_settings(path).core.spool
    return Spool(directory, max_bytes=int(limits.max_bytes), max_age=limits.max_age)


async def _export_file(directory: Path, path: Path | None, temporary: Path, file: Path, *, clock_is_right: bool) -> None:
    spool = _spool(directory, path)
    try:
        if clock_is_right:
            machine = Machine()
            base = machine.clock.wall() - machine.clock.monotonic()
            await spool.set_boot(boot_id(machine), base, base)
        name, whole = await spool.export()
        shutil.move(whole, temporary)
        make_durable(temporary, file)
        await spool.carried(name)
    finally:
        spool.close()
    _tell(file)


def _tell(file: Path) -> None:
    from agent.forward.store import Store  # noqa: PLC0415

    store = Store(file)
    samples, untimed = store.totals().samples, int(store.note(UNTIMED) or 0)
    store.close()
    told = _("{samples} samples in {file}; import them at the province: agent spool import {name} --url …")
    click.echo(told.format(samples=samples, file=file, name=file.name))
    if untimed:
        told = _("{samples} samples stay here, since nobody told the time; if this computer's clock is right: --clock-is-right")
        click.echo(told.format(samples=untimed), err=True)


@command.command()
@config_option
def release(path: Path | None) -> None:
    """Send by the line after all what was exported (the stick was lost)."""
    try:
        samples = asyncio.run(_release(directory_of(path), path))
    except (OSError, sqlite3.Error, click.ClickException) as error:
        click.echo(_("not released: {error}").format(error=error), err=True)
        sys.exit(2)
    click.echo(_("{samples} samples wait for the line again").format(samples=samples))


async def _release(directory: Path, path: Path | None) -> int:
    async with client_of(directory) as client:
        try:
            return int(json.loads((await client.request("POST", f"{BASE}/api/v1/spool/release")).body)["samples"])
        except (ConnectionRefusedError, FileNotFoundError):
            spool = _spool(directory, path)
            try:
                return await spool.release()
            finally:
                spool.close()


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", required=True, help="The remote write address of the province.")
@click.option("--username", help="For basic authentication, with --password-file.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False))
@click.option("--bearer-token-file", type=click.Path(exists=True))
@click.option("--ca-file", type=click.Path(exists=True))
def import_(
    file: Path, url: str, *, username: str | None, password_file: str | None, bearer_token_file: str | None, ca_file: str | None
) -> None:
    """Send the samples of FILE; what has arrived is taken out of it, so that it can be repeated without harm."""
    if (username is None) != (password_file is None):
        raise click.UsageError(_("--username and --password-file go together"))
    basic = BasicAuth(username=username, password_file=password_file) if username else None
    settings = RemoteWriteSettings(url=url, basic_auth=basic, bearer_token_file=bearer_token_file, tls=TlsClient(ca_file=ca_file))
    try:
        _look_into(file)
        accepted, rejected, trouble = asyncio.run(_import(file, settings))
    except sqlite3.OperationalError as error:
        told = _("{file} must be on a disk that can be written, since what arrives is taken out of it: {error}")
        click.echo(told.format(file=file, error=error), err=True)
        sys.exit(2)
    except (sqlite3.Error, DamagedError) as error:
        told = _(
            "{file} is damaged: {error}; the site still has what it held, and its line carries it after: agent spool release"
        )
        click.echo(told.format(file=file, error=error), err=True)
        sys.exit(2)
    click.echo(_("{accepted} samples accepted, {rejected} refused").format(accepted=accepted, rejected=rejected))
    if trouble:
        click.echo(_("stopped: {trouble}; repeat the command for the rest").format(trouble=trouble), err=True)
        sys.exit(1)


def _look_into(file: Path) -> None:
    """See that FILE is an export before anything is written to it; exits with 2 where it is something else."""
    try:
        with contextlib.closing(open_to_read(file)) as database:
            database.execute("SELECT samples FROM row, series LIMIT 1")
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT:
            raise
        click.echo(_("{file} is no file of agent spool export: {error}").format(file=file, error=error), err=True)
        sys.exit(2)


async def _import(file: Path, settings: RemoteWriteSettings) -> tuple[int, int, str]:
    from agent.forward.remote.client import AgainError, Client, Outcome  # noqa: PLC0415  protobuf only where something is sent
    from agent.forward.remote.split import Splitter  # noqa: PLC0415
    from agent.forward.store import Store  # noqa: PLC0415

    store = Store(file)
    client = Client(settings, Path, SystemClock())
    accepted = rejected = 0
    refused: set[int] = set()
    """Rows of which nothing was taken: where that is all of FILE, the address may be wrong, and FILE keeps them."""
    why = ""
    try:
        while (batch := store.fetch(since=None, before=None, lane=0, limit=client.chunk, skip=refused)).rows:
            answer = await client.post(batch.columns, {}, describe=())
            if answer.outcome in {Outcome.AGAIN, Outcome.HELD}:
                return accepted, rejected, answer.detail
            taken = answer.accepted
            if answer.outcome is Outcome.REFUSED:
                splitter = Splitter(lambda columns: client.post(columns, {}, describe=()))
                try:
                    taken = (await splitter.search(batch.columns, answer.detail, in_order=False)).accepted
                except AgainError as again:
                    return accepted, rejected, str(again)
            accepted += taken
            rejected += batch.samples - taken
            if taken:
                store.delete(batch.rows)
            else:
                refused.update(batch.rows)
                why = answer.detail
        if accepted:
            store.delete(refused)
    finally:
        await client.close()
        store.db.execute("PRAGMA journal_mode = DELETE")
        store.close()
    return accepted, rejected, "" if accepted else why
