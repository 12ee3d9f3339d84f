"""What no single key can tell: names that are used twice, references to what is not there, files, text with a grammar."""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from agent.hours import parse_hours
from agent.settings import AgentSettings
from collectors.probe.names import is_address
from collectors.site import Secret, Settings
from collectors.wire.units import Duration

SHORTEST_INTERVAL = 0.1
_LINKED = ("ping", "http", "tcp", "path", "bandwidth", "conference")
_OWN_LABELS = frozenset({"job", "instance", "province", "commune", "site"})
_LATER_FILES = frozenset({"calendar_file"})
"""Files that others write while the agent runs; its collector says when one is missing."""


class Fail(Protocol):
    """Notes a mistake at a key; `values` replace the `{}` of the message, and are shown as they are written."""

    def __call__(self, path: str, message: str, /, *values: object) -> None:
        """Note it."""


def crosscheck(settings: AgentSettings, fail: Fail, warn: Fail, broken: frozenset[str] = frozenset()) -> None:
    """Call `fail(path, message, *values)` for every contradiction between keys of a configuration.

    `warn` is called alike for what the agent can do without, such as a device that another agent may poll. Sections in
    `broken` hold a mistake already; what concerns them is left out.
    """
    core, kinds = settings.core, settings.kinds

    def whole(*sections: str) -> bool:
        return broken.isdisjoint(sections)

    sections = {**{name: getattr(core, name) for name in core.__struct_fields__}, **kinds}
    for section, value in sections.items():
        if whole(section):
            _leaves(section, value, fail)
    if whole("site"):
        _hours(settings, fail)
    if whole("labels"):
        for name in core.labels.keys() & _OWN_LABELS:
            fail(f"labels.{name}", f"{name} is set by the agent itself; write another name, or the key of section site")
    if whole("listen"):
        _listen(core.listen, fail)
    if whole("links"):
        _links(settings, fail, warn, devices_known=whole("snmp"))
    for section in _LINKED:
        if whole(section):
            _targets(section, settings, fail, links_known=whole("links"))
    if whole("snmp"):
        _snmp(kinds["snmp"], fail, warn)


def _leaves(path: str, value: Any, fail: Fail) -> None:
    """What holds for every key of a name: intervals are not zero, named files are there."""
    for at, key, leaf in leaves(path, value):
        if isinstance(leaf, Duration) and key.endswith("interval") and leaf < SHORTEST_INTERVAL:
            fail(at, "too short; write 100ms or more")
        elif isinstance(leaf, Duration) and key == "timeout" and leaf <= 0:
            fail(at, "a timeout of nothing can never be kept; write a duration such as 5s")
        elif key.endswith("_file") and isinstance(leaf, str) and not isinstance(leaf, Secret) and key not in _LATER_FILES:
            problem = _unreadable(Path(leaf))
            if problem:
                fail(at, "{} " + problem, leaf)


