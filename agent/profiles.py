"""Checks SNMP profiles as carefully as the configuration: every mistake with file, line, key and a way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from agent.reader import read_as
from agent.settings import AgentSettings
from agent.yamltree import ConfigError, text_of
from collectors.snmp.library import files, tables
from collectors.snmp.profile import Profile, check

SUFFIX = ".yaml"


def looks_like_profile(path: Path) -> bool:
    """A file that begins a profile's keys, so that `agent check-config` takes profiles too."""
    try:
        head = text_of(path)
    except ConfigError:
        return False
    keys = {line.split(":")[0] for line in head.splitlines() if line[:1].isalpha()}
    return bool(keys & {"tables", "inherits", "match", "vendor", "model", "version", "serial"}) and not keys & {
        "site",
        "snmp",
        "ping",
        "links",
        "listen",
    }


def check_profile(path: Path, directory: Path | None, environ: Mapping[str, str]) -> None:
    """Check one profile; `directory` holds further profiles that it may inherit from.

    Raises:
        ConfigError: every mistake of the profile.
    """
    read_as(path, Profile, environ, lambda profile, fail: check(profile, files(directory), partial(tables, directory), fail))


def check_profiles(settings: AgentSettings, environ: Mapping[str, str], fail: Callable[[str, str], None]) -> list[str]:
    """Check the site's own profiles, and that every device's profile is there.

    Returns:
        Every mistake inside the profiles; what is wrong in the configuration itself goes to `fail(key, message)`.
    """
    snmp = settings.kinds["snmp"]
    directory = settings.file(snmp.profiles_dir) if snmp.profiles_dir else None
    mistakes: list[str] = []
    if directory is not None and not directory.is_dir():
        fail("snmp.profiles_dir", f"{directory} is no directory; name the one that holds the site's own profiles")
        return []
    for path in sorted(directory.glob(f"*{SUFFIX}")) if directory is not None else ():
        try:
            check_profile(path, directory, environ)
        except ConfigError as error:
            mistakes += error.mistakes
    known = files(directory)
    for index, device in enumerate(snmp.devices):
        if device.profile != "auto" and device.profile not in known:
            fail(
                f"snmp.devices[{index}].profile",
                f"there is no profile {device.profile!r}; accepted: auto, {', '.join(sorted(known))}",
            )
    return mistakes
