"""`agent run`: the agent itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent import config, exposition, lifetime, log
from agent.cli.speech import refuse, tell
from agent.settings import AgentSettings, defaults
from collectors.machine import Machine


def load_settings(path: Path | None) -> AgentSettings:
    """The settings of a file, or the defaults; exits with 2 and every mistake on stderr."""
    if path is None:
        return defaults()
    try:
        return config.load(path)
    except config.ConfigError as error:
        refuse(error)


@click.command()
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration file; without one the agent configures itself."
)
@click.option("--once", is_flag=True, help="Run every collector once, print the metrics, and end.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True)
def command(path: Path | None, log_level: str, *, once: bool) -> None:
    """Measure, and expose what was measured, until stopped."""
    log.configure("warning" if once and log_level == "info" else log_level)
    settings = load_settings(path)
    from agent.app import Agent  # noqa: PLC0415  other commands load settings by this module, and need no agent
    from agent.server import ListenError  # noqa: PLC0415

    try:
        lifetime.run(_once(path, settings) if once else Agent(path, settings, Machine()).run())
    except config.ConfigError as error:
        refuse(error)
    except ListenError as error:
        tell([str(error)])
        sys.exit(2)


async def _once(path: Path | None, settings: AgentSettings) -> None:
    from agent.app import Agent  # noqa: PLC0415

    agent = Agent(path, settings, Machine(), read_only=True)
    await agent.once()
    sys.stdout.buffer.write(exposition.render(agent.state.series()))
    sys.stdout.buffer.flush()
