"""conference: is the line good enough for a video conference, and what is missing.

The bridge is pinged once a second all the time (with the ping engine that is next to nothing), so that a judgement
rests on two minutes of probes. Judged is once an `interval`, and every ten seconds from `before` a meeting of the
calendar on: then `collect`, which runs every ten seconds where there is a calendar, does not skip.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from msgspec import field

from collectors.model import Collector, Emit, Observations, Reading, Reason, gauge
from collectors.probe.sockets import Fault, split_host_port
from collectors.site import Context, Name, Settings, Uplink, seconds
from collectors.wire.emodel import mos, rating
from collectors.wire.units import Duration, Rate

if TYPE_CHECKING:
    from collectors.probe.counters import Counters
    from collectors.probe.icmp import Pinger
    from collectors.probe.icmp_stream import Stream, Window
    from collectors.probe.meetings import Meetings

READY = gauge("commune_conference_ready", "1 when a conference with the bridge can be held now.", "target", urgent=True)
LIMIT = gauge("commune_conference_limit", "1 for each reason that stands against a conference.", "target", "reason")
METRICS = (READY, LIMIT)

DENSE_INTERVAL = 10.0
WINDOW_SECONDS = 120.0
ONCE_PROBES = 3
MAX_LOSS = 0.01
LEAST_LOST = 2
"""A single lost probe is no loss rate."""
MAX_JITTER = 0.030
MAX_DELAY = 0.150
"""One way, half of the round trip: beyond it talk becomes one-sided (ITU-T G.114)."""
RUNNING_SHARE = 0.1
"""While a meeting runs, its own traffic is part of the use: so much of its need must still be free."""
CONNECT_SECONDS = 3.0


class ConferenceTarget(Settings, frozen=True):
    """One bridge as `host:port`, and the rate that it needs in each direction."""

    name: Name
    address: Name
    need: Rate = field(default_factory=lambda: Rate(500_000))
    udp: bool = False
    link: str | None = None


class ConferenceSettings(Settings, frozen=True):
    """Section `conference`; denser from `before` a meeting of the calendar on."""

    interval: Duration = seconds(60)
    calendar_file: str | None = None
    before: Duration = seconds(3600)
    targets: tuple[ConferenceTarget, ...] = ()


class ConferenceCollector(Collector):
    """Judges the way to one bridge."""

    kind: ClassVar[str] = "conference"

    def __init__(self, target: ConferenceTarget, settings: ConferenceSettings, context: Context) -> None:
        interval = float(settings.interval)
        self._uplink = _uplink(target, context)
        self._interface = self._uplink.interface if self._uplink is not None and target.link is not None else None
        super().__init__(
            target.name,
            interval=interval if settings.calendar_file is None else min(interval, DENSE_INTERVAL),
            deadline=max(5.0, min(interval, DENSE_INTERVAL)),
            identity=(target, settings.before, settings.calendar_file, interval, self._uplink),
        )
        self._target = target
        self._settings = settings
        self._context = context
        self._lost = target.link is not None and self._uplink is None
        self._host = ""
        self._stream: Stream | None = None
        self._pinger: Pinger | None = None
        self._before: tuple[float, Counters] | None = None
        self._last: tuple[float, Reading] | None = None

    async def start(self, emit: Emit) -> None:  # noqa: ARG002  a change is told by the next judgement
        """Join the stream of the bridge's address."""
        from collectors.probe.icmp import Pinger  # noqa: PLC0415  declarations load without what they measure with

        if self._lost:
            return
        self._host, _ = split_host_port(self._target.address)
        self._pinger = self._context.session(Pinger, Pinger)
        self._stream = self._pinger.watch(self._host, interface=self._interface)

    async def stop(self) -> None:
        """Leave the stream."""
        if self._stream is not None and self._pinger is not None:
            self._pinger.unwatch(self._stream)
            self._stream = None

    async def once(self) -> Reading:
        """Wait for three probes first."""
        until = asyncio.get_running_loop().time() + self.deadline - CONNECT_SECONDS - 0.5
        while self._stream is not None and self._pinger is not None and asyncio.get_running_loop().time() < until:
            if self._stream.recent(WINDOW_SECONDS, self._pinger.now).sent >= ONCE_PROBES:
                break
            await asyncio.sleep(0.05)
        await self._refreshed()
        return await self._judge()

    async def collect(self) -> Reading:
        """Judge if it is time, else repeat the last judgement."""
        clock = self._context.machine.clock
        meetings = await self._refreshed()
        dense = meetings is not None and meetings.is_due(clock.true(), float(self._settings.before))
        pause = DENSE_INTERVAL if dense else float(self._settings.interval)
        if self._last is not None and clock.monotonic() - self._last[0] < pause - self.interval / 2:
            return self._last[1]
        began = clock.monotonic()
        reading = await self._judge()
        self._last = (began, reading)
        return reading

    def _meetings(self) -> Meetings | None:
        if self._settings.calendar_file is None:
            return None
        from collectors.probe.meetings import Meetings  # noqa: PLC0415

        file, zone = Path(self._settings.calendar_file).expanduser(), self._context.site.service_hours.timezone
        return self._context.session(Meetings, lambda: Meetings(file, zone))

    async def _refreshed(self) -> Meetings | None:
        """The calendar as it is now."""
        meetings = self._meetings()
        if meetings is not None:
            await meetings.refresh(self._context.machine.clock.true(), float(self._settings.before))
        return meetings

    async def _judge(self) -> Reading:
        if self._lost:
            return self._reading({"port": True}, f"the link {self._target.link} is not there now", Reason.UNREACHABLE)
        fault, connect = await self._port()
        limits: dict[str, bool] = {"port": fault is not None}
        facts = [] if fault is None else [fault.detail]
        stream, pinger = self._stream, self._pinger
        if stream is not None and pinger is not None and stream.reason is None:
            window = stream.recent(WINDOW_SECONDS, pinger.now)
            if window.received or (fault is not None and window.sent):
                _judge_window(window, limits, facts)
            elif connect is not None:  # a bridge that does not answer echo requests is none the worse for it
                limits["delay"] = connect / 2 > MAX_DELAY
                facts.append(f"connects in {connect * 1000:.0f} ms, does not answer echo requests")
        self._judge_bandwidth(limits, facts)
        return self._reading(limits, "; ".join(facts), fault.reason if fault else None)

    async def _port(self) -> tuple[Fault | None, float | None]:
        """Whether the port is there, and the time that a TCP connection took."""
        try:
            host, port = split_host_port(self._target.address)
        except ValueError as error:
            return Fault(Reason.MALFORMED, str(error)), None
        if self._target.udp:
            from collectors.probe.udp import reach  # noqa: PLC0415

            found = await reach(host, port, interface=self._interface)
            return (found if isinstance(found, Fault) else None), None
        from collectors.probe.tcp import measure  # noqa: PLC0415

        clock = self._context.machine.clock
        result = await measure(host, port, timeout=CONNECT_SECONDS, clock=clock, interface=self._interface)
        return result.fault, result.seconds

    def _judge_bandwidth(self, limits: dict[str, bool], facts: list[str]) -> None:
        """What the line can carry less what it carries, in both directions; not judged where one is not known."""
        use = self._use()
        if use is None or self._uplink is None:
            return
        meetings = self._meetings()
        running = meetings is not None and meetings.is_running(self._context.machine.clock.true())
        need = float(self._target.need) * (RUNNING_SHARE if running else 1.0)
        for direction, rate in zip(("download", "upload"), use, strict=True):
            capacity = self._capacity(direction)
            if capacity is None:
                continue
            free = max(0.0, capacity - rate)
            limits["bandwidth"] = limits.get("bandwidth", False) or free < need
            facts.append(f"{Rate(round(free))} of {Rate(round(capacity))} free ({direction})")

    def _capacity(self, direction: str) -> float | None:
        """The contract, else what the last test found."""
        from collectors.probe.rates import Rates  # noqa: PLC0415

        if self._uplink is None:
            return None
        contract: Rate | None = getattr(self._uplink.settings.contract, direction)
        return (
            float(contract)
            if contract is not None
            else self._context.session(Rates, Rates).found.get((self._uplink.name, direction))
        )

    def _use(self) -> tuple[float, float] | None:
        """Octets per second in and out: of the router's port by its last polls, else of the interface since the last judgement."""
        from collectors.probe.counters import read  # noqa: PLC0415
        from collectors.probe.ports import Ports  # noqa: PLC0415

        if self._uplink is None:
            return None
        link, interface, machine = self._uplink.settings, self._uplink.interface, self._context.machine
        if link.device is not None and link.port is not None:
            rates, _ = self._context.session(Ports, Ports).rates(link.device, link.port, machine.clock.monotonic())
            return (rates["download"], rates["upload"]) if len(rates) == 2 else None
        if interface is None:
            return None
        now, counters = machine.clock.monotonic(), read(machine, interface)
        before, self._before = self._before, None if counters is None else (now, counters)
        if before is None or counters is None or now <= before[0]:
            return None
        received, sent = counters.receive_bytes - before[1].receive_bytes, counters.transmit_bytes - before[1].transmit_bytes
        return None if received < 0 or sent < 0 else (received / (now - before[0]), sent / (now - before[0]))

    def _reading(self, limits: dict[str, bool], detail: str, reason: Reason | None) -> Reading:
        found = Observations()
        found.set(READY, float(not any(limits.values())), self.target)
        for name, limited in limits.items():
            found.set(LIMIT, float(limited), self.target, name)
        meetings = self._meetings()
        if meetings is not None and meetings.fault is not None:
            detail = "; ".join(filter(None, (detail, meetings.fault)))
        return Reading(self.kind, self.target, self._context.machine.clock.monotonic(), found.items, reason, detail)


