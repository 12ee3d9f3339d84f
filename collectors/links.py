"""links: one verdict per uplink, from its gateway and its beacons.

Every second is a round: a gateway or beacon that answered none of a round's probes has failed it. Three failed rounds
are down, two good ones are up again. The uplink is up while a quorum of its beacons is (without beacons: while its
gateway is), and degraded while it is up but loses, delays or jitters beyond the limits below (docs/links.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from collectors.model import Collector, Emit, Observations, Reading, Reason, counter, gauge, info
from collectors.probe.ports import Ports
from collectors.site import Context, Link, Uplink

if TYPE_CHECKING:
    from collectors.probe.icmp import Pinger
    from collectors.probe.icmp_stream import Stream, Window

LINK_INFO = info("commune_link_info", "The uplink and who carries it.", "link", "kind", "carrier")
UP = gauge("commune_link_up", "1 when a quorum of beacons answers (without beacons: the gateway).", "link", urgent=True)
GATEWAY_UP = gauge("commune_link_gateway_up", "1 when the uplink's gateway answers.", "link", urgent=True)
BEACON_UP = gauge("commune_link_beacon_up", "1 when the beacon answers by this uplink.", "link", "beacon")
SECONDS = counter("commune_link_seconds_total", "Time spent in each state.", "link", "state", persisted=True)
CONTRACT = gauge("commune_link_contract_bytes_per_second", "What the carrier promises.", "link", "direction")
UTILIZATION = gauge("commune_link_utilization_ratio", "Use as a share of the contract, else of the port.", "link", "direction")
METRICS = (LINK_INFO, UP, GATEWAY_UP, BEACON_UP, SECONDS, CONTRACT, UTILIZATION)

DEGRADED_LOSS_RATIO = 0.05
"""Loss at which an uplink that answers counts as degraded (docs/links.md names the sources of these three)."""
DEGRADED_RTT_SECONDS = 0.150
DEGRADED_JITTER_SECONDS = 0.100

STATES = ("up", "degraded", "down", "unknown")
READING_INTERVAL = 10.0
ROUND = 1.0
PROBE_TIMEOUT = 3.0
"""As the defaults of `ping`, so that both share one stream."""
WINDOW = 60.0
LOSS_PROBES = 20
"""Fewer probes tell nothing about a loss of 5 %."""
FAILED_ROUNDS = 3
GOOD_ROUNDS = 2
ASLEEP = 5.0
"""A longer pause between two rounds was not watched: suspend, or a process that was stopped."""
DIRECTIONS = {"download": "rx_bytes", "upload": "tx_bytes"}


@dataclass(slots=True)
class Hysteresis:
    """Up and down of one gateway or beacon from the outcome of its rounds; None until the first verdict."""

    up: bool | None = None
    _run: int = 0

    def take(self, *, good: bool) -> None:
        """One more round."""
        if self.up is None and good:
            self.up, self._run = True, 0
            return
        self._run = 0 if good is self.up else self._run + 1
        if self._run >= (GOOD_ROUNDS if good else FAILED_ROUNDS):
            self.up, self._run = good, 0


@dataclass(slots=True)
class Member:
    """A gateway or beacon as this uplink sees it."""

    name: str
    stream: Stream
    verdict: Hysteresis
    sent: int = 0
    received: int = 0

    def round(self) -> None:
        """Judge what happened since the last round."""
        sent, received = self.stream.sent - self.sent, self.stream.received - self.received
        self.sent, self.received = self.stream.sent, self.stream.received
        if received:
            self.verdict.take(good=True)
        elif sent or self.stream.ended or self.stream.reason in (Reason.NO_ADDRESS, Reason.NAME_UNRESOLVED):
            self.verdict.take(good=False)


@dataclass(slots=True)
class Memory:
    """What is known of the uplinks beyond a change of their routes: a session, so that a new collector goes on from it."""

    verdicts: dict[tuple[str, str], Hysteresis] = field(default_factory=dict)

    def verdict(self, link: str, member: str) -> Hysteresis:
        """The verdict about one gateway or beacon of a link."""
        return self.verdicts.setdefault((link, member), Hysteresis())

    async def close(self) -> None:
        """Nothing to release."""


def quorum_up(ups: list[bool | None], quorum: int) -> bool | None:
    """Do at least `quorum` answer? None while those that are not known yet could decide it."""
    if ups.count(True) >= quorum:
        return True
    return False if ups.count(True) + ups.count(None) < quorum else None


def is_degraded(windows: list[Window]) -> bool:
    """Is even the best of what answers beyond a limit? One bad beacon does not make a bad uplink."""
    losses = [window.loss for window in windows if window.loss is not None and window.sent >= LOSS_PROBES]
    rtts = [window.rtt for window in windows if window.rtt is not None]
    jitters = [window.jitter for window in windows if window.jitter is not None]
    return (
        min(losses, default=0.0) >= DEGRADED_LOSS_RATIO
        or min(rtts, default=0.0) >= DEGRADED_RTT_SECONDS
        or min(jitters, default=0.0) >= DEGRADED_JITTER_SECONDS
    )


class LinkCollector(Collector):
    """Watches one uplink."""

    kind: ClassVar[str] = "links"

    def __init__(self, uplink: Uplink, context: Context, *, configured: bool) -> None:
        identity: Hashable = (uplink, configured)
        super().__init__(uplink.name, interval=READING_INTERVAL, identity=identity)
        self._uplink = uplink
        self._context = context
        self._machine = context.machine
        # Configured with an interface, but that has no default route now: the cable or the modem is out.
        self._lost = configured and uplink.settings.gateway == "auto" and bool(uplink.settings.interface) and not uplink.gateway
        self._pinger: Pinger | None = None
        self._gateway: Member | None = None
        self._beacons: list[Member] = []
        self._emit: Emit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._state = "unknown"
        self._since = 0.0
        self._accounting = True
        self._spent = dict.fromkeys(STATES, 0.0)
        self._shown: tuple[bool | None, bool | None] = (None, None)
        self._counters: dict[str, tuple[float, int]] = {}
        self._utilization: dict[str, float] = {}

    async def start(self, emit: Emit) -> None:
        """Watch gateway and beacons, and judge them every second."""
        from collectors.probe.icmp import Pinger  # noqa: PLC0415  declarations load without what they measure with

        self._emit = emit
        self._pinger = self._context.session(Pinger, Pinger)
        if self._uplink.gateway is not None:
            self._gateway = self._member("gateway", self._uplink.gateway)
        self._beacons = [self._member(beacon, beacon) for beacon in self._uplink.settings.beacons]
        self._since = self._machine.clock.monotonic()
        self._measure_use()
        self._timer = asyncio.get_running_loop().call_later(ROUND, self._round)

    def _member(self, name: str, address: str) -> Member:
        if self._pinger is None:
            raise RuntimeError("start has not been called")
        stream = self._pinger.watch(address, interface=self._uplink.interface, interval=ROUND, timeout=PROBE_TIMEOUT)
        verdict = self._context.session(Memory, Memory).verdict(self._uplink.name, name)
        return Member(name, stream, verdict, stream.sent, stream.received)

    @property
    def _members(self) -> list[Member]:
        return [*([self._gateway] if self._gateway else []), *self._beacons]

    @property
    def gateway_up(self) -> bool | None:
        """The gateway answers; None where there is none or it is not known yet."""
        if self._gateway is not None:
            return self._gateway.verdict.up
        return False if self._lost else None

    @property
    def up(self) -> bool | None:
        """The verdict; None where there is nothing to judge by or it is not known yet."""
        if self._beacons:
            return quorum_up([beacon.verdict.up for beacon in self._beacons], self._uplink.settings.quorum)
        return self.gateway_up

    def _judge(self) -> str:
        up = self.up
        if up is None:
            return "unknown"
        if not up:
            return "down"
        if self._pinger is None:
            return "up"
        watched = self._beacons or self._members
        windows = [member.stream.recent(WINDOW, self._pinger.now) for member in watched if member.verdict.up]
        return "degraded" if is_degraded(windows) else "up"

    def _account(self) -> None:
        """Put the time since the last round to the state that was seen, what nobody watched to unknown."""
        now = self._machine.clock.monotonic()
        passed = max(0.0, now - self._since)
        self._since = now
        if self._accounting:
            self._spent["unknown" if passed > ASLEEP else self._state] += passed

    def _round(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(ROUND, self._round)
        self._account()
        for member in self._members:
            member.round()
        self._state = self._judge()
        shown = (self.up, self.gateway_up)
        if shown != self._shown:
            self._shown = shown
            if self._emit is not None:
                self._emit(self._reading())

    async def collect(self) -> Reading:
        """Sum up since the last reading."""
        self._measure_use()
        return self._reading()

    async def once(self) -> Reading:
        """Wait for a verdict; nothing is added to the persisted seconds."""
        self._accounting = False
        loop = asyncio.get_running_loop()
        until = loop.time() + self.deadline - 1.0
        while loop.time() < until and self._members and any(member.verdict.up is None for member in self._members):
            if any(member.stream.reason is Reason.NO_PERMISSION for member in self._members):
                break
            await asyncio.sleep(0.05)
        self._measure_use()
        return self._reading()

    async def stop(self) -> None:
        """Hand over the seconds that were not told yet, and leave the streams."""
        if self._timer is not None:
            self._timer.cancel()
        if self._emit is not None and self._pinger is not None:
            self._account()
            self._emit(self._reading())
        self._emit = None
        for member in self._members:
            if self._pinger is not None:
                self._pinger.unwatch(member.stream)
        self._gateway, self._beacons = None, []

    def _measure_use(self) -> None:
        """Bytes since the last time as a share of the contract, else of the speed of the interface or the router's port."""
        name, settings = self._uplink.interface, self._uplink.settings
        now = self._machine.clock.monotonic()
        contract = settings.contract
        self._utilization.clear()
        if settings.device is not None and settings.port is not None:
            rates, speed = self._context.session(Ports, Ports).rates(settings.device, settings.port, now)
            for direction, rate in rates.items():
                capacity = getattr(contract, direction) or speed
                if capacity:
                    self._utilization[direction] = rate / capacity
            return
        if name is None:
            return
        for direction, file in DIRECTIONS.items():
            text = self._machine.read_or_none(f"/sys/class/net/{name}/statistics/{file}")
            if text is None or not text.isdecimal():
                self._counters.pop(direction, None)
                continue
            before, self._counters[direction] = self._counters.get(direction), (now, int(text))
            capacity = getattr(contract, direction) or self._port_speed(name)
            if before is not None and capacity and now > before[0] and int(text) >= before[1]:
                self._utilization[direction] = (int(text) - before[1]) / (now - before[0]) / capacity

    def _port_speed(self, name: str) -> float | None:
        text = self._machine.read_or_none(f"/sys/class/net/{name}/speed")  # Mbit/s; -1 or an error where unknown
        return int(text) * 125_000.0 if text is not None and text.isdecimal() else None

    def _reading(self) -> Reading:
        found = Observations()
        settings, link = self._uplink.settings, self._uplink.name
        found.set(LINK_INFO, 1.0, link, settings.kind, settings.carrier)
        denied = next((m.stream for m in self._members if m.stream.reason is Reason.NO_PERMISSION), None)
        found.set(UP, _number(self.up), link)
        found.set(GATEWAY_UP, _number(self.gateway_up), link)
        for beacon in self._beacons:
            found.set(BEACON_UP, _number(beacon.verdict.up), link, beacon.name)
        for state in STATES:
            found.add(SECONDS, self._spent[state], link, state)
            self._spent[state] = 0.0
        for direction in DIRECTIONS:
            found.set(CONTRACT, getattr(settings.contract, direction), link, direction)
            found.set(UTILIZATION, self._utilization.get(direction), link, direction)
        taken = self._machine.clock.monotonic()
        if denied is not None:
            return Reading(self.kind, self.target, taken, found.items, Reason.NO_PERMISSION, denied.detail)
        if self.up is False:
            return Reading(self.kind, self.target, taken, found.items, Reason.UNREACHABLE, self._blame())
        return Reading(self.kind, self.target, taken, found.items)

    def _blame(self) -> str:
        silent = [member.name for member in self._members if member.verdict.up is False]
        return f"no answer by {self._uplink.name} from: {', '.join(silent)}" if silent else f"{self._uplink.name} has no gateway"


def _number(up: bool | None) -> float | None:  # noqa: FBT001
    return None if up is None else float(up)


def build(settings: tuple[Link, ...], context: Context) -> list[Collector]:
    """One collector per uplink."""
    return [LinkCollector(uplink, context, configured=bool(settings)) for uplink in context.uplinks]
