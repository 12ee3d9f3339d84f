"""Reads the agent's configuration file, and tells every mistake at once, each with file, line, key and a way out."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from agent.crosscheck import crosscheck
from agent.reader import Reader, read_as
from agent.settings import AgentSettings, Core
from agent.webconfig import WebConfig
from agent.yamltree import ConfigError, empty, is_null, text_of
from collectors import KINDS

LAST = 1_000_000
"""Mistakes in other files come after those of the configuration itself."""

__all__ = ["ConfigError", "Reader", "load", "parse", "read_as"]


def _read(path: Path, text: str, environ: Mapping[str, str]) -> tuple[Reader, AgentSettings]:
    """Sections that are whole are checked against each other even when others are not, so that one run shows everything."""
    reader = Reader(str(path), environ, path.absolute().parent)
    sections = {kind.name: kind.settings for kind in KINDS}
    names = {item.encode_name: item.name for item in msgspec.structs.fields(Core)}
    hints = typing.get_type_hints(Core, include_extras=True)
    core: dict[str, Any] = {}
    kinds = {kind.name: kind.default for kind in KINDS}
    broken: set[str] = set()
    for key, (child, line) in (reader.keys(reader.tree(text) or empty(), "") or {}).items():
        if key not in sections and key not in names:
            reader.unknown(key, line, "", [*names, *sections])
        elif not is_null(child):  # a section without content is one that was left out
            before = len(reader.mistakes)
            value = reader.value(child, sections[key] if key in sections else hints[names[key]], key)
            if len(reader.mistakes) > before:
                broken.add(key)
            elif key in sections:
                kinds[key] = value
            else:
                core[names[key]] = value
    settings = AgentSettings(Core(**core), kinds, reader.directory)
    crosscheck(settings, reader.fail_at, reader.warn_at, frozenset(broken))
    snmp = kinds["snmp"]
    if "snmp" not in broken and (snmp.devices or snmp.profiles_dir):
        from agent.profiles import check_profiles  # noqa: PLC0415  only a site with devices pays for the profiles

        reader.mistakes += [(LAST, mistake) for mistake in check_profiles(settings, environ, reader.fail_at)]
    return reader, replace(settings, warnings=tuple(reader.warnings))


def parse(path: Path, text: str, environ: Mapping[str, str]) -> AgentSettings:
    """A configuration's text as settings; `path` names it in messages and is where relative file names start.

    Raises:
        ConfigError: every mistake found, each `file:line: key: what is wrong; what is accepted`.
    """
    reader, settings = _read(path, text, environ)
    reader.finish()
    return settings


def load(path: Path, environ: Mapping[str, str] | None = None) -> AgentSettings:
    """Read, convert and check the agent's configuration file, and the files that it names.

    Raises:
        ConfigError: a file cannot be read, or holds mistakes.
    """
    reader, settings = _read(path, text_of(path), os.environ if environ is None else environ)
    mistakes: list[str] = []
    web_config = settings.core.web_config_file
    if web_config is not None and Path(web_config).is_file():  # crosscheck has said so when it is not there
        try:
            WebConfig.load(Path(web_config))
        except ConfigError as error:
            mistakes = error.mistakes
    try:
        reader.finish()
    except ConfigError as error:
        mistakes = error.mistakes + mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return settings
