"""All device profiles (`config/snmp/*.yaml` and the site's own): how they are read, how they inherit, and which one a device matches."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from collectors.snmp.profile import Fact, Match, Profile, check

log = logging.getLogger(__name__)


class Library:
    """All profiles, by name (the file's), with those of the site's own directory going first."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = dict(profiles)
        self._merged: dict[str, Profile] = {}

    def names(self) -> list[str]:
        """Every profile's name."""
        return sorted(self._profiles)

    def candidates(self, object_id: str, description: str) -> list[tuple[str, Match]]:
        """Profiles whose sysObjectID and sysDescr fit, the most specific first; `present` is still to be asked."""
        found = []
        for name, profile in self._profiles.items():
            for match in profile.match:
                if match.oid is not None and not f"{object_id}.".startswith(f"{match.oid}."):
                    continue
                if match.description is not None and not re.search(match.description, description):
                    continue
                rank = (
                    match.present is not None,
                    len((match.oid or "").split(".")),
                    (match.present or "").startswith("1.3.6.1.4.1."),
                    match.description is not None,
                )
                found.append((rank, name, match))
        # A vendor's own subtree says more than a shared sysObjectID, and than a standard MIB; the longest prefix says most.
        found.sort(key=lambda item: (item[0], item[1]), reverse=True)
        return [(name, match) for _, name, match in found]

    def get(self, name: str) -> Profile:
        """A profile with all that it inherits: its own facts and tables first, a table of the same name replaces.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in self._merged:
            self._merged[name] = self._merge(name, ())
        return self._merged[name]

    def _merge(self, name: str, below: tuple[str, ...]) -> Profile:
        own = self._profiles[name]
        facts: dict[str, tuple[Fact, ...]] = {field: getattr(own, field) for field in ("vendor", "model", "version", "serial")}
        tables = {table.name: table for table in own.tables}
        for parent in own.inherits:
            if parent in below or parent not in self._profiles:
                continue
            inherited = self._merge(parent, (*below, name))
            for field in facts:
                facts[field] += getattr(inherited, field)
            for table in inherited.tables:
                if table.name not in own.without:
                    tables.setdefault(table.name, table)
        return msgspec.structs.replace(own, tables=tuple(tables.values()), **facts)


def read(text: str) -> Profile:
    """A profile's text as a value.

    Raises:
        msgspec.ValidationError, yaml.YAMLError: it is none; `agent check-config` says where.
    """
    import yaml  # noqa: PLC0415  only where SNMP is configured

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: Any = yaml.load(text, Loader=loader) or {}  # noqa: S506  a safe loader, the C one where it exists
    return msgspec.convert(raw, Profile, strict=False)


def files(directory: Path | None) -> dict[str, Any]:
    """Profile files by name: those that ship with the agent, then the site's own, which replace them."""
    found: dict[str, Any] = {}
    shipped = resources.files("config").joinpath("snmp")
    for folder in (shipped, directory):
        if folder is not None:
            found |= {
                entry.name.removesuffix(".yaml"): entry
                for entry in folder.iterdir()
                if entry.name.endswith(".yaml") and entry.name != "enterprises.yaml"
            }
    return found


def tables(directory: Path | None) -> set[str]:
    """The names of all tables of `files`; a file that is no profile has none."""
    found: set[str] = set()
    for entry in files(directory).values():
        with contextlib.suppress(Exception):  # whatever is wrong with it is told of itself
            found |= {table.name for table in read(entry.read_text(encoding="utf-8")).tables}
    return found


Version = tuple[tuple[str, int, int], ...]


def version(directory: Path | None) -> Version:
    """What tells whether the site's own profiles changed: their names, times and sizes; nothing where they cannot be read."""
    try:
        entries = sorted(directory.glob("*.yaml")) if directory is not None else ()
        return tuple((entry.name, (about := entry.stat()).st_mtime_ns, about.st_size) for entry in entries)
    except OSError:
        return ()


_sound: dict[Path | None, Library] = {}
"""The last profiles of each directory that were without a mistake: a file that is being edited takes them from nobody."""


@lru_cache(maxsize=2)
def library(directory: Path | None = None, of: Version = ()) -> Library:  # noqa: ARG001  part of the key
    """The profiles of the agent and of the site's directory, read once for each `version` of them.

    Who holds a version goes on with it, so that a file that is being edited disturbs nobody until the agent is reloaded.
    While a file of the site's is no profile, those that were read before stay, without any those of the agent alone; the
    log says which file it is.
    """
    try:
        found = Library(_profiles(directory))
    except (OSError, ValueError) as error:
        if directory is None:  # what ships with the agent cannot be read: there is nothing to go on with
            raise
        log.error("the profiles read before stay in use", extra={"error": str(error)})
        return _sound.get(directory) or library()
    _sound[directory] = found
    return found


def _profiles(directory: Path | None) -> dict[str, Profile]:
    entries = files(directory)
    profiles = {}
    for name, entry in entries.items():
        mistakes: list[str] = []
        try:
            profiles[name] = read(entry.read_text(encoding="utf-8"))
            if directory is not None and Path(str(entry)).parent == directory:
                mistakes += _mistakes(profiles[name], entries, directory)
        except Exception as error:
            mistakes.append(str(error))
        if mistakes:
            message = f"{entry}: not a profile ({'; '.join(mistakes)}); `agent check-config` shows the line"
            raise ValueError(message)
    return profiles


def _mistakes(profile: Profile, known: Iterable[str], directory: Path) -> list[str]:
    found: list[str] = []
    check(profile, known, partial(tables, directory), lambda where, what: found.append(f"{where}: {what}"))
    return found


@lru_cache(maxsize=1)
def enterprises() -> Mapping[str, str]:
    """Vendor by IANA private enterprise number, for devices that no vendor profile matches."""
    import yaml  # noqa: PLC0415

    text = resources.files("config").joinpath("snmp").joinpath("enterprises.yaml").read_text(encoding="utf-8")
    return {str(number): str(name) for number, name in yaml.safe_load(text).items()}
