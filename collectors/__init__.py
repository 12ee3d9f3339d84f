"""The explicit table of what can be measured: configuration, catalogue, documentation and tests read it.

Importing this package loads declarations only; what a kind measures with is imported when it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from collectors import (
    bandwidth,
    conference,
    dns,
    host,
    http,
    interfaces,
    lan,
    links,
    mobile,
    path,
    ping,
    snmp,
    survey,
    tcp,
    wifi,
)
from collectors.model import Collector, Metric
from collectors.site import Context, Link


@dataclass(frozen=True, slots=True)
class Kind:
    """One row: the name of the kind is its configuration section, its module, its test and its page.

    Attributes:
        settings: type of the configuration section.
        default: the section's value when it is left out.
        metrics: all that its readings may hold.
        build: makes the instances, one per target, from the section and what was found.
    """

    name: str
    settings: Any
    default: Any
    metrics: tuple[Metric, ...]
    build: Callable[[Any, Context], Sequence[Collector]] | None


def _kind(module: Any, settings: Any, default: Any) -> Kind:
    name = module.__name__.removeprefix("collectors.")
    return Kind(name, settings, default, module.METRICS, getattr(module, "build", None))


KINDS: tuple[Kind, ...] = (
    _kind(ping, ping.PingSettings, ping.PingSettings()),
    _kind(links, tuple[Link, ...], ()),
    _kind(dns, dns.DnsSettings, dns.DnsSettings()),
    _kind(http, http.HttpSettings, http.HttpSettings()),
    _kind(tcp, tcp.TcpSettings, tcp.TcpSettings()),
    _kind(path, path.PathSettings, path.PathSettings()),
    _kind(host, host.HostSettings, host.HostSettings()),
    _kind(interfaces, interfaces.InterfacesSettings, interfaces.InterfacesSettings()),
    _kind(wifi, wifi.WifiSettings, wifi.WifiSettings()),
    _kind(survey, survey.SurveySettings, survey.SurveySettings()),
    _kind(mobile, mobile.MobileSettings, mobile.MobileSettings()),
    _kind(bandwidth, bandwidth.BandwidthSettings, bandwidth.BandwidthSettings()),
    _kind(conference, conference.ConferenceSettings, conference.ConferenceSettings()),
    _kind(lan, lan.LanSettings, lan.LanSettings()),
    _kind(snmp, snmp.SnmpSettings, snmp.SnmpSettings()),
)
