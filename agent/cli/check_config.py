"""`agent check-config`: is a configuration file valid, and if not, where and why."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from agent import config, profiles


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Check a configuration FILE (with the SNMP profiles of its directory), or one SNMP profile, and show every mistake."""
    try:
        if profiles.looks_like_profile(file):
            profiles.check_profile(file, file.absolute().parent, os.environ)
        else:
            for warning in config.load(file).warnings:
                click.echo(warning, err=True)
    except config.ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(f"{file}: valid")
