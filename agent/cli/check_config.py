"""`agent check-config`: is a configuration file valid, and if not, where and why."""

from __future__ import annotations

import os
from pathlib import Path

import click

from agent import config, profiles
from agent.cli.speech import _, refuse, tell


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Check a configuration FILE (with the SNMP profiles of its directory), or one SNMP profile, and show every mistake."""
    try:
        if profiles.looks_like_profile(file):
            profiles.check_profile(file, file.absolute().parent, os.environ)
        else:
            tell(config.load(file).warnings)
    except config.ConfigError as error:
        refuse(error)
    click.echo(_("{file}: valid").format(file=file))
