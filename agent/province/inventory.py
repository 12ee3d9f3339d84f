"""The inventory: the one file that a province keeps, as types.

`crosscheck.load` reads the file into these values and tells every mistake at once, with file, line and key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from collectors.dns import DnsQuery
from collectors.site import Contract, Name, ServiceHours, Settings, Slug, seconds
from collectors.snmp import SnmpAuth
from collectors.wifi import WifiSettings
from collectors.wire.units import Duration, Rate

Code = Annotated[
    str, Meta(pattern="^[0-9]{5}$", description="the administrative code: five digits, quoted, since it may begin with 0")
]
ProvinceCode = Annotated[str, Meta(pattern="^[0-9]{2}$", description="the province's code: two digits, quoted")]
Latitude = Annotated[float, Meta(ge=6, le=24, description="degrees north within Viet Nam, 6 to 24")]
Longitude = Annotated[float, Meta(ge=102, le=118, description="degrees east within Viet Nam, 102 to 118")]
Url = Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")]
Moment = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-2][0-9]:[0-5][0-9]$", description="a local time such as 2026-10-03 22:00"),
]
Host = Annotated[str, Meta(pattern="^[A-Za-z0-9:.-]+$", min_length=1, description="a host name or an IP address")]
LinkKind = Literal["internet", "tslcd", "lte", "other"]
DeviceClass = Literal[
    "router", "switch", "ap", "bridge", "ups", "printer", "scanner", "kiosk", "queue", "camera", "pc", "vc", "nas", "other"
]
ALWAYS_ON = frozenset({"router", "switch", "ap", "bridge", "ups", "camera", "nas"})
"""Classes of devices that run day and night unless the inventory says otherwise; the others are switched off after work."""


class Province(Settings, frozen=True):
    """The province itself; `slug` is the label `province` and the tenant."""

    code: ProvinceCode
    slug: Slug
    name: Name


class Holidays(Settings, frozen=True):
    """Days on which nothing is served; the national ones are built in, `open` takes a day out of them."""

    national: bool = True
    closed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


class Server(Settings, frozen=True):
    """How agents and people reach the province's monitoring server.

    Attributes:
        names: host names and addresses in the server's certificate; agents write to the first.
        runbooks: where the runbook pages are to be read; null: on this server.
        agent_version: the version that every agent should have; null: that of the agent that renders.
        wheel: file name of the package that install bundles install, when a computer has no agent yet.
    """

    names: Annotated[tuple[Host, ...], Meta(min_length=1)]
    port: Annotated[int, Meta(ge=1, le=65535)] = 9443
    grafana: Url = "http://localhost:3000"
    runbooks: Url | None = None
    agent_version: str | None = None
    retention: Duration = seconds(400 * 86400)
    out_of_order: Duration = seconds(31 * 86400)


class HubLink(Settings, frozen=True):
    """An uplink of the province's own data centre."""

    name: Slug
    kind: LinkKind = "internet"
    carrier: str = ""
    interface: str | None = None
    beacons: tuple[str, ...] = ()


class Hub(Settings, frozen=True):
    """The agent at the province that looks at every commune from outside."""

    instance: Slug = "hub"
    links: tuple[HubLink, ...] = ()
    bandwidth_url: str | None = None
    """A file on the province's server that sites load to test their lines, such as `https://…/100M`."""


class Carrier(Settings, frozen=True):
    """A carrier, by the word that links use for it."""

    name: Slug
    title: Name
    desk: str = ""
    """Whom to call, as printed in messages and on the evidence page."""


class Portal(Settings, frozen=True):
    """A web service that citizens are served with."""

    name: Name
    url: Url
    method: Literal["HEAD", "GET"] = "HEAD"
    expect_status: tuple[str, ...] = ("200-499",)


class Bridge(Settings, frozen=True):
    """A video-conference bridge as `host:port`, and the rate that a room needs in each direction."""

    name: Name
    address: Name
    need: Rate | None = None
    link: str | None = None


class Contact(Settings, frozen=True):
    """A person: of the province (no communes), or of some communes."""

    name: Name
    email: str | None = None
    zalo: str | None = None
    """Chat id at the Zalo bot; the person has to write to the bot once to have one."""
    phone: str | None = None
    communes: tuple[Code, ...] = ()
    lang: Literal["vi", "en"] | None = None
    """Null: that of `notify`."""


class Email(Settings, frozen=True):
    """The mail server that Alertmanager sends through; the password is a file under `secrets/` that you write."""

    smarthost: Annotated[str, Meta(pattern="^[^:]+:[0-9]{1,5}$", description="host:port, such as smtp.lamdong.gov.vn:587")]
    sender: Name
    username: str | None = None
    require_tls: bool = True


class Zalo(Settings, frozen=True):
    """The bridge to the Zalo Bot API; the bot's token is the file `secrets/zalo-token` that you write."""

    api: Url = "https://bot-api.zaloplatforms.com"
    bridge: Url = "http://notify:9796"


