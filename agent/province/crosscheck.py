"""What no single key of the inventory can tell: names used twice, references to what is not there, text with a grammar."""

from __future__ import annotations

import datetime
import os
import typing
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from agent.config import Reader
from agent.crosscheck import Fail, check_beacons, check_link
from agent.hours import parse_hours
from agent.province.inventory import Commune, Inventory, InventorySite, Province, Server, user_of
from agent.yamltree import empty, text_of
from collectors.site import ServiceHours


def load(path: Path) -> Inventory:
    """Read an inventory.

    Raises:
        ConfigError: every mistake found, each `file:line: key: what is wrong; what is accepted`.
    """
    reader = Reader(str(path), os.environ, path.absolute().parent)
    tree = reader.tree(text_of(path)) or empty()
    found: Inventory = reader.struct(tree, Inventory, "")
    if reader.mistakes:
        crosscheck(*_whole(tree, reader), reader.fail_at)
    else:
        crosscheck(found, dict(enumerate(found.communes)), frozenset(), reader.fail_at)
    reader.finish()
    return found


def _whole(tree: yaml.Node, reader: Reader) -> tuple[Inventory, dict[int, Commune], frozenset[str]]:
    """What is whole of an inventory with mistakes, its whole communes, and the sections that are not."""
    trial = Reader(reader.name, reader.environ, reader.directory)
    hints = typing.get_type_hints(Inventory, include_extras=True)
    sections: dict[str, Any] = {
        "province": Province(code="00", slug="x", name="x"),
        "server": Server(names=("x",)),
        "communes": (),
    }
    communes: dict[int, Commune] = {}
    broken: set[str] = set()
    for key, (node, _) in (trial.keys(tree, "") or {}).items():
        before = len(trial.mistakes)
        if key == "communes" and isinstance(node, yaml.SequenceNode):
            read = {index: trial.value(child, Commune, key) for index, child in enumerate(node.value)}
            communes = {index: commune for index, commune in read.items() if commune is not None}
        elif key in hints:
            value = trial.value(node, hints[key], key)
            sections |= {key: value} if len(trial.mistakes) == before else {}
        if len(trial.mistakes) > before:
            broken.add(key)
    return Inventory(**sections), communes, frozenset(broken)


def crosscheck(inventory: Inventory, communes: Mapping[int, Commune], broken: frozenset[str], fail: Fail) -> None:
    """Report every contradiction through `fail(key, message)`; sections in `broken` hold a mistake already."""

    def whole(*sections: str) -> bool:
        return broken.isdisjoint(sections)

    carriers = [carrier.name for carrier in inventory.carriers] if whole("carriers") else None
    auths = (list(inventory.snmp_auths) or ["default"]) if whole("snmp_auths") else None
    if not inventory.server.names:
        fail("server.names", "empty; write the host name or address that agents write to")
    for path, names in (
        ("carriers", [carrier.name for carrier in inventory.carriers]),
        ("portals", [portal.name for portal in inventory.portals]),
        ("bridges", [bridge.name for bridge in inventory.bridges]),
        ("hub.links", [link.name for link in inventory.hub.links]),
        ("notify.webhooks", [hook.name for hook in inventory.notify.webhooks]),
    ):
        _unique([(f"{path}[{index}].name", name) for index, name in enumerate(names)], fail)
    for index, link in enumerate(inventory.hub.links):
        check_beacons(f"hub.links[{index}]", link.beacons, fail)
    _hours("service_hours", inventory.service_hours, fail)
    for key in ("closed", "open"):
        _dates(f"holidays.{key}", getattr(inventory.holidays, key), fail)
    if not communes and whole("communes"):
        fail("communes", "empty; write one commune at least")
    for index, commune in communes.items():
        _commune(f"communes[{index}]", commune, carriers, auths, fail)
    _across(communes, fail)
    _contacts(inventory, communes, fail, told=whole("notify"), codes_known=whole("communes"))
    _maintenance(inventory, communes, carriers, fail, codes_known=whole("communes"))


