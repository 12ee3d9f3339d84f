"""The command line: one module a command."""

from __future__ import annotations

import importlib

import click

from agent import __version__

COMMANDS = {
    "run": "agent.cli.run",
    "check-config": "agent.cli.check_config",
    "diagnose": "agent.cli.diagnose",
    "metrics": "agent.cli.metrics",
    "gaps": "agent.cli.gaps",
    "spool": "agent.cli.spool",
    "survey": "agent.cli.survey",
    "province": "agent.cli.province",
    "discover": "agent.cli.discover",
}
"""Command to module; a module is imported only when its command is used, so that none pays for another."""


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="commune-agent")
def main() -> None:
    """Monitors the network and the equipment of a commune's public-service centre."""
