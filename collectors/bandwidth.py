"""bandwidth: active throughput tests within a daily budget.

Once a minute `collect` asks whether it is time within the coming one, and mostly it is not: then it repeats the last
result and costs nothing. Tests run at moments that follow from the site's codes (docs/adr/061-bandwidth-guards.md), one
at a time, only in the configured hours, only while the line is quiet, and only with bytes that were booked before.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import urllib.parse
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta, field

from collectors.model import Collector, Emit, Observations, Reading, Reason, counter, gauge
from collectors.site import Context, Name, Settings, Uplink, seconds
from collectors.wire.units import Duration, Rate, Size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from collectors.probe.budget import Budget
    from collectors.probe.transfer import Limits, Transfer
    from collectors.probe.transfer_guard import Guard

log = logging.getLogger(__name__)
SERIES = ("target", "link", "method")
DOWNLOAD = gauge("commune_bandwidth_download_bytes_per_second", "Rate towards this site in the last test.", *SERIES)
UPLOAD = gauge("commune_bandwidth_upload_bytes_per_second", "Rate from this site in the last test.", *SERIES)
LOADED_RTT = gauge("commune_bandwidth_loaded_rtt_seconds", "Median round trip while the link was full.", *SERIES)
TEST_TIMESTAMP = gauge("commune_bandwidth_test_timestamp_seconds", "When the last test ended.", *SERIES)
SPENT_BYTES = counter("commune_bandwidth_spent_bytes_total", "Bytes that tests moved.", *SERIES, persisted=True)
METRICS = (DOWNLOAD, UPLOAD, LOADED_RTT, TEST_TIMESTAMP, SPENT_BYTES)

TICK = 60.0
DEADLINE = 119.0
"""A minute at most until the slot, and the test."""
TEST_SECONDS = 8.0
"""A direction at most: TCP has found its pace long before, and a person who calls meanwhile hardly notices."""
LEAST_OCTETS = 256 * 1024
"""A direction at least: less says nothing about a line."""
QUIET_SECONDS = 2.0
RETRY_SECONDS = 3600.0
"""How long after its slot a test may still start: a line that is busy then may be quiet soon."""
KEEP_SECONDS = 2.5 * 86400.0
"""A result is shown so long, or 2.5 intervals: in the configured hours there may be one test a day."""
CAPPED = 0.9
"""A rate this close to the pace that the budget allows was held back by it, and is no rate of the line."""
FIRST_GUESS = 12_500_000.0
FIRST_RESERVE = 1 / 16
"""Share of a first test that is kept for what still arrives after the cut, as long as nobody knows how much that is."""


class BandwidthTarget(Settings, frozen=True):
    """One server to test against: `url` for http and ndt7, `host[:port]` for iperf3."""

    name: Name
    method: Literal["http", "iperf3", "ndt7"]
    url: Name
    upload_url: str | None = None
    link: str | None = None


class BandwidthSettings(Settings, frozen=True):
    """Section `bandwidth`; without targets nothing is sent."""

    interval: Duration = seconds(8 * 3600)
    hours: Annotated[str, Meta(pattern="^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$", description="HH:MM-HH:MM")] = (
        "07:00-17:00"
    )
    max_bytes_per_day: Size = field(default_factory=lambda: Size(200 * 2**20))
    skip_above_utilization: Annotated[float, Meta(ge=0, le=1)] = 0.3
    targets: tuple[BandwidthTarget, ...] = ()


class BandwidthCollector(Collector):
    """Tests one uplink against one server."""

    kind: ClassVar[str] = "bandwidth"

    def __init__(self, index: int, settings: BandwidthSettings, context: Context) -> None:
        target = settings.targets[index]
        self._uplink = _uplink(target, context)
        self._interface = self._uplink.interface if self._uplink is not None and target.link is not None else None
        super().__init__(
            target.name,
            interval=TICK,
            deadline=DEADLINE,
            identity=(settings, index, self._uplink, context.site.province, context.site.commune, context.site.site),
        )
        self._target = target
        self._index = index
        self._settings = settings
        self._context = context
        self._labels = (target.name, target.link or "", target.method)
        self._lost = target.link is not None and self._uplink is None
        self._checked: float | None = None
        self._due: float | None = None
        self._unreported = 0
        self._result: tuple[float, Observations, str] | None = None
        self._fastest = {"download": 0.0, "upload": 0.0}

    async def start(self, emit: Emit) -> None:  # noqa: ARG002  nothing happens outside the schedule
        """Slots before this moment are not made up for."""
        self._checked = self._context.machine.clock.true()

    async def once(self) -> Reading:
        """No load test."""
        return self._reading(Reason.OUT_OF_HOURS, "a single run makes no load tests")

    async def collect(self) -> Reading:
        """Test if it is time and nothing speaks against it, else repeat the last result."""
        clock = self._context.machine.clock
        now = clock.true()
        if self._checked is not None:
            for slot in (self._slot(now), self._slot(now + TICK)):
                if slot is not None and slot > self._checked:
                    self._due = slot
                    await self._until(slot)
                    now = max(slot, clock.true())
                    break
        self._checked = now
        if self._due is None:
            return self._reading(None, "")
        if now - self._due > RETRY_SECONDS:
            self._due = None
            return self._reading(Reason.BUSY, "the line was busy for an hour; the next test is at the next turn")
        return await self._test(now)

    async def _until(self, slot: float) -> None:
        """Wait for a slot of the coming minute, to the second: the next site's is twenty seconds later."""
        await asyncio.sleep(max(0.0, slot - self._context.machine.clock.true()))

    def _slot(self, now: float) -> float | None:
        """The latest slot up to a moment, both in seconds since 1970."""
        from collectors.probe.slots import last_slot, parse_span, place_of  # noqa: PLC0415

        site = self._context.site
        key = f"{site.province}/{site.commune}/{site.site}"
        place = (place_of(site.commune, site.site) + self._index / len(self._settings.targets)) % 1.0
        local = self._budget().local(now)
        span = parse_span(self._settings.hours)
        found = last_slot(local, span=span, interval=float(self._settings.interval), place=place, key=key)
        return None if found is None else found.timestamp()

    def _budget(self) -> Budget:
        from collectors.probe.budget import Budget  # noqa: PLC0415

        folder = self._context.state_dir
        file = folder / "bandwidth.json" if folder is not None else None
        return self._context.session(Budget, lambda: Budget(file, self._context.site.service_hours.timezone))

    async def _test(self, now: float) -> Reading:
        """One test in both directions, if it may be."""
        from collectors.probe.slots import parse_span, slots_a_day  # noqa: PLC0415

        begin, end = parse_span(self._settings.hours)
        budget = self._budget()
        local = budget.local(now)
        minute = local.hour * 60 + local.minute
        if not (begin <= minute < end or begin <= minute + 1440 < end):
            self._due = None
            return self._reading(Reason.OUT_OF_HOURS, f"tests run at {self._settings.hours}")
        if self._lost:
            return self._reading(Reason.UNREACHABLE, f"the link {self._target.link} is not there now")
        if budget.turn.locked():
            return self._reading(Reason.BUSY, "another test is running")
        async with budget.turn:
            tests = slots_a_day((begin, end), float(self._settings.interval)) * len(self._settings.targets)
            limit = int(self._settings.max_bytes_per_day)
            both = 2 if self._has_upload else 1
            allowance = min(limit - budget.spent(now), limit // tests)
            # What is on its way when a transfer is cut still arrives; so much less is asked for.
            overshoot = budget.overshoot.get(self.target)
            allowance -= int(allowance * FIRST_RESERVE) if overshoot is None else min(both * overshoot, allowance // 2)
            from collectors.probe.transfer import WIRE_OVERHEAD  # noqa: PLC0415

            octets = int(allowance / both / WIRE_OVERHEAD)
            if octets < LEAST_OCTETS:
                self._due = None
                return self._reading(Reason.BUDGET, f"{budget.spent(now)} of {limit} bytes of today are spent")
            busy = await self._busy()
            if busy is not None:
                return self._reading(Reason.BUSY, busy)
            self._due = None
            return await self._both(octets, budget)

    @property
    def _has_upload(self) -> bool:
        return self._target.method != "http" or self._target.upload_url is not None

    async def _busy(self) -> str | None:
        """What speaks against loading the line now: it carries more than the set share of what it can.

        A router's port is asked first where the link names one: it carries what all computers of the site do.
        """
        from collectors.probe.load import use_of  # noqa: PLC0415
        from collectors.probe.ports import Ports  # noqa: PLC0415

        if self._uplink is None:
            return None
        link, interface, machine = self._uplink.settings, self._uplink.interface, self._context.machine
        if link.device is not None and link.port is not None:
            rates, speed = self._context.session(Ports, Ports).rates(link.device, link.port, machine.clock.monotonic())
            busy = self._over(rates, interface, speed)
            if busy is not None:
                return busy
        if interface is None:
            return None
        found = await use_of(machine, interface, QUIET_SECONDS)
        if found is None:
            return f"the traffic of {interface} cannot be read"
        return self._over({"download": found.receive, "upload": found.transmit}, interface, None)

    def _over(self, rates: Mapping[str, float], interface: str | None, speed: float | None) -> str | None:
        """The first direction that carries more than the set share, in words."""
        for direction, rate in rates.items():
            capacity = self._capacity(direction, interface) or speed
            if capacity is not None and rate > self._settings.skip_above_utilization * capacity:
                return f"the line carries {Rate(round(rate))} of {Rate(round(capacity))} ({direction})"
        return None

    def _capacity(self, direction: str, interface: str | None) -> float | None:
        """Octets per second: the contract, else the best result so far, else the port's speed."""
        contract: Rate | None = getattr(self._uplink.settings.contract, direction) if self._uplink is not None else None
        if contract is not None:
            return float(contract)
        if self._fastest[direction]:
            return self._fastest[direction]
        speed = self._context.machine.read_or_none(f"/sys/class/net/{interface}/speed") or "" if interface is not None else ""
        return float(speed) * 125_000 if speed.isdecimal() and speed != "0" else None

    async def _both(self, octets: int, budget: Budget) -> Reading:
        from collectors.probe.icmp import Pinger  # noqa: PLC0415
        from collectors.probe.load import LoadedRtt, grade, idle_rtt  # noqa: PLC0415
        from collectors.probe.rates import Rates  # noqa: PLC0415

        clock = self._context.machine.clock
        pinger = self._context.session(Pinger, Pinger)
        host = _host(self._target.url)
        idle = await idle_rtt(pinger, host, self._interface)
        found = Observations()
        facts: list[str] = []
        loaded: list[float] = []
        fault = None
        for direction, metric in (("download", DOWNLOAD), ("upload", UPLOAD)):
            if (direction == "upload" and not self._has_upload) or (fault is not None and fault.reason is Reason.BUSY):
                continue
            async with LoadedRtt(pinger, host, self._interface) as rtt:
                result, capped = await self._one(direction, octets, budget)
            fault = fault or result.fault
            if result.rate is None:
                continue
            self._fastest[direction] = max(self._fastest[direction], result.rate)
            if capped:
                facts.append(f"{direction} at least {Rate(round(result.rate))}, held back by the budget")
                continue
            found.set(metric, result.rate, *self._labels)
            if self._uplink is not None:
                self._context.session(Rates, Rates).found[self._uplink.name, direction] = result.rate
            letter = grade(idle, rtt.median)
            bloat = f", bufferbloat {letter} ({(rtt.median or 0) * 1000:.0f} ms under load)" if letter else ""
            facts.append(f"{direction} {Rate(round(result.rate))}{bloat}{_tcp(result)}")
            loaded += [rtt.median] if rtt.median is not None else []
        if idle is not None:
            facts.append(f"idle {idle * 1000:.1f} ms")
        found.set(LOADED_RTT, max(loaded, default=None), *self._labels)
        if found.items:
            found.set(TEST_TIMESTAMP, clock.true(), *self._labels)
        detail = "; ".join(facts)
        log.info("bandwidth test", extra={"target": self.target, "result": detail or (fault.detail if fault else "")})
        self._result = (clock.true(), found, detail) if found.items else None
        return self._reading(fault.reason if fault else None, "; ".join(filter(None, (fault.detail if fault else "", detail))))

    async def _one(self, direction: str, octets: int, budget: Budget) -> tuple[Transfer, bool]:
        """One direction; its bytes are booked before, and what was not used is given back."""
        from collectors.probe.transfer import WIRE_OVERHEAD, Limits  # noqa: PLC0415

        begun = self._context.machine.clock.true()
        booked = int(octets * WIRE_OVERHEAD)
        seconds_, pace = TEST_SECONDS, None
        if self._target.method == "iperf3":
            contract: Rate | None = getattr(self._uplink.settings.contract, direction) if self._uplink is not None else None
            expected = max(1.5 * self._fastest[direction], 1.2 * float(contract or 0)) or FIRST_GUESS
            seconds_ = float(min(TEST_SECONDS, max(2.0, octets // max(1.0, expected))))
            pace = octets / seconds_
        budget.book(booked, begun)
        moved = booked
        try:
            result = await self._watched(direction, Limits(seconds_, octets))
            moved = result.carried
        finally:
            budget.learn(self.target, moved - booked)
            budget.book(moved - booked, begun)
            self._unreported += moved
        return result, pace is not None and result.rate is not None and result.rate > CAPPED * pace

    async def _watched(self, direction: str, limits: Limits) -> Transfer:
        """One direction, ended early when other traffic of this computer's uplink rises above the set share: citizens go first."""
        from collectors.probe.sockets import Fault  # noqa: PLC0415
        from collectors.probe.transfer import WIRE_OVERHEAD, Transfer  # noqa: PLC0415

        guard = await self._guard()
        if guard is None:
            return await self._transfer(direction, limits)
        loop = asyncio.get_running_loop()
        work = loop.create_task(self._transfer(direction, limits), name=f"bandwidth/{self.target}")
        watch = loop.create_task(guard.until_others(), name=f"bandwidth/{self.target}/others")
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, watch):
                task.cancel()
            await asyncio.gather(work, watch, return_exceptions=True)
        if not work.cancelled():
            return work.result()
        which, rate = watch.result()
        detail = f"{direction} ended since others began to use the line: {Rate(round(rate))} ({which})"
        moved = limits.octets if guard.own is None else int(guard.own / WIRE_OVERHEAD)
        return Transfer(None, moved, Fault(Reason.BUSY, detail))

    async def _guard(self) -> Guard | None:
        """What watches a test; None where the share that others may use, or the server's address, is not known."""
        from collectors.probe.sockets import Fault, resolve  # noqa: PLC0415
        from collectors.probe.transfer_guard import Guard  # noqa: PLC0415

        interface = self._uplink.interface if self._uplink is not None else None
        if interface is None:
            return None
        share = self._settings.skip_above_utilization
        received, sent = (self._capacity(direction, interface) for direction in ("download", "upload"))
        if received is None and sent is None:
            return None
        found = await resolve(_host(self._target.url), 0)
        if isinstance(found, Fault):
            return None
        limits = (None if received is None else share * received, None if sent is None else share * sent)
        return Guard(self._context.machine, interface, [endpoint.text for endpoint in found], limits)

    async def _transfer(self, direction: str, limits: Limits) -> Transfer:
        target, machine = self._target, self._context.machine
        if target.method == "iperf3":
            from collectors.probe import iperf3  # noqa: PLC0415

            which: Literal["download", "upload"] = "download" if direction == "download" else "upload"
            return await iperf3.transfer(machine, target.url, which, limits, interface=self._interface)
        if target.method == "ndt7":
            from collectors.probe import ndt7  # noqa: PLC0415

            run = ndt7.download if direction == "download" else ndt7.upload
            return await run(target.url, limits, clock=machine.clock, interface=self._interface)
        from collectors.probe import http_transfer  # noqa: PLC0415

        if direction == "download":
            return await http_transfer.download(target.url, limits, clock=machine.clock, interface=self._interface)
        url = target.upload_url or target.url
        return await http_transfer.upload(url, limits, clock=machine.clock, interface=self._interface)

    def _reading(self, reason: Reason | None, detail: str) -> Reading:
        """The last result while it is worth showing, what was spent, and why there is no test now if it was time."""
        clock = self._context.machine.clock
        found = Observations()
        if self._result is not None:
            when, last, said = self._result
            if clock.true() - when <= max(KEEP_SECONDS, 2.5 * float(self._settings.interval)):
                found.items.extend(last.items)
                detail = detail or said
        found.add(SPENT_BYTES, float(self._unreported), *self._labels)
        self._unreported = 0
        return Reading(self.kind, self.target, clock.monotonic(), found.items, reason, detail)


def _uplink(target: BandwidthTarget, context: Context) -> Uplink | None:
    """The uplink that a test loads: the target's own, else the one that the routing table prefers."""
    if target.link is not None:
        return context.uplink(target.link)
    routes = sorted(context.surroundings.routes, key=lambda route: route.metric)
    preferred = next((route.interface for route in routes), None)
    return next((uplink for uplink in context.uplinks if uplink.interface == preferred), None) if preferred else None


def _host(url: str) -> str:
    """The host of a URL or of `host[:port]`."""
    try:
        return str(ipaddress.ip_address(url))
    except ValueError:
        return urllib.parse.urlsplit(url if "://" in url else f"//{url}").hostname or url


def _tcp(result: Transfer) -> str:
    """TCP_INFO in words: our kernel's, and the server's where it tells."""
    parts = []
    if result.tcp is not None:
        parts.append(f"rtt {result.tcp.rtt * 1000:.1f} ms, {result.tcp.retransmits} retransmissions")
    if "MinRTT" in result.server:
        parts.append(f"server's least rtt {result.server['MinRTT'] / 1000:.1f} ms")
    return f", {', '.join(parts)}" if parts else ""


def build(settings: BandwidthSettings, context: Context) -> list[Collector]:
    """One instance per target, at the site's full agent only."""
    if context.site.role != "full":
        return []
    return [BandwidthCollector(index, settings, context) for index in range(len(settings.targets))]
