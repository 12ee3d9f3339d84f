"""What no single key of the inventory can tell: names used twice, references to what is not there, text with a grammar."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Callable, Iterable
from pathlib import Path

from agent.config import read_as
from agent.hours import parse_hours
from agent.province.inventory import Commune, Inventory, InventorySite
from collectors.site import ServiceHours

Fail = Callable[[str, str], None]


def load(path: Path) -> Inventory:
    """Read an inventory.

    Raises:
        ConfigError: every mistake found, each `file:line: key: what is wrong; what is accepted`.
    """
    return read_as(path, Inventory, check=crosscheck)


def crosscheck(inventory: Inventory, fail: Fail) -> None:
    """Report every contradiction through `fail(key, message)`."""
    _unique("carriers", [carrier.name for carrier in inventory.carriers], "name", fail)
    _unique("portals", [portal.name for portal in inventory.portals], "name", fail)
    _unique("bridges", [bridge.name for bridge in inventory.bridges], "name", fail)
    _unique("hub.links", [link.name for link in inventory.hub.links], "name", fail)
    _unique("notify.webhooks", [hook.name for hook in inventory.notify.webhooks], "name", fail)
    _unique("communes", [commune.code for commune in inventory.communes], "code", fail)
    _hours("service_hours", inventory.service_hours, fail)
    for key in ("closed", "open"):
        _dates(f"holidays.{key}", getattr(inventory.holidays, key), fail)
    for index, commune in enumerate(inventory.communes):
        _commune(f"communes[{index}]", commune, inventory, fail)
    _contacts(inventory, fail)
    _maintenance(inventory, fail)


def _commune(where: str, commune: Commune, inventory: Inventory, fail: Fail) -> None:
    if commune.service_hours is not None:
        _hours(f"{where}.service_hours", commune.service_hours, fail)
    _unique(f"{where}.sites", [site.id for site in commune.sites], "id", fail)
    for number, site in enumerate(commune.sites):
        _site(f"{where}.sites[{number}]", site, inventory, fail)


def _site(where: str, site: InventorySite, inventory: Inventory, fail: Fail) -> None:
    if site.service_hours is not None:
        _hours(f"{where}.service_hours", site.service_hours, fail)
    carriers = [carrier.name for carrier in inventory.carriers]
    devices = [device.name for device in site.devices]
    zones = [zone.name for zone in site.zones]
    _unique(f"{where}.links", [link.name for link in site.links], "name", fail)
    _unique(f"{where}.agents", [agent.instance for agent in site.agents], "instance", fail)
    _unique(f"{where}.devices", devices, "name", fail)
    _unique(f"{where}.zones", zones, "name", fail)
    full = [agent.instance for agent in site.agents if agent.role == "full"]
    if len(full) != 1:
        named = f"{', '.join(full)} are" if full else "none is"
        fail(f"{where}.agents", f"{named} of role full; exactly one computer of a site looks at the whole site")
    for index, link in enumerate(site.links):
        if link.carrier and link.carrier not in carriers:
            fail(f"{where}.links[{index}].carrier", _no_such("carrier", link.carrier, carriers))
        if link.device is not None and link.device not in devices:
            fail(f"{where}.links[{index}].device", _no_such("device", link.device, devices))
    auths = list(inventory.snmp_auths) or ["default"]
    for index, device in enumerate(site.devices):
        others = [name for name in devices if name != device.name]
        if device.parent is not None and device.parent not in others:
            fail(f"{where}.devices[{index}].parent", _no_such("device", device.parent, others))
        elif _circular(device.name, {item.name: item.parent for item in site.devices}):
            fail(f"{where}.devices[{index}].parent", "the parents run in a circle; one device must have none")
        if device.auth not in auths:
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


def _contacts(inventory: Inventory, fail: Fail) -> None:
    codes = [commune.code for commune in inventory.communes]
    for index, contact in enumerate(inventory.contacts):
        for number, code in enumerate(contact.communes):
            if code not in codes:
                fail(f"contacts[{index}].communes[{number}]", f"no commune of this inventory has the code {code}")
        if contact.zalo is not None and inventory.notify.zalo is None:
            fail(f"contacts[{index}].zalo", "nothing is sent by Zalo until notify.zalo is there; write `notify: {zalo: {}}`")
        if contact.email is not None and inventory.notify.email is None:
            fail(f"contacts[{index}].email", "no mail is sent until notify.email names the mail server and the sender")


def _maintenance(inventory: Inventory, fail: Fail) -> None:
    sites = {commune.code: {site.id: site for site in commune.sites} for commune in inventory.communes}
    areas = sorted({commune.area for commune in inventory.communes})
    carriers = [carrier.name for carrier in inventory.carriers]
    for index, window in enumerate(inventory.maintenance):
        where = f"maintenance[{index}]"
        begin, end = (_moment(f"{where}.{key}", getattr(window, key), fail) for key in ("start", "end"))
        if begin is not None and end is not None and begin >= end:
            fail(f"{where}.end", f"{window.end} is not after {window.start}")
        if window.area is not None and window.area not in areas:
            fail(f"{where}.area", _no_such("area", window.area, areas))
        if window.carrier is not None and window.carrier not in carriers:
            fail(f"{where}.carrier", _no_such("carrier", window.carrier, carriers))
        if sum(value is not None for value in (window.area, window.carrier, window.commune)) > 1:
            fail(where, "write only one of area, carrier and commune; a second window says the rest")
        if window.commune is None:
            if window.site is not None or window.link is not None:
                fail(where, "site and link need commune")
            continue
        if window.commune not in sites:
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


def _unique(path: str, names: Iterable[str], key: str, fail: Fail) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            fail(f"{path}[{index}].{key}", f"{name} is used twice; it must differ")
        seen.add(name)


def _no_such(what: str, name: str, known: Iterable[str]) -> str:
    listed = ", ".join(known)
    return f"there is no {what} {name!r}; " + (f"known are: {listed}" if listed else f"no {what} is in the inventory")
