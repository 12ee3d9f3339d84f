"""Every agent's configuration as a folder that one command installs; the hub's is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from agent.config import ConfigError
from agent.province.inventory import Commune, Device, Inventory, InventorySite, SiteAgent, SiteLink, hub_user, user_of
from agent.province.series import HEAD, dump, every_site, hours_of, site_title
from collectors.snmp import SnmpAuth
from collectors.wire.units import Rate

WRITE_PATH = "/api/v1/write"


@dataclass(frozen=True)
class Bundle:
    """One agent: its folder in the tree, its user, its configuration, and the secrets beside it (name to content).

    Attributes:
        scans: it is the sensor of a zone, and may start Wi-Fi scans of its own.
    """

    folder: str
    user: str
    config: str
    secrets: dict[str, str]
    scans: bool = False


def _remote_write(inventory: Inventory, user: str) -> dict[str, Any]:
    host = inventory.server.names[0]
    shown = f"[{host}]" if ":" in host else host
    return {
        "url": f"https://{shown}:{inventory.server.port}{WRITE_PATH}",
        "basic_auth": {"username": user, "password_file": "password"},
        "tls": {"ca_file": "ca.crt"},
    }


def _site_section(inventory: Inventory, commune: Commune, site: InventorySite, agent: SiteAgent) -> dict[str, Any]:
    hours = hours_of(inventory, commune, site)
    return {
        "province": inventory.province.slug,
        "commune": commune.code,
        "site": site.id,
        "name": site_title(commune, site),
        "instance": agent.instance,
        "role": agent.role,
        **({"zone": agent.zone} if agent.zone else {}),
        "service_hours": {
            "timezone": hours.timezone,
            "week": hours.week,
            "closed": list(hours.closed),
            "open": list(hours.open),
        },
    }


def _link(link: SiteLink, role: str) -> dict[str, Any]:
    """A line as an agent reads it; only the full agent knows the devices that a line ends at."""
    found: dict[str, Any] = {"name": link.name, "kind": link.kind}
    if link.carrier:
        found["carrier"] = link.carrier
    for key in ("interface", "device", "port") if role == "full" else ("interface",):
        if getattr(link, key) is not None:
            found[key] = getattr(link, key)
    if link.gateway != "auto":
        found["gateway"] = link.gateway
    if link.beacons:
        found |= {"beacons": list(link.beacons), "quorum": link.quorum}
    contract = {key: str(rate) for key in ("download", "upload") if (rate := getattr(link.contract, key)) is not None}
    return found | ({"contract": contract} if contract else {})


def _portals(inventory: Inventory) -> dict[str, Any]:
    return {
        "targets": [
            {"name": portal.name, "url": portal.url, "method": portal.method, "expect_status": list(portal.expect_status)}
            for portal in inventory.portals
        ]
    }


def _queries(inventory: Inventory) -> dict[str, Any]:
    return {"queries": [{"name": query.name, "type": query.type} for query in inventory.dns_queries]}


def _bridges(inventory: Inventory, site: InventorySite) -> dict[str, Any]:
    names = {link.name for link in site.links}
    return {
        "targets": [
            {"name": bridge.name, "address": bridge.address}
            | ({"need": str(bridge.need)} if isinstance(bridge.need, Rate) else {})
            | ({"link": bridge.link} if bridge.link in names else {})
            for bridge in inventory.bridges
        ]
    }


def _device(device: Device) -> dict[str, Any]:
    found: dict[str, Any] = {"name": device.name, "address": device.address}
    if device.port != 161:
        found["port"] = device.port
    return found | {
        key: value
        for key, value in (("auth", device.auth), ("profile", device.profile), ("parent", device.parent), ("zone", device.zone))
        if value is not None and (key, value) not in {("auth", "default"), ("profile", "auto")}
    }


def _auth(name: str, auth: SnmpAuth, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The section as the agent reads it, with every secret moved into a file of the bundle."""
    found: dict[str, Any] = {"version": auth.version}
    secrets: dict[str, str] = {}

    def put(section: dict[str, Any], key: str, text: str | None, file: str | None, target: str) -> None:
        if file is not None:
            try:
                text = (folder / Path(file).expanduser()).read_text(encoding="utf-8").strip()
            except OSError as error:
                message = f"{folder / file}: cannot be read: {error.strerror}; it is named in snmp_auths.{name}"
                raise ConfigError([message]) from None
        if text is not None:
            secrets[target] = text + "\n"
            section[f"{key}_file"] = target

    put(found, "community", auth.community, auth.community_file, f"snmp-{name}-community")
    if auth.username is not None:
        found["username"] = auth.username
    for key in ("auth", "privacy"):
        part = getattr(auth, key)
        if part is not None:
            found[key] = {"protocol": part.protocol}
            put(found[key], "password", part.password, part.password_file, f"snmp-{name}-{key}")
    return found, secrets


