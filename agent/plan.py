"""From settings and surroundings to collectors: what this agent measures here and now.

Pure: the same settings in the same surroundings give instances of the same identity, so that the scheduler can tell
what changed.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.settings import AgentSettings
from collectors import KINDS
from collectors.model import Collector, Reading
from collectors.site import Context, Link, Surroundings, Uplink

SENSOR_KINDS = frozenset({"ping", "host", "interfaces", "wifi", "survey", "mobile"})
"""A sensor looks at itself, its Wi-Fi and its gateway; the site's full agent does the rest."""
RETRY_INTERVAL = 60.0
HUB_EXCLUDES = frozenset({"wifi", "mobile", "lan"})


def resolve_uplinks(links: Iterable[Link], surroundings: Surroundings) -> tuple[Uplink, ...]:
    """The configured links as they can be measured now; without any, one per default route, named by interface.

    A link with an interface leaves by it; `gateway: auto` is that interface's default gateway. A link without
    interface and device is taken to be the PC's default route when it is the only one, else to be behind the router.
    """
    configured = tuple(links)
    if not configured:
        seen: dict[str, Uplink] = {}
        for route in sorted(surroundings.routes, key=lambda route: (route.family, route.metric)):
            if route.interface not in seen:
                seen[route.interface] = Uplink(Link(name=route.interface), route.interface, route.gateway)
        return tuple(seen.values())
    return tuple(_resolve(link, surroundings, alone=len(configured) == 1) for link in configured)


def _resolve(link: Link, surroundings: Surroundings, *, alone: bool) -> Uplink:
    interface = link.interface
    routes = sorted(surroundings.routes, key=lambda route: (route.family, route.metric))
    if interface is None and link.device is None and alone and routes:
        interface = routes[0].interface
    gateway = link.gateway
    if gateway == "auto":
        gateway = next((route.gateway for route in routes if route.interface == interface), None)
    return Uplink(link, interface, gateway)


def plan(settings: AgentSettings, context: Context) -> list[Collector]:
    """Every collector that this agent runs, by its role."""
    role = context.site.role
    found: list[Collector] = []
    for kind in KINDS:
        if (
            kind.build is None
            or (role == "sensor" and kind.name not in SENSOR_KINDS)
            or (role == "hub" and kind.name in HUB_EXCLUDES)
        ):
            continue
        try:
            found += kind.build(settings.kinds[kind.name], context)
        except Exception as error:
            found.append(Unbuilt(kind.name, error))
    return found


class Unbuilt(Collector):
    """Stands for a kind that could not be built: its error is a reading like any other, and the other kinds go on."""

    def __init__(self, kind: str, error: Exception) -> None:
        self.kind = kind  # type: ignore[misc]  # any kind's
        super().__init__("", interval=RETRY_INTERVAL, identity=repr(error))
        self._error = error

    async def collect(self) -> Reading:
        """Fail as the building did."""
        raise self._error
