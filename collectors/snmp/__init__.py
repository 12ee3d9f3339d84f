"""snmp: any device of the site that answers SNMP, recognised by itself, in one set of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, field

from collectors.families import ACCESS_POINTS, DEVICES, INTERFACES, MOBILE, MOBILE_COVERAGE
from collectors.model import Collector
from collectors.site import Context, Name, Secret, Settings, seconds
from collectors.snmp.metrics import ERRORS, TRAPS
from collectors.wire.units import Duration

METRICS = (*INTERFACES, *DEVICES, *ACCESS_POINTS, *MOBILE, MOBILE_COVERAGE, TRAPS, ERRORS)


class AuthKey(Settings, frozen=True):
    """USM authentication (RFC 3414, RFC 7860)."""

    protocol: Literal["MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512"] = "SHA1"
    password: Secret | None = None
    password_file: str | None = None


class PrivacyKey(Settings, frozen=True):
    """USM privacy (RFC 3414, RFC 3826)."""

    protocol: Literal["DES", "AES128", "AES192", "AES256"] = "AES128"
    password: Secret | None = None
    password_file: str | None = None


class SnmpAuth(Settings, frozen=True):
    """How to ask: a community for version 1 and 2c, a user for version 3."""

    version: Literal["1", "2c", "3", 1, 3] = "2c"
    community: Secret | None = None
    community_file: str | None = None
    username: str | None = None
    auth: AuthKey | None = None
    privacy: PrivacyKey | None = None


class SnmpDevice(Settings, frozen=True):
    """One device."""

    name: Name
    address: Name
    port: Annotated[int, Meta(ge=1, le=65535)] = 161
    auth: str = "default"
    profile: str = "auto"
    parent: str | None = None
    zone: str | None = None
    interval: Duration | None = None
    timeout: Duration = seconds(5)
    retries: Annotated[int, Meta(ge=0, le=5)] = 1


class TrapSettings(Settings, frozen=True):
    """Where traps are received, such as `0.0.0.0:1162`; null: nowhere."""

    listen: str | None = None


class SnmpSettings(Settings, frozen=True):
    """Section `snmp`."""

    interval: Duration = seconds(60)
    auths: dict[str, SnmpAuth] = field(default_factory=lambda: {"default": SnmpAuth(community=Secret("public"))})
    devices: tuple[SnmpDevice, ...] = ()
    profiles_dir: str | None = None
    traps: TrapSettings = TrapSettings()


def build(settings: SnmpSettings, context: Context) -> Sequence[Collector]:
    """A collector per device, and one that receives traps where that is configured."""
    if not settings.devices and settings.traps.listen is None:
        return ()
    from collectors.snmp.assemble import assemble  # noqa: PLC0415  loads an SNMP library

    return assemble(settings, context)