def _judge_window(window: Window, limits: dict[str, bool], facts: list[str]) -> None:
    """Loss, jitter and delay of the pings, and in words the call quality that follows."""
    loss = window.loss or 0.0
    limits["loss"] = loss > MAX_LOSS and window.sent - window.received >= LEAST_LOST
    words = [f"loss {loss:.1%} of {window.sent}"]
    if window.rtt is not None:
        limits["jitter"] = (window.jitter or 0.0) > MAX_JITTER
        limits["delay"] = window.rtt / 2 > MAX_DELAY
        quality = mos(rating(window.rtt, window.jitter or 0.0, loss))
        words += [f"rtt {window.rtt * 1000:.1f} ms", f"jitter {(window.jitter or 0.0) * 1000:.1f} ms", f"MOS {quality:.1f}"]
    facts.append(", ".join(words))


def _uplink(target: ConferenceTarget, context: Context) -> Uplink | None:
    """The target's link, else the uplink that the routing table prefers."""
    if target.link is not None:
        return context.uplink(target.link)
    routes = sorted(context.surroundings.routes, key=lambda route: route.metric)
    preferred = next((route.interface for route in routes), None)
    return next((uplink for uplink in context.uplinks if uplink.interface == preferred), None) if preferred else None


def build(settings: ConferenceSettings, context: Context) -> list[Collector]:
    """One instance per bridge."""
    return [ConferenceCollector(target, settings, context) for target in settings.targets]
