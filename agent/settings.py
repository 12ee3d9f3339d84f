"""All settings of the agent as types; the sections of the collectors come from their own table.

`config` reads a file into these values, `schema` describes them to editors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from collectors import KINDS
from collectors.site import InvalidError, Name, Secret, Settings, Site, seconds
from collectors.wire.units import Duration, Size

HostPort = Annotated[
    str,
    Meta(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]*):[0-9]{1,5}$", description="host:port, such as 127.0.0.1:9797 or [::1]:9797"),
]
LabelName = Annotated[str, Meta(pattern="^[a-zA-Z][a-zA-Z0-9_]*$", description="letters, digits and underscores")]


class ClockSettings(Settings, frozen=True):
    """Section `clock`: who tells the true time."""

    servers: tuple[Name, ...] = ("pool.ntp.org",)
    interval: Duration = seconds(3600)


class BasicAuth(Settings, frozen=True):
    """A user and a password, as text or in a file."""

    username: str
    password: Secret | None = None
    password_file: str | None = None

    def __post_init__(self) -> None:
        if (self.password is None) == (self.password_file is None):
            message = "write either password or password_file"
            raise InvalidError("password_file", message)


class TlsClient(Settings, frozen=True):
    """Whom to trust and how to identify ourselves; the system's trust store without `ca_file`."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: str | None = None
    insecure_skip_verify: bool = False

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            message = "cert_file and key_file belong together"
            raise InvalidError("cert_file", message)


class ScrapeTarget(Settings, frozen=True):
    """Another exporter of the site, carried along as Prometheus would scrape it."""

    job: Name
    url: Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")]
    interval: Duration = seconds(60)
    timeout: Duration = seconds(10)
    labels: dict[LabelName, str] = {}
    basic_auth: BasicAuth | None = None
    tls: TlsClient | None = None
    max_bytes: Size = field(default_factory=lambda: Size(4 * 2**20))
    max_series: Annotated[int, Meta(ge=1)] = 5000


class ScrapeSettings(Settings, frozen=True):
    """Section `scrape`."""

    targets: tuple[ScrapeTarget, ...] = ()


RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-prometheus-remote-write-version",
    }
)
"""What users must not be able to set (remote write 1.0, "Protocol"); credentials have settings of their own."""


class RemoteWriteSettings(Settings, frozen=True):
    """Section `remote_write`; absent: pull only."""

    url: Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")]
    basic_auth: BasicAuth | None = None
    bearer_token: Secret | None = None
    bearer_token_file: str | None = None
    headers: dict[str, Secret] = {}
    tls: TlsClient = TlsClient()
    protocol: Literal["auto", "1.0", "2.0"] = "auto"
    interval: Duration = seconds(240)
    timeout: Duration = seconds(30)
    backlog_samples_per_second: Annotated[int, Meta(ge=1)] = 20_000

    def __post_init__(self) -> None:
        given = [self.basic_auth, self.bearer_token, self.bearer_token_file]
        if sum(value is not None for value in given) > 1:
            message = "write only one of basic_auth, bearer_token and bearer_token_file"
            raise InvalidError("basic_auth", message)
        for name in self.headers:
            if name.lower() in RESERVED_HEADERS:
                where = f"headers.{name}"
                raise InvalidError(where, "this header is the protocol's own and cannot be set")


class SpoolSettings(Settings, frozen=True):
    """Section `spool`: what is kept until the province has it."""

    max_bytes: Size = field(default_factory=lambda: Size(256 * 2**20))
    max_age: Duration = seconds(30 * 86400)
    memory_first: bool = False
    """Hold in memory and write every `checkpoint`: for routers whose flash wears out."""
    checkpoint: Duration = seconds(300)


class Core(Settings, frozen=True):
    """Every section that is not a collector's."""

    site: Site = Site()
    labels: dict[LabelName, str] = {}
    listen: HostPort = "127.0.0.1:9797"
    web_config_file: str | None = None
    state_dir: str | None = None
    clock: ClockSettings = ClockSettings()
    scrape: ScrapeSettings = ScrapeSettings()
    remote_write: RemoteWriteSettings | None = None
    spool: SpoolSettings = SpoolSettings()


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """A whole configuration.

    Attributes:
        core: the agent's own sections.
        kinds: the section of each collector kind, by name; complete.
        directory: what relative file names in the configuration are relative to.
        warnings: what looks wrong in the file, in the words of its mistakes, and does not keep the agent from running.
    """

    core: Core
    kinds: Mapping[str, Any]
    directory: Path
    warnings: tuple[str, ...] = ()

    def file(self, name: str) -> Path:
        """A file named in the configuration; `config` has made such names absolute already."""
        return self.directory / name


def defaults() -> AgentSettings:
    """The configuration of an agent without a configuration file."""
    return AgentSettings(Core(), {kind.name: kind.default for kind in KINDS}, Path())