def leaves(path: str, value: Any, key: str = "") -> Iterator[tuple[str, str, Any]]:
    """Every value below a setting as (dotted path, last key, value)."""
    if isinstance(value, Settings):
        for name in value.__struct_fields__:
            yield from leaves(f"{path}.{name}", getattr(value, name), name)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(f"{path}.{name}", item, str(name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from leaves(f"{path}[{index}]", item, key)
    else:
        yield path, key or path, value


def _unreadable(path: Path) -> str | None:
    try:
        if not path.is_file():
            return "is not a file; name one" if path.exists() else "does not exist; make the file, or name another"
        if not os.access(path, os.R_OK):
            return "cannot be read by this user; give it the right to"
        return "is empty; write the content into it" if path.stat().st_size == 0 else None
    except OSError as error:
        return f"cannot be read: {error.strerror or error}; name another file"


def _listen(listen: str, fail: Fail) -> None:
    host, _, port = listen.rpartition(":")
    if not 0 < int(port) < 65536:
        fail("listen", "{} is no port; write 1 to 65535", port)
    if host.startswith("[") and not is_address(host.strip("[]")):
        fail("listen", "{} is no IPv6 address; write one such as [::1]", host)


def _links(settings: AgentSettings, fail: Fail, warn: Fail, *, devices_known: bool) -> None:
    links = settings.kinds["links"]
    _unique("links", [link.name for link in links], fail)
    devices = [device.name for device in settings.kinds["snmp"].devices]
    for index, link in enumerate(links):
        where = f"links[{index}]"
        check_link(where, link, fail)
        if link.device is not None and link.device != "self" and devices_known:
            _known(f"{where}.device", "device", link.device, devices, warn)


def check_link(where: str, link: Any, fail: Fail) -> None:
    """What one link (`LinkSettings`, or the inventory's `SiteLink`) may not say."""
    if link.quorum > max(1, len(link.beacons)):
        fail(f"{where}.quorum", f"{{}} of {len(link.beacons)} beacons can never answer; write fewer", link.quorum)
    if link.gateway not in (None, "auto") and not is_address(link.gateway):
        fail(f"{where}.gateway", "{} is no IP address; write one, or auto, or null for none", link.gateway)
    check_beacons(where, link.beacons, fail)
    if link.port is not None and link.device is None:
        fail(f"{where}.port", "a port of which device? write the key device")


def check_beacons(where: str, beacons: Iterable[str], fail: Fail) -> None:
    """Beacons are addresses."""
    for number, beacon in enumerate(beacons):
        if not is_address(beacon):
            message = "{} is no IP address; write one, since a beacon must not depend on a resolver"
            fail(f"{where}.beacons[{number}]", message, beacon)


def _targets(section: str, settings: AgentSettings, fail: Fail, *, links_known: bool) -> None:
    targets = settings.kinds[section].targets or ()
    links = [link.name for link in settings.kinds["links"]]
    _unique(f"{section}.targets", [target.name for target in targets], fail)
    for index, target in enumerate(targets):
        if target.link is not None and links and links_known:
            _known(f"{section}.targets[{index}].link", "link", target.link, links, fail)


def _snmp(snmp: Any, fail: Fail, warn: Fail) -> None:
    names = [device.name for device in snmp.devices]
    _unique("snmp.devices", names, fail)
    for index, device in enumerate(snmp.devices):
        where = f"snmp.devices[{index}]"
        _known(f"{where}.auth", "auth", device.auth, snmp.auths, fail)
        if device.parent == device.name:
            fail(f"{where}.parent", "{} cannot hang on itself; name another device, or null", device.parent)
        elif device.parent is not None:
            _known(f"{where}.parent", "device", device.parent, names, warn)
    for name, auth in snmp.auths.items():
        if str(auth.version) == "3" and not auth.username:
            fail(f"snmp.auths.{name}", "version 3 needs a username; write the key username")
        if auth.privacy is not None and auth.auth is None:
            fail(f"snmp.auths.{name}.privacy", "privacy needs auth (RFC 3414, section 1.4.3); write the key auth")


def _hours(settings: AgentSettings, fail: Fail) -> None:
    hours = settings.core.site.service_hours
    try:
        zoneinfo.ZoneInfo(hours.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        fail("site.service_hours.timezone", "{} is no time zone; write one such as Asia/Ho_Chi_Minh", hours.timezone)
        return
    nothing: dict[str, Any] = {"week": "", "closed": (), "open": (), "timezone": hours.timezone}
    for key in ("week", "closed", "open"):
        given = getattr(hours, key)
        for at, text in [(key, given)] if key == "week" else [(f"{key}[{index}]", text) for index, text in enumerate(given)]:
            try:
                parse_hours(**{**nothing, key: given if key == "week" else (text,)})
            except ValueError as error:
                fail(f"site.service_hours.{at}", "{}", error)


def _unique(path: str, names: Iterable[str], fail: Fail) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            fail(f"{path}[{index}].name", "{} is used twice; names must differ", name)
        seen.add(name)


def _known(path: str, what: str, name: str, known: Iterable[str], fail: Fail) -> None:
    listed = list(known)
    if name not in listed:
        places = ", ".join("{}" for _ in listed)
        fail(
            path, f"there is no {what} {{}}; " + (f"known are: {places}" if listed else f"no {what} is configured"), name, *listed
        )
