"""path: the route to a target, its hops, its MTU and its changes.

A change is one event: hops that fall silent, and routers that share the load of one route (ECMP), are none. So the
addresses ever seen at a hop are remembered, and a hop counts as changed only when a second look agrees that none of
them is there any more.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from collectors.model import Collector, Observations, Reading, Reason, counter, gauge
from collectors.site import Context, Name, Settings, seconds
from collectors.wire.units import Duration

if TYPE_CHECKING:
    from collectors.probe.mtu import PathMtu
    from collectors.probe.trace import Hop, Trace

log = logging.getLogger(__name__)
HOPS = gauge("commune_path_hops", "Hops to the target, itself included.", "target")
MTU = gauge("commune_path_mtu_bytes", "Largest IP packet that reaches the target unfragmented.", "target")
CHANGES = counter("commune_path_changes_total", "Changes of the route to the target.", "target", urgent=True)
METRICS = (HOPS, MTU, CHANGES)

PROBES = 3
FIRST_PROBES = 6
"""Per hop where a route is learnt or a change is confirmed: with two routers sharing a hop, one in 32 such looks misses one."""
DEADLINE = 60.0
RESOLVE_SECONDS = 5.0


class PathTarget(Settings, frozen=True):
    """One address to trace."""

    name: Name
    address: Name
    method: Literal["icmp", "udp", "tcp"] = "icmp"
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    link: str | None = None


class PathSettings(Settings, frozen=True):
    """Section `path`."""

    interval: Duration = seconds(600)
    max_hops: Annotated[int, Meta(ge=1, le=64)] = 30
    targets: tuple[PathTarget, ...] = (PathTarget(name="dichvucong.gov.vn", address="dichvucong.gov.vn"),)


class KnownRoute:
    """The route as it is known so far: the addresses seen at each hop, and the lengths of the whole."""

    def __init__(self) -> None:
        self.hops: dict[int, set[str]] = {}
        self.lengths: set[int] = set()

    def differs(self, seen: Trace) -> bool:
        """The trace shows another route: a hop where nobody known answers, or another length."""
        if seen.reached and self.lengths and len(seen.hops) not in self.lengths:
            # Routers that share the load over ways of two lengths are met where the shorter one ends.
            end = min(len(seen.hops), max(self.lengths))
            if self.hops.get(end, set()).isdisjoint(seen.hops[end - 1].addresses):
                return True
        return any(
            hop.addresses and self.hops.get(hop.ttl) and self.hops[hop.ttl].isdisjoint(hop.addresses) for hop in _routers(seen)
        )

    def learn(self, seen: Trace) -> None:
        """Add what a trace of this route shows."""
        if seen.reached:
            self.lengths.add(len(seen.hops))
        for hop in _routers(seen):
            self.hops.setdefault(hop.ttl, set()).update(hop.addresses)


def _routers(seen: Trace) -> tuple[Hop, ...]:
    """The hops that belong to the route; who says that there is no way on speaks from a place behind or before it."""
    return seen.hops[:-1] if seen.reason is Reason.UNREACHABLE else seen.hops


class PathCollector(Collector):
    """Follows the route to one target."""

    kind: ClassVar[str] = "path"

    def __init__(self, target: PathTarget, settings: PathSettings, context: Context) -> None:
        uplink = context.uplink(target.link)
        self._interface = uplink.interface if uplink is not None else None
        super().__init__(
            target.name,
            interval=float(settings.interval),
            deadline=min(float(settings.interval), DEADLINE),
            identity=(target, settings.max_hops, self._interface, uplink is None),
        )
        self._target = target
        self._max_hops = settings.max_hops
        self._lost = target.link is not None and uplink is None
        self._clock = context.machine.clock
        self._address: str | None = None
        self._route = KnownRoute()
        self._changes = 0
        self._mtu: PathMtu | None = None

    async def collect(self) -> Reading:
        """Trace the route, then probe the MTU of what answers."""
        from collectors.probe.mtu import path_mtu  # noqa: PLC0415  declarations load without what they measure with

        if self._lost:
            return self._reading(None, None, Reason.UNREACHABLE, f"the link {self._target.link} is not there now")
        found = await self._resolve()
        if isinstance(found, Reading):
            return found
        if found != self._address:
            self._address, self._route = found, KnownRoute()
        seen = await self._follow(found)
        mtu = await path_mtu(found, interface=self._interface) if seen.reached else None
        return self._reading(seen, mtu, seen.reason, "; ".join(filter(None, (seen.detail, _hops(seen), _mtu(mtu)))))

    async def _resolve(self) -> str | Reading:
        """The target's address; the one traced before as long as the name still has it, since names rotate."""
        from collectors.probe.sockets import Fault, resolve  # noqa: PLC0415

        try:
            found = await asyncio.wait_for(resolve(self._target.address, 0, datagram=True), RESOLVE_SECONDS)
        except TimeoutError:
            found = Fault(Reason.NAME_UNRESOLVED, f"{self._target.address} has no address: no answer from the resolvers")
        if isinstance(found, Fault):
            return self._reading(None, None, found.reason, found.detail)
        addresses = [endpoint.text for endpoint in found]
        return self._address if self._address in addresses else addresses[0]

    async def _trace(self, address: str, probes: int) -> Trace:
        from collectors.probe.trace import trace  # noqa: PLC0415

        return await trace(
            address,
            method=self._target.method,
            port=self._target.port,
            max_hops=self._max_hops,
            probes=probes,
            interface=self._interface,
        )

    async def _follow(self, address: str) -> Trace:
        """Trace once; look again, harder, before saying that the route changed."""
        seen = await self._trace(address, PROBES if self._route.hops else FIRST_PROBES)
        if self._route.differs(seen):
            again = await self._trace(address, FIRST_PROBES)
            if self._route.differs(again):
                before = _line(self._route)
                self._route = KnownRoute()
                self._changes += 1
                self._route.learn(again)
                log.info("path changed", extra={"target": self.target, "before": before, "now": _line(self._route)})
                return again
            self._route.learn(again)
        self._route.learn(seen)
        return seen

    def _reading(self, seen: Trace | None, mtu: PathMtu | None, reason: Reason | None, detail: str) -> Reading:
        found = Observations()
        if reason is None or not reason.is_failure:
            found.set(CHANGES, float(self._changes), self.target)
        if seen is not None and seen.reached:
            found.set(HOPS, float(len(seen.hops)), self.target)
        if mtu is not None:
            found.set(MTU, mtu.mtu if mtu.mtu is None else float(mtu.mtu), self.target)
            self._tell(mtu)
        if reason is Reason.NOT_SUPPORTED:
            found = Observations()
        return Reading(self.kind, self.target, self._clock.monotonic(), found.items, reason, detail)

    def _tell(self, mtu: PathMtu) -> None:
        """One line when the MTU becomes another."""
        before, self._mtu = self._mtu, mtu
        if before is not None and mtu.mtu is not None and (before.mtu, before.black_hole) != (mtu.mtu, mtu.black_hole):
            level = logging.WARNING if mtu.black_hole else logging.INFO
            log.log(level, "path MTU changed", extra={"target": self.target, "now": _mtu(mtu), "before": _mtu(before)})


def _hops(seen: Trace) -> str:
    parts = []
    for hop in seen.hops:
        rtt = f" {min(hop.rtts) * 1000:.1f} ms" if hop.rtts else ""
        loss = f" {hop.loss:.0%} lost" if hop.loss and hop.addresses else ""
        parts.append(f"{hop.ttl} {'/'.join(hop.addresses) or '*'}{rtt}{loss}")
    return ", ".join(parts)


def _mtu(mtu: PathMtu | None) -> str:
    if mtu is None or mtu.mtu is None:
        return ""
    if mtu.black_hole:
        return f"MTU {mtu.mtu}: longer packets vanish and nobody says so (black hole)"
    return f"MTU {mtu.mtu}" + (f" as {mtu.reporter} says" if mtu.reporter else "")


def _line(route: KnownRoute) -> str:
    last = max(route.hops, default=0)
    return " ".join("/".join(sorted(route.hops.get(ttl, ()))) or "*" for ttl in range(1, last + 1))


def build(settings: PathSettings, context: Context) -> list[Collector]:
    """One instance per target."""
    return [PathCollector(target, settings, context) for target in settings.targets]