def _across(communes: Mapping[int, Commune], fail: Fail) -> None:
    """What must differ between sites and communes."""
    _unique([(f"communes[{index}].code", commune.code) for index, commune in communes.items()], fail)
    sites = [
        (f"communes[{index}].sites[{number}]", commune, site)
        for index, commune in communes.items()
        for number, site in enumerate(commune.sites)
    ]
    seen: dict[str, str] = {}
    for where, commune, site in sites:
        for number, link in enumerate(site.links):
            if link.hub_address is not None and seen.setdefault(link.hub_address, where) != where:
                message = "{} is used by another site too; the hub could not tell them apart"
                fail(f"{where}.links[{number}].hub_address", message, link.hub_address)
        for number, agent in enumerate(site.agents):
            user = user_of(commune, site, agent)
            if seen.setdefault(user, where) != where:
                fail(f"{where}.agents[{number}].instance", "{} would be the user of another agent too; rename one", user)


def _commune(where: str, commune: Commune, carriers: list[str] | None, auths: list[str] | None, fail: Fail) -> None:
    if commune.service_hours is not None:
        _hours(f"{where}.service_hours", commune.service_hours, fail)
    if not commune.sites:
        fail(f"{where}.sites", "empty; write one site at least")
    _unique([(f"{where}.sites[{number}].id", site.id) for number, site in enumerate(commune.sites)], fail)
    for number, site in enumerate(commune.sites):
        _site(f"{where}.sites[{number}]", site, carriers, auths, fail)


def _site(where: str, site: InventorySite, carriers: list[str] | None, auths: list[str] | None, fail: Fail) -> None:
    if site.service_hours is not None:
        _hours(f"{where}.service_hours", site.service_hours, fail)
    devices = [device.name for device in site.devices]
    zones = [zone.name for zone in site.zones]
    for path, key, names in (
        ("links", "name", [link.name for link in site.links]),
        ("agents", "instance", [agent.instance for agent in site.agents]),
        ("devices", "name", devices),
        ("zones", "name", zones),
    ):
        _unique([(f"{where}.{path}[{index}].{key}", name) for index, name in enumerate(names)], fail)
    full = [agent.instance for agent in site.agents if agent.role == "full"]
    if len(full) != 1:
        named = f"{', '.join(full)} are" if full else "none is"
        fail(f"{where}.agents", f"{named} of role full; exactly one computer of a site looks at the whole site")
    for index, link in enumerate(site.links):
        check_link(f"{where}.links[{index}]", link, fail)
        if link.carrier and carriers is not None and link.carrier not in carriers:
            fail(f"{where}.links[{index}].carrier", _no_such("carrier", link.carrier, carriers))
        if link.device is not None and link.device not in ("self", *devices):
            fail(f"{where}.links[{index}].device", _no_such("device", link.device, devices))
    for index, device in enumerate(site.devices):
        others = [name for name in devices if name != device.name]
        if device.parent is not None and device.parent not in others:
            fail(f"{where}.devices[{index}].parent", _no_such("device", device.parent, others))
        elif _circular(device.name, {item.name: item.parent for item in site.devices}):
            fail(f"{where}.devices[{index}].parent", "the parents run in a circle; one device must have none")
        if auths is not None and device.auth not in auths:
            fail(f"{where}.devices[{index}].auth", _no_such("auth", device.auth, auths))
        if device.zone is not None and zones and device.zone not in zones:
            fail(f"{where}.devices[{index}].zone", _no_such("zone", device.zone, zones))
    for index, agent in enumerate(site.agents):
        if agent.zone and zones and agent.zone not in zones:
            fail(f"{where}.agents[{index}].zone", _no_such("zone", agent.zone, zones))


def _circular(name: str, parents: dict[str, str | None]) -> bool:
    seen = {name}
    above = parents.get(name)
    while above is not None and above not in seen:
        seen.add(above)
        above = parents.get(above)
    return above == name