class Webhook(Settings, frozen=True):
    """Another receiver, such as the province's operations centre."""

    name: Slug
    url: Url
    severities: tuple[Literal["page", "ticket"], ...] = ("page", "ticket")
    token: bool = False
    """It wants a bearer token: the file `secrets/webhook-NAME` that you write."""


class Notify(Settings, frozen=True):
    """How people are told."""

    lang: Literal["vi", "en"] = "vi"
    email: Email | None = None
    zalo: Zalo | None = None
    webhooks: tuple[Webhook, ...] = ()
    deadman: Url | None = None
    """Told every minute that the province's own monitoring lives; whoever listens there raises the alarm when it stops."""


class Maintenance(Settings, frozen=True):
    """A planned interruption; without any selector the whole province."""

    name: Name
    start: Moment
    end: Moment
    area: str | None = None
    carrier: str | None = None
    commune: Code | None = None
    site: Slug | None = None
    link: Slug | None = None


class SiteLink(Settings, frozen=True):
    """One uplink of a site."""

    name: Slug
    kind: LinkKind = "internet"
    carrier: str = ""
    interface: str | None = None
    gateway: str | None = "auto"
    beacons: tuple[str, ...] = ()
    quorum: Annotated[int, Meta(ge=1)] = 1
    contract: Contract = Contract()
    device: str | None = None
    port: str | None = None
    hub_address: Host | None = None
    """The address of the site's router that answers the hub's pings by this line; null behind NAT."""


class SiteAgent(Settings, frozen=True):
    """One computer with an agent; `always_on: false` for a computer that is switched off after work."""

    instance: Slug
    role: Literal["full", "sensor"] = "sensor"
    zone: str = ""
    always_on: bool | None = None
    ssids: tuple[str, ...] = ()
    listen: str = "127.0.0.1:9797"
    pull: Annotated[str, Meta(pattern=r"^\S+:[0-9]{1,5}$", description="host:port")] | None = None
    """Where the province scrapes this agent, for one that cannot push; null: it pushes."""


class Device(Settings, frozen=True):
    """One device that answers SNMP."""

    name: Slug
    address: Host
    kind: DeviceClass = "other"
    port: Annotated[int, Meta(ge=1, le=65535)] = 161
    auth: str = "default"
    profile: str = "auto"
    parent: str | None = None
    zone: str | None = None
    always_on: bool | None = None
    essential: bool = False
    """Citizens cannot be served without it: it counts in the score."""


class Zone(Settings, frozen=True):
    """A place of the site that Wi-Fi has to cover."""

    name: Name
    ssid: str = ""


class InventorySite(Settings, frozen=True):
    """One place where a commune works."""

    agents: Annotated[tuple[SiteAgent, ...], Meta(min_length=1)]
    id: Slug = "main"
    name: str = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    service_hours: ServiceHours | None = None
    links: tuple[SiteLink, ...] = ()
    devices: tuple[Device, ...] = ()
    ssids: tuple[str, ...] = ()
    zones: tuple[Zone, ...] = ()
    traps: str | None = None
    """Where the site's full agent listens for traps, such as `0.0.0.0:1162`."""
    allowed_dhcp_servers: tuple[str, ...] = ()


class Commune(Settings, frozen=True):
    """One commune, ward or special zone."""

    code: Code
    name: Name
    latitude: Latitude
    longitude: Longitude
    sites: Annotated[tuple[InventorySite, ...], Meta(min_length=1)]
    kind: Literal["xa", "phuong", "dac_khu"] = "xa"
    area: Slug = "all"
    service_hours: ServiceHours | None = None


class Inventory(Settings, frozen=True):
    """The whole file."""

    province: Province
    server: Server
    communes: Annotated[tuple[Commune, ...], Meta(min_length=1)]
    service_hours: ServiceHours = ServiceHours()
    holidays: Holidays = Holidays()
    hub: Hub = Hub()
    carriers: tuple[Carrier, ...] = ()
    portals: tuple[Portal, ...] = (
        Portal(name="dichvucong.gov.vn", url="https://dichvucong.gov.vn/"),
        Portal(name="xacthuc.dichvucong.gov.vn", url="https://xacthuc.dichvucong.gov.vn/"),
        Portal(name="sso.dancuquocgia.gov.vn", url="https://sso.dancuquocgia.gov.vn/"),
        Portal(name="ocsp.ca.gov.vn", url="http://ocsp.ca.gov.vn/"),
    )
    dns_queries: tuple[DnsQuery, ...] = (DnsQuery(name="dichvucong.gov.vn"),)
    bridges: tuple[Bridge, ...] = ()
    wifi: WifiSettings = WifiSettings()
    snmp_auths: dict[str, SnmpAuth] = {}
    contacts: tuple[Contact, ...] = ()
    notify: Notify = Notify()
    maintenance: tuple[Maintenance, ...] = ()


def user_of(commune: Commune, site: InventorySite, agent: SiteAgent) -> str:
    """The name that an agent logs in with."""
    return f"{commune.code}-{site.id}-{agent.instance}"


def hub_user(inventory: Inventory) -> str:
    """The name that the hub's agent logs in with."""
    return f"hub-{inventory.hub.instance}"
