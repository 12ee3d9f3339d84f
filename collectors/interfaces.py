"""interfaces: traffic, errors and state of this computer's physical interfaces."""

from __future__ import annotations

from collectors import families
from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason
from collectors.probe import counters, nics
from collectors.site import Context, Settings, seconds
from collectors.wire.units import Duration

METRICS = families.INTERFACES
SELF = "self"


class InterfacesSettings(Settings, frozen=True):
    """Section `interfaces`."""

    interval: Duration = seconds(15)


class Interfaces(Collector):
    """All interfaces of this computer in one run: their counters stand in one file."""

    kind = "interfaces"

    def __init__(self, machine: Machine, names: tuple[str, ...], interval: float) -> None:
        super().__init__("", interval=interval, identity=names)
        self._machine = machine
        self._names = names

    async def collect(self) -> Reading:
        """Read counters and state; an interface that vanished is withdrawn."""
        taken = self._machine.clock.monotonic()
        totals = counters.read_all(self._machine)
        found = Observations()
        for name in self._names:
            if (traffic := totals.get(name)) is not None:
                for metric, value in zip(families.INTERFACES[:8], _in_order(traffic), strict=True):
                    found.set(metric, value, SELF, name)
            if (nic := nics.state(self._machine, name)) is not None:
                found.set(families.INTERFACE_UP, float(nic.up), SELF, name)
                found.set(families.INTERFACE_SPEED, nic.speed, SELF, name)
                found.set(families.INTERFACE_FULL_DUPLEX, None if nic.full_duplex is None else float(nic.full_duplex), SELF, name)
        if not self._names:
            return Reading(self.kind, self.target, taken, (), Reason.NOT_SUPPORTED, "this computer has no physical interface")
        return Reading(self.kind, self.target, taken, found.items)


def _in_order(traffic: counters.Counters) -> tuple[int, ...]:
    """The values in the order of the families: bytes, packets, errors, drops, each received and sent."""
    received, sent = traffic[:4], traffic[4:]
    return tuple(value for pair in zip(received, sent, strict=True) for value in pair)


def build(settings: InterfacesSettings, context: Context) -> list[Collector]:
    """One instance for the interfaces that are there now; the agent builds anew when that changes."""
    names = tuple(interface.name for interface in context.surroundings.interfaces)
    return [Interfaces(context.machine, names, settings.interval)]
