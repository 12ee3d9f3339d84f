"""Logs as logfmt on stderr: one line per event, facts as key=value, nothing else."""

from __future__ import annotations

import datetime
import logging
import sys
from typing import TextIO

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Logfmt(logging.Formatter):
    """`ts=… level=… msg=… key=value …`; values with spaces, quotes or control characters are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; a traceback only at debug level, as one quoted value."""
        when = datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds")
        facts = {
            "ts": when.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "msg": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info and logging.getLogger().isEnabledFor(logging.DEBUG):
            facts["traceback"] = self.formatException(record.exc_info)
        return " ".join(f"{key}={_value(value)}" for key, value in facts.items())


def _value(value: object) -> str:
    text = str(value)
    if text and not any(character in ' ="\\' or not character.isprintable() for character in text):
        return text
    escaped = text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return '"' + "".join(character if character.isprintable() else f"\\x{ord(character):02x}" for character in escaped) + '"'


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logs of this process to a stream (default: stderr)."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(Logfmt())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
