"""The inventory as recording rules: which agents, lines, devices and hours there should be, in the labels agents push."""

from __future__ import annotations

import datetime
import hashlib
import zoneinfo
from collections.abc import Iterator
from typing import Any

import yaml

from agent import __version__
from agent.hours import Hours, parse_hours
from agent.province.holidays import closed_days
from agent.province.inventory import ALWAYS_ON, Commune, Inventory, InventorySite
from collectors.site import ServiceHours

HEAD = "# Rendered by `agent province render`; changes belong into the inventory.\n"
Rule = dict[str, Any]
_DAY = 86400


def dump(value: object) -> str:
    """YAML as every rendered file has it: keys in our order, letters as they are."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=2000)
    return text


def hours_of(inventory: Inventory, commune: Commune, site: InventorySite) -> ServiceHours:
    """The site's service hours with the province's days off."""
    own = site.service_hours or commune.service_hours or inventory.service_hours
    closed = sorted({*own.closed, *closed_days(inventory.holidays)} - {text.split(" ")[0] for text in own.open})
    return ServiceHours(timezone=own.timezone, week=own.week, closed=tuple(closed), open=own.open)


def hours_name(hours: ServiceHours) -> str:
    """A short name of a pattern of hours, the same for the same hours."""
    text = "|".join((hours.timezone, hours.week, *hours.closed, "/", *hours.open))
    return "hours-" + hashlib.sha256(text.encode()).hexdigest()[:8]


def site_title(commune: Commune, site: InventorySite) -> str:
    """How people call the site."""
    return site.name or (commune.name if len(commune.sites) == 1 else f"{commune.name} ({site.id})")


def every_site(inventory: Inventory) -> Iterator[tuple[Commune, InventorySite]]:
    """All sites of the province, in the order of the file."""
    for commune in inventory.communes:
        for site in commune.sites:
            yield commune, site


def _one(record: str, **labels: str) -> Rule:
    return {"record": record, "expr": "vector(1)", "labels": {key: value for key, value in labels.items() if value}}


def _site_rules(inventory: Inventory, commune: Commune, site: InventorySite) -> Iterator[Rule]:
    where = {"province": inventory.province.slug, "commune": commune.code, "site": site.id}
    carriers = {link.carrier for link in site.links}
    yield _one(
        "commune_site_info",
        **where,
        name=site_title(commune, site),
        commune_name=commune.name,
        kind=commune.kind,
        area=commune.area,
        hours=hours_name(hours_of(inventory, commune, site)),
        carrier=carriers.pop() if len(carriers) == 1 else "",
    )
    for axis, value in (
        ("latitude", site.latitude if site.latitude is not None else commune.latitude),
        ("longitude", site.longitude if site.longitude is not None else commune.longitude),
    ):
        yield {"record": f"commune_site_{axis}_degrees", "expr": f"vector({value:g})", "labels": where}
    version = inventory.server.agent_version or __version__
    for agent in site.agents:
        always = agent.always_on if agent.always_on is not None else agent.role == "full"
        yield _one(
            "commune_expected_agent",
            **where,
            instance=agent.instance,
            role=agent.role,
            version=version,
            always_on=str(always).lower(),
        )
    for link in site.links:
        yield _one("commune_expected_link", **where, link=link.name, kind=link.kind, carrier=link.carrier or "unknown")
    for device in site.devices:
        always = device.always_on if device.always_on is not None else device.kind in ALWAYS_ON
        yield _one(
            "commune_expected_device",
            **where,
            device=device.name,
            kind=device.kind,
            parent=device.parent or "",
            zone=device.zone or "",
            always_on=str(always).lower(),
            essential=str(device.essential).lower(),
        )


def _people_rules(inventory: Inventory) -> Iterator[Rule]:
    """Whom to call, for the next steps that alerts name."""
    where = {"province": inventory.province.slug}
    for carrier in inventory.carriers:
        yield _one("commune_carrier_info", **where, carrier=carrier.name, title=carrier.title, desk=carrier.desk)
    for contact in inventory.contacts:
        for code in contact.communes:
            yield _one("commune_contact_info", **where, commune=code, contact=contact.name, phone=contact.phone or "")


def hours_expression(hours: Hours) -> str:
    """PromQL that is 1 while an office of these hours is open, else 0; the zone has no daylight saving time."""
    offset = datetime.datetime(2026, 1, 1, tzinfo=hours.zone).utcoffset() or datetime.timedelta()
    shift = int(offset.total_seconds())
    minute = f"(time() + {shift}) % {_DAY} / 60"
    parts: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for weekday, spans in enumerate(hours.week):
        if spans:
            parts.setdefault(spans, []).append((weekday + 1) % 7)
    weekly = [
        f"({_within(minute, spans)} and ({' or '.join(f'day_of_week(vector(time() + {shift})) == {day}' for day in days)}))"
        for spans, days in parts.items()
    ]
    dates = [(date, spans) for date, spans in sorted(hours.dates.items())]
    today = f"vector(time() + {shift} - (time() + {shift}) % {_DAY})"
    week = " or ".join(weekly) or "vector(1) > 1"
    if dates:
        special = " or ".join(f"{today} == {_day(date)}" for date, _ in dates)
        week = f"(({week}) unless ({special}))"
    extra = [f"({_within(minute, spans)} and ({today} == {_day(date)}))" for date, spans in dates if spans]
    return f"({' or '.join([week, *extra])}) * 0 + 1 or vector(0)"


def _within(minute: str, spans: tuple[tuple[int, int], ...]) -> str:
    ranges = (f"(vector({minute}) >= {begin} and vector({minute}) < {end})" for begin, end in spans)
    return f"({' or '.join(ranges)})"


def _day(date: datetime.date) -> int:
    return (date - datetime.date(1970, 1, 1)).days * _DAY


def _hours_rules(inventory: Inventory) -> Iterator[Rule]:
    patterns = {hours_name(hours): hours for hours in (hours_of(inventory, *pair) for pair in every_site(inventory))}
    for name, hours in sorted(patterns.items()):
        parsed = parse_hours(hours.week, hours.closed, hours.open, hours.timezone)
        yield {"record": "commune:hours_open", "expr": hours_expression(parsed), "labels": {"hours": name}}
    yield {
        "record": "commune:site_open",
        "expr": 'max by (province, commune, site) (commune_site_info{instance=""} * on (hours) group_left () commune:hours_open)',
    }


def _maintenance_rules(inventory: Inventory) -> Iterator[Rule]:
    zone = zoneinfo.ZoneInfo(inventory.service_hours.timezone)
    for window in inventory.maintenance:
        begin, end = (
            int(datetime.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) for text in (window.start, window.end)
        )
        given = {key: getattr(window, key) for key in ("area", "carrier", "commune", "site", "link")}
        labels = {key: value for key, value in given.items() if value is not None}
        covers = next((key for key in ("link", "site", "commune", "carrier", "area") if key in labels), "province")
        yield {
            "alert": "Maintenance",
            "expr": f"vector(time()) >= {begin} and vector(time()) < {end}",
            "labels": {"severity": "none", "scope": "stack", "covers": covers, "province": inventory.province.slug, **labels},
            "annotations": {"summary_vi": f"Bảo trì: {_plain(window.name)}", "summary_en": f"Maintenance: {_plain(window.name)}"},
        }


def _plain(text: str) -> str:
    return text.replace("{{", "{ {")  # no template of ours


def inventory_rules(inventory: Inventory) -> str:
    """`rules/inventory.yml`."""
    hub = _one(
        "commune_expected_agent",
        province=inventory.province.slug,
        site="hub",
        instance=inventory.hub.instance,
        role="hub",
        version=inventory.server.agent_version or __version__,
        always_on="true",
    )
    sites = [rule for pair in every_site(inventory) for rule in _site_rules(inventory, *pair)]
    groups: list[dict[str, Any]] = [
        {"name": "inventory", "interval": "60s", "rules": [hub, *sites, *_people_rules(inventory)]},
        {"name": "hours", "interval": "30s", "rules": list(_hours_rules(inventory))},
    ]
    maintenance = list(_maintenance_rules(inventory))
    if maintenance:
        groups.append({"name": "maintenance", "interval": "10s", "rules": maintenance})
    return HEAD + dump({"groups": groups})
