"""How commands reach the agent of this computer: its configuration, its state directory, its Unix socket."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent import statedir
from agent.cli.run import load_settings
from agent.cli.speech import _
from agent.http_client import HttpClient, by_unix_socket
from agent.statedir import SOCKET_NAME
from collectors.machine import Machine

config_option = click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="The agent's configuration file; says where its state is."
)
BASE = "http://agent"


def directory_of(path: Path | None) -> Path:
    """The state directory; exits with 2 where there is none."""
    directory = statedir.wanted(load_settings(path), Machine())
    if directory is None:
        click.echo(_("no state directory; name it with -c FILE, or run as the agent's user"), err=True)
        sys.exit(2)
    return directory


def client_of(directory: Path) -> HttpClient:
    """A client of the agent that runs on a state directory; requests for `BASE` raise OSError when none does."""
    return by_unix_socket(directory / SOCKET_NAME)
