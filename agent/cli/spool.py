"""`agent spool`: carries what waits by hand, where no line will be soon."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from pathlib import Path

import aiohttp
import click

from agent.cli.local import config_option, directory_of, session
from agent.cli.run import load_settings
from agent.forward.api import NAME
from agent.forward.disks import make_durable
from agent.forward.spool import FILE, Spool
from agent.settings import BasicAuth, RemoteWriteSettings, TlsClient
from collectors.machine import SystemClock


@click.group()
def command() -> None:
    """Carry samples by hand: export on the site, import at the province."""


@command.command()
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def export(path: Path | None, file: Path) -> None:
    """Write everything that waits to FILE; it is not sent by the line any more."""
    directory = directory_of(path)
    temporary = file.with_name(f"{file.name}.part")
    try:
        asyncio.run(_export(directory, path, temporary, file))
    except (OSError, sqlite3.Error, aiohttp.ClientError, click.ClickException) as error:
        temporary.unlink(missing_ok=True)
        click.echo(f"not exported, everything stays in the spool: {error}", err=True)
        sys.exit(2)


async def _export(directory: Path, path: Path | None, temporary: Path, file: Path) -> None:
    """From the running agent, else from its file. What is exported is withheld once FILE is safe, not before."""
    async with session(directory) as client:
        try:
            request = await client.post("/api/v1/spool/export")
        except (aiohttp.ClientConnectorError, FileNotFoundError):
            await _export_file(directory, path, temporary, file)
            return
        async with request as response:
            if response.status != 200:
                raise click.ClickException((await response.text()).strip())
            try:
                with temporary.open("wb") as handle:
                    async for chunk in response.content.iter_chunked(65536):
                        handle.write(chunk)
                make_durable(temporary, file)
            except BaseException:
                await client.post("/api/v1/spool/release", params={"unconfirmed": "1"})
                raise
            await _confirm(client, response.headers[NAME], file)
    _tell(file)


async def _confirm(client: aiohttp.ClientSession, name: str, file: Path) -> None:
    """Tell the agent that FILE is safe; where it cannot be told, the line will send everything and FILE must go."""
    trouble = "the export was interrupted"
    try:
        async with client.post(f"/api/v1/spool/carried/{name}") as answer:
            trouble = "" if answer.status == 204 else (await answer.text()).strip()
    finally:
        if trouble:
            file.unlink(missing_ok=True)
    if trouble:
        raise click.ClickException(trouble)


async def _export_file(directory: Path, path: Path | None, temporary: Path, file: Path) -> None:
    if not (directory / FILE).exists():
        message = f"no spool in {directory}"
        raise click.ClickException(message)
    limits = load_settings(path).core.spool
    spool = Spool(directory, max_bytes=int(limits.max_bytes), max_age=limits.max_age)
    try:
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
    samples = store.totals().samples
    store.close()
    click.echo(f"{samples} samples in {file}; import them at the province: agent spool import {file.name} --url …")


@command.command()
@config_option
def release(path: Path | None) -> None:
    """Send by the line after all what was exported (the stick was lost)."""
    samples = asyncio.run(_release(directory_of(path), path))
    click.echo(f"{samples} samples wait for the line again")


async def _release(directory: Path, path: Path | None) -> int:
    async with session(directory) as client:
        try:
            async with client.post("/api/v1/spool/release") as response:
                return int((await response.json())["samples"])
        except (aiohttp.ClientConnectorError, FileNotFoundError):
            limits = load_settings(path).core.spool
            spool = Spool(directory, max_bytes=int(limits.max_bytes), max_age=limits.max_age)
            try:
                return await spool.release()
            finally:
                spool.close()


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@click.option("--url", required=True, help="The remote write address of the province.")
@click.option("--username", help="For basic authentication, with --password-file.")
@click.option("--password-file", type=click.Path(exists=True))
@click.option("--bearer-token-file", type=click.Path(exists=True))
@click.option("--ca-file", type=click.Path(exists=True))
def import_(
    file: Path, url: str, *, username: str | None, password_file: str | None, bearer_token_file: str | None, ca_file: str | None
) -> None:
    """Send the samples of FILE; what has arrived is taken out of it, so that it can be repeated without harm."""
    basic = BasicAuth(username=username, password_file=password_file) if username else None
    settings = RemoteWriteSettings(url=url, basic_auth=basic, bearer_token_file=bearer_token_file, tls=TlsClient(ca_file=ca_file))
    try:
        accepted, rejected, trouble = asyncio.run(_import(file, settings))
    except sqlite3.OperationalError as error:
        click.echo(f"{file} must be on a disk that can be written, since what arrives is taken out of it: {error}", err=True)
        sys.exit(2)
    except sqlite3.Error as error:
        click.echo(f"{file} is no file of agent spool export: {error}", err=True)
        sys.exit(2)
    click.echo(f"{accepted} samples accepted, {rejected} refused")
    if trouble:
        click.echo(f"stopped: {trouble}; repeat the command for the rest", err=True)
        sys.exit(1)


async def _import(file: Path, settings: RemoteWriteSettings) -> tuple[int, int, str]:
    from agent.forward.remote.client import AgainError, Client, Outcome  # noqa: PLC0415  protobuf only where something is sent
    from agent.forward.remote.split import Splitter  # noqa: PLC0415
    from agent.forward.store import Store  # noqa: PLC0415

    store = Store(file)
    client = Client(settings, Path, SystemClock())
    accepted = rejected = 0
    try:
        while (batch := store.fetch(since=None, before=None, lane=0, limit=client.chunk)).rows:
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
            store.delete(batch.rows)
    finally:
        await client.close()
        store.db.execute("PRAGMA journal_mode = DELETE")
        store.close()
    return accepted, rejected, ""
