"""`agent metrics`: the catalogue."""

from __future__ import annotations

import click

from agent import catalog

_FORMATS = {"table": catalog.as_table, "markdown": catalog.as_markdown, "json": catalog.as_json}


@click.command()
@click.option("--format", "form", type=click.Choice(list(_FORMATS)), default="table", show_default=True)
def command(form: str) -> None:
    """Every metric that the agent can expose."""
    click.echo(_FORMATS[form](), nl=False)