def _contacts(inventory: Inventory, communes: Mapping[int, Commune], fail: Fail, *, told: bool, codes_known: bool) -> None:
    codes = {commune.code for commune in communes.values()}
    for index, contact in enumerate(inventory.contacts):
        for number, code in enumerate(contact.communes):
            if codes_known and code not in codes:
                fail(f"contacts[{index}].communes[{number}]", f"no commune of this inventory has the code {code}")
        if told and contact.zalo is not None and inventory.notify.zalo is None:
            fail(f"contacts[{index}].zalo", "nothing is sent by Zalo until notify.zalo is there; write `notify: {zalo: {}}`")
        if told and contact.email is not None and inventory.notify.email is None:
            fail(f"contacts[{index}].email", "no mail is sent until notify.email names the mail server and the sender")


def _maintenance(
    inventory: Inventory, communes: Mapping[int, Commune], carriers: list[str] | None, fail: Fail, *, codes_known: bool
) -> None:
    sites = {commune.code: {site.id: site for site in commune.sites} for commune in communes.values()}
    areas = sorted({commune.area for commune in communes.values()})
    for index, window in enumerate(inventory.maintenance):
        where = f"maintenance[{index}]"
        begin, end = (_moment(f"{where}.{key}", getattr(window, key), fail) for key in ("start", "end"))
        if begin is not None and end is not None and begin >= end:
            fail(f"{where}.end", f"{window.end} is not after {window.start}")
        if codes_known and window.area is not None and window.area not in areas:
            fail(f"{where}.area", _no_such("area", window.area, areas))
        if carriers is not None and window.carrier is not None and window.carrier not in carriers:
            fail(f"{where}.carrier", _no_such("carrier", window.carrier, carriers))
        if sum(value is not None for value in (window.area, window.carrier, window.commune)) > 1:
            fail(where, "write only one of area, carrier and commune; a second window says the rest")
        if window.commune is None:
            if window.site is not None or window.link is not None:
                fail(where, "site and link need commune")
            continue
        if window.commune not in sites:
            if codes_known:
                fail(f"{where}.commune", f"no commune of this inventory has the code {window.commune}")
            continue
        if window.site is not None and window.site not in sites[window.commune]:
            fail(f"{where}.site", _no_such("site", window.site, sites[window.commune]))
        elif window.link is not None:
            if window.site is None:
                fail(f"{where}.link", "link needs site")
            elif window.link not in (names := [link.name for link in sites[window.commune][window.site].links]):
                fail(f"{where}.link", _no_such("link", window.link, names))


def _hours(where: str, hours: ServiceHours, fail: Fail) -> None:
    try:
        zone = zoneinfo.ZoneInfo(hours.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        fail(f"{where}.timezone", f"{hours.timezone} is no time zone; write one such as Asia/Ho_Chi_Minh")
        return
    if len({datetime.datetime(2026, month, 1, tzinfo=zone).utcoffset() for month in range(1, 13)}) > 1:
        fail(f"{where}.timezone", f"{hours.timezone} has daylight saving time, which rules cannot follow; write Asia/Ho_Chi_Minh")
    for key in ("week", "closed", "open"):
        try:
            parse_hours(**{"week": "", "closed": (), "open": (), "timezone": hours.timezone, key: getattr(hours, key)})
        except ValueError as error:
            fail(f"{where}.{key}", str(error))


def _dates(where: str, dates: Iterable[str], fail: Fail) -> None:
    for index, text in enumerate(dates):
        try:
            datetime.date.fromisoformat(text)
        except ValueError:
            fail(f"{where}[{index}]", f"{text!r} is no date; write YYYY-MM-DD")


def _moment(where: str, text: str, fail: Fail) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        fail(where, f"{text!r} is no moment; write one such as 2026-10-03 22:00")
        return None


def _unique(named: Iterable[tuple[str, str]], fail: Fail) -> None:
    seen: set[str] = set()
    for path, name in named:
        if name in seen:
            fail(path, f"{name} is used twice; it must differ")
        seen.add(name)


def _no_such(what: str, name: str, known: Iterable[str]) -> str:
    listed = ", ".join(known)
    return f"there is no {what} {name!r}; " + (f"known are: {listed}" if listed else f"no {what} is in the inventory")
