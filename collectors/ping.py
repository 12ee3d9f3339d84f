"""ping: ICMP echo at 1 Hz to every target, summed up into counters, a round-trip histogram, jitter, up and MOS.

Values of the label `type` of `commune_ping_errors_total`: the ICMP errors `network_unreachable`, `host_unreachable`,
`protocol_unreachable`, `port_unreachable`, `prohibited`, `packet_too_big`, `ttl_exceeded`, `reassembly_timeout`,
`parameter_problem`, `other`; `send_failed` (this computer had no way out); and the replies that do not count:
`late` (after the timeout), `duplicate`, `corrupt`. A type is there from its first error on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from collectors.model import (
    Collector,
    Emit,
    Histogram,
    Metric,
    MetricType,
    Observations,
    Reading,
    Reason,
    counter,
    gauge,
    info,
)
from collectors.site import Context, InvalidError, Name, Settings, Uplink, seconds
from collectors.wire.emodel import mos, rating
from collectors.wire.roundtrip import RTT_BUCKETS
from collectors.wire.units import Duration

if TYPE_CHECKING:
    from collectors.probe.icmp import Pinger
    from collectors.probe.icmp_stream import Stream

SERIES = ("target", "link")
TARGET_INFO = info("commune_ping_target_info", "The address that a target has now.", "target", "address", "family", "link")
SENT = counter("commune_ping_sent_total", "Echo requests sent.", *SERIES)
RECEIVED = counter("commune_ping_received_total", "Echo replies received in time.", *SERIES)
ERRORS = counter("commune_ping_errors_total", "ICMP errors and unusable replies, by type.", *SERIES, "type")
RTT = Metric("commune_ping_rtt_seconds", MetricType.HISTOGRAM, "Round-trip time of echo replies.", SERIES, RTT_BUCKETS)
JITTER = gauge("commune_ping_jitter_seconds", "Interarrival jitter of round trips (RFC 3550, section 6.4.1).", *SERIES)
UP = gauge("commune_ping_up", "1 when one of the last three probes was answered.", *SERIES, urgent=True)
MOS = gauge("commune_ping_mos", "Estimated conversational quality, 1 to 4.5 (ITU-T G.107 E-model).", *SERIES)
FOREIGN = counter("commune_ping_foreign_packets_total", "ICMP packets on the agent's sockets that answer no probe of its own.")
METRICS = (TARGET_INFO, SENT, RECEIVED, ERRORS, RTT, JITTER, UP, MOS, FOREIGN)

BEACONS = {4: ("1.1.1.1", "8.8.8.8"), 6: ("2606:4700:4700::1111", "2001:4860:4860::8888")}
"""What is pinged beyond the gateway when nothing is configured: public resolvers that answer ICMP everywhere."""
READING_INTERVAL = 10.0
MOS_SECONDS = 60.0
ONCE_PROBES = 3
SHORTEST_INTERVAL = 0.1
LONGEST_TIMEOUT = 60.0

LabelName = Annotated[str, Meta(pattern="^[a-zA-Z][a-zA-Z0-9_]*$", description="a label name")]


class PingTarget(Settings, frozen=True):
    """One address to ping; `auto` is the default gateway."""

    name: Name
    address: Name
    link: str | None = None
    labels: dict[LabelName, str] = {}

    def __post_init__(self) -> None:
        for label in self.labels:
            if label in TARGET_INFO.labels:
                message = f"the label {label} is taken by commune_ping_target_info itself; choose another name"
                raise InvalidError("labels", message)


class PingSettings(Settings, frozen=True):
    """Section `ping`."""

    interval: Duration = seconds(1)
    timeout: Duration = seconds(3)
    targets: tuple[PingTarget, ...] | None = None

    def __post_init__(self) -> None:
        if self.interval < SHORTEST_INTERVAL:
            message = f"{self.interval} is too short; write {Duration(SHORTEST_INTERVAL)} or more"
            raise InvalidError("interval", message)
        if not 0 < self.timeout <= LONGEST_TIMEOUT:
            message = f"{self.timeout} is no time to wait for a reply; write up to {Duration(LONGEST_TIMEOUT)}"
            raise InvalidError("timeout", message)


@dataclass(frozen=True, slots=True)
class Aim:
    """One thing to ping, found out from settings and surroundings.

    Attributes:
        host: address or name; None for a gateway that is not there at present.
        interface: leave by it; None leaves it to the routes.
    """

    name: str
    host: str | None
    link: str = ""
    interface: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


class PingCollector(Collector):
    """Sums up the stream of one target."""

    kind: ClassVar[str] = "ping"

    def __init__(self, aim: Aim, settings: PingSettings, context: Context) -> None:
        super().__init__(
            aim.name,
            interval=max(float(settings.interval), READING_INTERVAL),
            deadline=min(60.0, max(10.0, (ONCE_PROBES + 1) * settings.interval + settings.timeout + 1.0)),
            identity=(aim, float(settings.interval), float(settings.timeout)),
        )
        self._aim = aim
        self._settings = settings
        self._context = context
        self._pinger: Pinger | None = None
        self._stream: Stream | None = None
        self._emit: Emit | None = None
        self._info = replace(TARGET_INFO, labels=(*TARGET_INFO.labels, *(name for name, _ in aim.labels)))

    async def start(self, emit: Emit) -> None:
        """Join the stream of this address, or begin it."""
        from collectors.probe.icmp import Pinger  # noqa: PLC0415  declarations load without what they measure with

        if self._aim.host is None:
            return
        self._emit = emit
        self._pinger = self._context.session(Pinger, Pinger)
        self._stream = self._pinger.watch(
            self._aim.host,
            interface=self._aim.interface,
            interval=float(self._settings.interval),
            timeout=float(self._settings.timeout),
        )
        self._stream.changed.append(self._turned)

    def _turned(self) -> None:
        if self._emit is not None:
            self._emit(self._reading())

    async def collect(self) -> Reading:
        """Sum up what was measured since."""
        return self._reading()

    async def once(self) -> Reading:
        """Wait for three probes and their answers."""
        stream, pinger = self._stream, self._pinger
        if stream is None or pinger is None:
            return self._reading()
        pinger.limit(stream, ONCE_PROBES)
        loop = asyncio.get_running_loop()
        until = loop.time() + self.deadline - 0.5
        while loop.time() < until:
            if stream.reason is not None and stream.reason is not Reason.NAME_UNRESOLVED:
                break
            if stream.recent(self.deadline, pinger.now).sent >= ONCE_PROBES:
                break
            await asyncio.sleep(0.05)
        stream.conclude(pinger.now)
        return self._reading()

    async def stop(self) -> None:
        """Leave the stream; the last one to leave ends it."""
        if self._stream is not None and self._pinger is not None:
            self._stream.changed.remove(self._turned)
            self._pinger.unwatch(self._stream)
            self._stream = self._emit = None

    def _reading(self) -> Reading:
        stream, pinger, taken = self._stream, self._pinger, self._context.machine.clock.monotonic()
        found = Observations()
        series = (self._aim.name, self._aim.link)
        if stream is None or pinger is None:
            found.set(UP, 0.0, *series)
            detail = f"{self._aim.name}: there is no default gateway at present"
            return Reading(self.kind, self.target, taken, found.items, Reason.NO_ADDRESS, detail)
        if stream.reason in (Reason.NO_PERMISSION, Reason.NOT_SUPPORTED):
            return Reading(self.kind, self.target, taken, (), stream.reason, stream.detail)
        if stream.address is not None:
            facts = (self._aim.name, stream.address, f"ipv{stream.family}", self._aim.link)
            found.set(self._info, 1.0, *facts, *(value for _, value in self._aim.labels))
        found.set(SENT, float(stream.sent), *series)
        found.set(RECEIVED, float(stream.received), *series)
        for error, count in sorted(stream.errors.items()):
            found.set(ERRORS, float(count), *series, error)
        found.set(RTT, Histogram(tuple(stream.buckets), stream.rtt_sum), *series)
        window = stream.recent(MOS_SECONDS, pinger.now)
        if stream.up:
            found.set(JITTER, stream.jitter, *series)
        if stream.up is not None:
            found.set(UP, float(stream.up), *series)
        if window.rtt is not None:
            found.set(MOS, mos(rating(window.rtt, window.jitter or 0.0, window.loss or 0.0)), *series)
        elif window.sent >= ONCE_PROBES:
            found.set(MOS, 1.0, *series)
        reason, detail = stream.reason, stream.detail
        if reason is None and stream.up is False:
            reason, detail = Reason.TIMEOUT, f"{stream.address} does not answer echo requests"
        return Reading(self.kind, self.target, taken, found.items, reason, detail)


class ForeignCollector(Collector):
    """Counts what arrives on the sockets of all targets and belongs to none of them."""

    kind: ClassVar[str] = "ping"

    def __init__(self, context: Context) -> None:
        super().__init__("", interval=READING_INTERVAL)
        self._context = context

    async def collect(self) -> Reading:
        """Say what was counted; nothing while there are no sockets."""
        from collectors.probe.icmp import Pinger  # noqa: PLC0415  as above

        found = Observations()
        pinger = self._context.sessions.get(Pinger)
        if isinstance(pinger, Pinger):
            found.set(FOREIGN, float(pinger.foreign))
        return Reading(self.kind, self.target, self._context.machine.clock.monotonic(), found.items)


def build(settings: PingSettings, context: Context) -> list[Collector]:
    """One collector per target, and one for what belongs to no target."""
    aims = default_aims(context) if settings.targets is None else configured_aims(settings.targets, context)
    collectors: list[Collector] = [PingCollector(aim, settings, context) for aim in aims]
    return [*collectors, ForeignCollector(context)] if collectors else []


def gateway6(context: Context, interface: str | None) -> str | None:
    """The IPv6 default gateway of an interface (of any, without one), with its zone where it is link-local."""
    for route in sorted(context.surroundings.routes, key=lambda route: route.metric):
        if route.family == 6 and route.gateway is not None and interface in (None, route.interface):
            local = route.gateway.lower().startswith("fe80:") and "%" not in route.gateway
            return f"{route.gateway}%{route.interface}" if local else route.gateway
    return None


def default_aims(context: Context) -> list[Aim]:
    """Without targets: the gateway of every uplink, and beyond it the uplink's beacons."""
    several = len(context.uplinks) > 1
    aims: list[Aim] = []
    for uplink in context.uplinks:
        named = [("gateway", uplink.gateway), ("gateway6", _second_gateway(context, uplink))]
        if context.site.role != "sensor":
            family = 6 if ":" in (uplink.gateway or "") else 4  # the gateway is IPv4's where there is one
            beacons = uplink.settings.beacons or (() if uplink.settings.kind == "tslcd" else BEACONS[family])
            named += [(beacon, beacon) for beacon in beacons]
        for name, host in named:
            if host is not None:
                aims.append(Aim(f"{name}-{uplink.name}" if several else name, host, uplink.name, uplink.interface))
    return aims


