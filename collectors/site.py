"""Where the agent stands: the site as configured, its surroundings as found, and the uplinks that follow from both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as field_
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from msgspec import Meta, Struct, field

from collectors.machine import Machine
from collectors.wire.units import Duration, Rate

Slug = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$", description="lower-case letters, digits and hyphens")]
Name = Annotated[str, Meta(min_length=1, max_length=128, description="a name, 1 to 128 characters")]
CommuneCode = Annotated[
    str,
    Meta(pattern="^([0-9]{5})?$", description="the administrative code: five digits, quoted, since it may begin with 0"),
]


class Secret(str):
    """Text that is never shown: its `repr` hides it, and no message of ours formats it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'<secret>'"


class InvalidError(ValueError):
    """A setting that does not fit the others of its section; `key` is where to point."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every settings type: immutable, by keyword, unknown keys are errors."""


def seconds(value: float) -> Duration:
    """Default of a duration setting (a factory, so that the schema is written by our own code)."""
    default: Duration = field(default_factory=lambda: Duration(value))
    return default


class ServiceHours(Settings, frozen=True):
    """When the centre serves citizens."""

    timezone: str = "Asia/Ho_Chi_Minh"
    week: str = "Mon-Fri 07:00-11:30,13:30-17:00"
    closed: tuple[str, ...] = ()
    open: tuple[str, ...] = ()


class Site(Settings, frozen=True):
    """The site and this computer's place in it."""

    province: Annotated[str, Meta(pattern="^([a-z0-9][a-z0-9-]{0,62})?$", description="a slug such as lam-dong")] = ""
    commune: CommuneCode = ""
    site: Slug = "main"
    name: str = ""
    instance: str = ""
    role: Literal["full", "sensor", "hub"] = "full"
    zone: str = ""
    service_hours: ServiceHours = ServiceHours()


class Contract(Settings, frozen=True):
    """What the carrier promises, in each direction."""

    download: Rate | None = None
    upload: Rate | None = None


class Coverage(Settings, frozen=True):
    """What mobile signal (RSRP) is worth, whoever reads it: the limits are ours, since no national one was found."""

    weak_dbm: float = -110.0
    none_dbm: float = -120.0

    def __post_init__(self) -> None:
        if self.none_dbm > self.weak_dbm:
            raise InvalidError("none_dbm", f"{self.none_dbm:g} must not be above weak_dbm ({self.weak_dbm:g})")

    def state(self, rsrp_dbm: float | None, *, registered: bool | None) -> str | None:
        """`good`, `weak` or `none` (an unregistered modem has none); None where a modem tells no RSRP."""
        if registered is False:
            return "none"
        if rsrp_dbm is None:
            return None
        if rsrp_dbm < self.none_dbm:
            return "none"
        return "weak" if rsrp_dbm < self.weak_dbm else "good"


class Link(Settings, frozen=True):
    """One uplink of the site as configured."""

    name: Name
    kind: Literal["internet", "tslcd", "lte", "other"] = "internet"
    carrier: str = ""
    interface: str | None = None
    gateway: str | None = "auto"
    beacons: tuple[str, ...] = ()
    quorum: Annotated[int, Meta(ge=1)] = 1
    contract: Contract = Contract()
    device: str | None = None
    port: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A default route: the gateway (None on a point-to-point interface), its interface and metric; lower wins."""

    family: Literal[4, 6]
    interface: str
    gateway: str | None
    metric: int


@dataclass(frozen=True, slots=True)
class Interface:
    """A physical interface with its addresses (with prefix length, such as `192.168.1.5/24`)."""

    name: str
    addresses: tuple[str, ...]
    wireless: bool = False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the machine's own network configuration says, compared as a whole to notice a change."""

    routes: tuple[Route, ...] = ()
    resolvers: tuple[str, ...] = ()
    interfaces: tuple[Interface, ...] = ()


@dataclass(frozen=True, slots=True)
class Uplink:
    """A link as it can be measured from here and now.

    Attributes:
        settings: the link as configured, or as made up for a default route.
        interface: the interface that the PC reaches it by; None where the router has it (beacon-only).
        gateway: the next hop's address, None where unknown or behind the router.
    """

    settings: Link
    interface: str | None
    gateway: str | None

    @property
    def name(self) -> str:
        """The value of the label `link`."""
        return self.settings.name


class Session(Protocol):
    """Something that several collectors measure through, such as the one socket of all pings."""

    async def close(self) -> None:
        """Release sockets and tasks; the agent calls it once, after the last collector stopped."""


SessionT = TypeVar("SessionT", bound=Session)


@dataclass(frozen=True, slots=True)
class Context:
    """All that a collector kind may build its instances from, beside its own settings.

    Attributes:
        sessions: the shared sessions by type; reached through `session`, closed by the agent.
        state_dir: where what outlives the process is kept; None where nothing can be written.
        directory: what relative file names in the configuration are relative to.
        coverage: by which modems are judged, those of this computer and those read over SNMP.
    """

    machine: Machine
    site: Site
    surroundings: Surroundings
    uplinks: tuple[Uplink, ...]
    sessions: dict[type[Any], Session] = field_(default_factory=dict, compare=False)
    state_dir: Path | None = None
    directory: Path = field_(default_factory=Path)
    coverage: Coverage = field_(default_factory=Coverage)

    def session(self, kind: type[SessionT], make: Callable[[], SessionT]) -> SessionT:
        """The one session of a type, made at first use."""
        if kind not in self.sessions:
            self.sessions[kind] = make()
        found: SessionT = self.sessions[kind]  # type: ignore[assignment]  # keyed by its own type
        return found

    def uplink(self, name: str | None) -> Uplink | None:
        """The uplink of that name, None for no name or one that is not there now."""
        return next((uplink for uplink in self.uplinks if uplink.name == name), None)
