"""The command line: one module a command."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from agent import __version__
from agent.cli import speech
from agent.locale import choose, translator

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

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = speech.spoken(importlib.import_module(COMMANDS[cmd_name]).command, translator(ctx.obj))
        return command

    def main(self, args: Sequence[str] | None = None, *words: Any, **extra: Any) -> Any:
        """Run a command, in the user's language; what the system refuses is said without a traceback."""
        _open_closed()
        language = choose(speech.asked(sys.argv[1:] if args is None else args), os.environ)
        speech.lend_words(language)
        try:
            return click.Group.main(speech.spoken(self, translator(language)), args, *words, obj=language, **extra)
        except OSError as error:
            click.echo(f"{error.filename or 'output'}: {error.strerror or error}", err=True)
            _forget_output()
            sys.exit(2)


def _open_closed() -> None:
    """Streams that the caller closed lead nowhere, so that no file that is opened later takes their place."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115, PTH123


def _forget_output() -> None:
    """Drop what a full disk did not take, which the interpreter would try to write once more at its end."""
    with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="commune-agent")
def main() -> None:
    """Monitors the network and the equipment of a commune's public-service centre."""