def _second_gateway(context: Context, uplink: Uplink) -> str | None:
    if uplink.interface is None:
        return None
    found = gateway6(context, uplink.interface)
    return None if found is None or found.partition("%")[0] == (uplink.gateway or "").partition("%")[0] else found


def configured_aims(targets: tuple[PingTarget, ...], context: Context) -> Iterator[Aim]:
    """The configured targets, `auto` resolved to the default gateway of IPv4 and, under its own name, of IPv6."""
    names = {target.name for target in targets}
    for target in targets:
        uplink = context.uplink(target.link)
        interface = uplink.interface if uplink is not None else None
        aim = Aim(target.name, target.address, target.link or "", interface, tuple(sorted(target.labels.items())))
        if target.address != "auto":
            yield aim
            continue
        first = uplink.gateway if uplink is not None else _gateway4(context)
        second = gateway6(context, interface)
        yield replace(aim, host=first or second)
        name = f"{target.name}6"
        if first is not None and second is not None and first.partition("%")[0] != second.partition("%")[0] and name not in names:
            yield replace(aim, name=name, host=second)


def _gateway4(context: Context) -> str | None:
    routes = sorted(context.surroundings.routes, key=lambda route: route.metric)
    return next((route.gateway for route in routes if route.family == 4 and route.gateway is not None), None)