def _snmp(inventory: Inventory, site: InventorySite, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    secrets: dict[str, str] = {}
    auths = {}
    for name in sorted({device.auth for device in site.devices} & set(inventory.snmp_auths)):
        auths[name], found = _auth(name, inventory.snmp_auths[name], folder)
        secrets |= found
    section: dict[str, Any] = {"auths": auths} if auths else {}
    section["devices"] = [_device(device) for device in site.devices]
    if site.traps is not None:
        section["traps"] = {"listen": site.traps}
    return section, secrets


def agent_bundle(inventory: Inventory, commune: Commune, site: InventorySite, agent: SiteAgent, folder: Path) -> Bundle:
    """The bundle of one agent of a site; `folder` is where files named in the inventory are."""
    user = user_of(commune, site, agent)
    config: dict[str, Any] = {"site": _site_section(inventory, commune, site, agent)}
    if agent.listen != "127.0.0.1:9797":
        config["listen"] = agent.listen
    if site.links:
        config["links"] = [_link(link, agent.role) for link in site.links]
    wifi: dict[str, Any] = {"dead_zone_dbm": inventory.wifi.dead_zone_dbm, "hysteresis_db": inventory.wifi.hysteresis_db}
    if agent.ssids or site.ssids:
        wifi["ssids"] = list(agent.ssids or site.ssids)
    config["wifi"] = wifi
    secrets: dict[str, str] = {}
    if agent.role == "full":
        config |= {"dns": _queries(inventory), "http": _portals(inventory)}
        if inventory.bridges:
            config["conference"] = _bridges(inventory, site)
        if inventory.hub.bandwidth_url is not None:
            config["bandwidth"] = {
                "targets": [
                    {"name": "hub", "method": "http", "url": inventory.hub.bandwidth_url, "link": link.name}
                    for link in site.links
                    if link.kind != "lte"
                ]
            }
        if site.allowed_dhcp_servers:
            config["lan"] = {"allowed_dhcp_servers": list(site.allowed_dhcp_servers)}
        if site.devices or site.traps is not None:
            config["snmp"], secrets = _snmp(inventory, site, folder)
    if agent.pull is None:
        config["remote_write"] = _remote_write(inventory, user)
    return Bundle(f"agents/{commune.code}/{site.id}/{agent.instance}", user, HEAD + dump(config), secrets, bool(agent.zone))


def hub_bundle(inventory: Inventory) -> Bundle:
    """The bundle of the agent that looks at every commune from outside; its targets are named commune/site/link."""
    user = hub_user(inventory)
    hub = inventory.hub
    targets = [
        {"name": f"{commune.code}/{site.id}/{link.name}", "address": link.hub_address}
        for commune, site in every_site(inventory)
        for link in site.links
        if link.hub_address is not None
    ]
    host = inventory.server.names[0]
    shown = f"[{host}]" if ":" in host else host
    own = {
        "name": "monitoring",
        "url": f"https://{shown}:{inventory.server.port}/-/healthy",
        "expect_status": ["200-499"],
        "ca_file": "ca.crt",
    }
    config: dict[str, Any] = {
        "site": {"province": inventory.province.slug, "site": "hub", "instance": hub.instance, "role": "hub"}
        | {"name": inventory.province.name}
    }
    if hub.links:
        config["links"] = [
            {"name": link.name, "kind": link.kind}
            | ({"carrier": link.carrier} if link.carrier else {})
            | ({"interface": link.interface} if link.interface else {})
            | ({"beacons": list(link.beacons)} if link.beacons else {})
            for link in hub.links
        ]
    portals = _portals(inventory)
    config |= {
        "ping": {"targets": [{"name": "gateway", "address": "auto"}, *targets]},
        "dns": _queries(inventory),
        "http": {"targets": [*portals["targets"], own]},
        "remote_write": _remote_write(inventory, user),
    }
    return Bundle("hub", user, HEAD + dump(config), {})


def install_script(template: str, unit: str, bundle: Bundle) -> str:
    """`install.sh` of a bundle; `unit` is the service as packages install it, whose user owns the secrets."""
    files = " ".join(sorted(["password", "ca.crt", *bundle.secrets]))
    return Template(template).substitute(user=bundle.user, files=files, unit=unit, scans="yes" if bundle.scans else "")
