"""`agent province`: the province's side."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.cli.speech import _, refuse
from agent.config import ConfigError


@click.group()
def command() -> None:
    """Configure a whole province from one inventory, report on it, and tell people."""


@command.command()
@click.argument("inventory", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the deployable tree.")
@click.option(
    "--backend",
    type=click.Choice(["prometheus", "victoriametrics", "victoriametrics-cluster", "mimir"]),
    default="prometheus",
    show_default=True,
    help="The engine that holds the province's data.",
)
@click.option("--renew-certificates", is_flag=True, help="Make a new server certificate; the authority stays.")
def render(inventory: Path, out: Path, backend: str, *, renew_certificates: bool) -> None:
    """Render INVENTORY into servers, alerts, dashboards and one install bundle per agent."""
    from agent.province.crosscheck import load  # noqa: PLC0415
    from agent.province.render import render as render_tree  # noqa: PLC0415

    try:
        done = render_tree(load(inventory), inventory.absolute().parent, out, backend, renew=renew_certificates)
    except ConfigError as error:
        refuse(error)
    except OSError as error:
        click.echo(_("{out}: cannot be written: {error}; name a folder that can").format(out=out, error=error.strerror), err=True)
        sys.exit(2)
    told = _("{out}: {files} files, {changed} changed, {agents} agents, backend {backend}")
    click.echo(told.format(out=out, files=done.files, changed=done.changed, agents=done.agents, backend=backend))
    for name in done.missing:
        click.echo(_("write {file}, then render again").format(file=out / name), err=True)


@command.command()
@click.option("-c", "--config", "path", type=click.Path(path_type=Path), required=True, help="Configuration file of the bridge.")
def notify(path: Path) -> None:
    """Bridge Alertmanager's webhook to the Zalo Bot API."""
    from agent import log  # noqa: PLC0415
    from agent.province.notify import run  # noqa: PLC0415

    log.configure("info")
    try:
        run(path)
    except ConfigError as error:
        refuse(error)


def _address(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    if not value.startswith(("http://", "https://")):
        message = _("{value}: an http:// or https:// address is expected").format(value=value)
        raise click.BadParameter(message)
    return value


@command.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month, in local time.")
@click.option("--url", required=True, callback=_address, help="Address of Prometheus (or of what answers its queries).")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder of the pages and tables.")
@click.option("--user", default="", help="User of basic authentication.")
@click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the password.")
@click.option("--ca-file", type=click.Path(exists=True, dir_okay=False), help="Authority of the server's certificate.")
@click.option("--tenant", default="", help="Tenant (X-Scope-OrgID), for Grafana Mimir.")
def report(*, month: str, url: str, out: Path, user: str, password_file: Path | None, ca_file: str | None, tenant: str) -> None:
    """Write the service-level report of a month: a page and a table per commune, an evidence page per uplink."""
    import time  # noqa: PLC0415

    from agent.province import month as months  # noqa: PLC0415
    from agent.province import report as pages  # noqa: PLC0415

    try:
        start = months.bounds(month)[0]
    except ValueError:
        click.echo(_("{month}: no month; write YYYY-MM, such as 2026-10").format(month=month), err=True)
        sys.exit(2)
    try:
        password = password_file.read_text(encoding="utf-8").strip() if password_file is not None else ""
        source = months.Prometheus(url, user, password, ca_file, tenant)
        found = months.collect(source, month, time.time())
        try:
            earlier = months.collect(source, time.strftime("%Y-%m", time.gmtime(start - 5 * 86400)), time.time())
        except months.ReportError:
            earlier = None  # the first month of a deployment has nothing before it
        written = pages.write(found, earlier, out)
    except UnicodeDecodeError:
        click.echo(_("{file}: not text; name the file with the password").format(file=password_file), err=True)
        sys.exit(2)
    except months.ReportError as error:
        click.echo(_(error.text).format(**error.facts), err=True)
        sys.exit(2)
    except OSError as error:
        click.echo(_("{out}: cannot be written: {error}; name a folder that can").format(out=out, error=error.strerror), err=True)
        sys.exit(2)
    click.echo(_("{file}: {count} files").format(file=out / "index.html", count=len(written)))
