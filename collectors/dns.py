"""dns: every resolver asked on its own, over UDP with TCP fallback."""

from __future__ import annotations

import importlib
from collections import Counter
from typing import Literal

from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason, gauge
from collectors.probe.sockets import explained, split_host_port
from collectors.site import Context, Name, Settings, seconds
from collectors.wire.units import Duration

SERIES = ("server", "query")
SUCCESS = gauge("commune_dns_success", "1 when the server answered the query with NOERROR and an answer.", *SERIES, urgent=True)
DURATION = gauge("commune_dns_duration_seconds", "Time from question to answer.", *SERIES)
RCODE = gauge("commune_dns_rcode", "Response code (RFC 1035, section 4.1.1).", *SERIES)
ANSWERS = gauge("commune_dns_answers", "Records of the asked type in the answer.", *SERIES)
METRICS = (SUCCESS, DURATION, RCODE, ANSWERS)


class DnsQuery(Settings, frozen=True):
    """One question."""

    name: Name
    type: Literal["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"] = "A"


class DnsSettings(Settings, frozen=True):
    """Section `dns`; `servers: auto` are the machine's own resolvers."""

    interval: Duration = seconds(30)
    timeout: Duration = seconds(5)
    servers: Literal["auto"] | tuple[Name, ...] = "auto"
    queries: tuple[DnsQuery, ...] = (DnsQuery(name="dichvucong.gov.vn"),)


PORT = 53


class Dns(Collector):
    """One server and one question.

    Args:
        server: address or name, with `:port` if it is not 53.
        query: the question.
        label: value of the label `query`.
        settings: interval and timeout.
        machine: the computer.
    """

    kind = "dns"

    def __init__(self, server: str, query: DnsQuery, label: str, settings: DnsSettings, machine: Machine) -> None:
        super().__init__(
            f"{server}/{query.name}/{query.type}",
            interval=settings.interval,
            deadline=settings.timeout + 1.0,
            identity=(label, settings.timeout),
        )
        self._server = server
        self._query = query
        self._label = label
        self._timeout = float(settings.timeout)
        self._machine = machine

    async def collect(self) -> Reading:
        """Ask once."""
        from collectors.probe.dns import ask  # noqa: PLC0415  only where there is something to ask

        taken = self._machine.clock.monotonic()
        try:
            host, port = split_host_port(self._server, PORT)
        except ValueError as error:
            return Reading(self.kind, self.target, taken, (), Reason.INTERNAL, str(error))
        query = self._query
        result = await ask(host, query.name, query.type, port=port, timeout=self._timeout, clock=self._machine.clock)
        found = Observations()
        labels = (self._server, self._label)
        found.set(SUCCESS, float(result.fault is None), *labels)
        found.set(DURATION, result.seconds, *labels)
        found.set(RCODE, result.rcode, *labels)
        found.set(ANSWERS, result.answers, *labels)
        return Reading(self.kind, self.target, taken, found.items, *explained(result.fault))


def build(settings: DnsSettings, context: Context) -> list[Collector]:
    """Every server with every question; a name that is asked for several types carries the type in its label (but A)."""
    servers = context.surroundings.resolvers if settings.servers == "auto" else tuple(dict.fromkeys(settings.servers))
    queries = tuple(dict.fromkeys(settings.queries))
    if servers and queries:
        importlib.import_module("collectors.probe.dns")  # not in the first measurement's time
    names = Counter(query.name for query in queries)
    return [
        Dns(
            server,
            query,
            query.name if names[query.name] == 1 or query.type == "A" else f"{query.name} {query.type}",
            settings,
            context.machine,
        )
        for server in servers
        for query in queries
    ]
