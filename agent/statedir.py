"""The directory for what outlives the process, held by one agent at a time."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from agent.settings import AgentSettings
from collectors.machine import Machine

log = logging.getLogger(__name__)
LOCK_NAME = "lock"
SOCKET_NAME = "agent.sock"
"""In the state directory: where local commands reach the running agent."""


def wanted(settings: AgentSettings, machine: Machine) -> Path | None:
    """Where the state directory should be: as configured, as systemd says, else the platform's; None where nothing tells."""
    given = settings.core.state_dir or machine.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return settings.file(given)
    if sys.platform == "win32":
        return Path(machine.environ.get("PROGRAMDATA", "C:/ProgramData")) / "commune-agent"
    if os.geteuid() == 0:
        return Path("/var/lib/commune-agent")
    try:
        return Path(machine.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "commune-agent"
    except RuntimeError:  # a user without a home
        return None


def prepare(settings: AgentSettings, machine: Machine) -> Path | None:
    """Make the state directory, and see that it can be written; None, said once, where that cannot be."""
    path = wanted(settings, machine)
    if path is None:
        _without("", "no home directory; name one with the key state_dir")
        return None
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o750)
        (path / LOCK_NAME).open("ab").close()
    except OSError as error:
        _without(str(path), f"{error.strerror or error}; name a writable one with the key state_dir")
        return None
    return path


@contextlib.contextmanager
def held(path: Path | None) -> Iterator[bool]:
    """Hold a state directory for one agent; False, said once, when another one has it."""
    if path is None or sys.platform == "win32":
        yield path is not None
        return
    import fcntl  # noqa: PLC0415  Unix only

    with (path / LOCK_NAME).open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _without(str(path), "another agent holds it; give each its own with the key state_dir")
            yield False
        else:
            yield True


def _without(path: str, error: str) -> None:
    log.warning("no state directory: counters and gaps are forgotten at a restart", extra={"path": path, "error": error})
