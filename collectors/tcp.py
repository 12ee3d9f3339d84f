"""tcp: can a connection be opened, and how long does it take."""

from __future__ import annotations

from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason, gauge
from collectors.probe.sockets import Fault, explained, split_host_port
from collectors.site import Context, Name, Settings, Uplink, seconds
from collectors.wire.units import Duration

SERIES = ("target", "link")
SUCCESS = gauge("commune_tcp_success", "1 when the connection was accepted.", *SERIES, urgent=True)
CONNECT = gauge("commune_tcp_connect_seconds", "Time from SYN to the established connection.", *SERIES)
METRICS = (SUCCESS, CONNECT)


class TcpTarget(Settings, frozen=True):
    """One `host:port`."""

    name: Name
    address: Name
    link: str | None = None


class TcpSettings(Settings, frozen=True):
    """Section `tcp`."""

    interval: Duration = seconds(30)
    timeout: Duration = seconds(5)
    targets: tuple[TcpTarget, ...] = ()


class Tcp(Collector):
    """One `host:port`, by one uplink or by the routing table's choice."""

    kind = "tcp"

    def __init__(self, target: TcpTarget, settings: TcpSettings, machine: Machine, uplink: Uplink | None) -> None:
        interface = uplink.interface if uplink else None
        super().__init__(
            target.name,
            interval=settings.interval,
            deadline=settings.timeout + 1.0,
            identity=(target, settings.timeout, interface, uplink is None),
        )
        self._target = target
        self._timeout = float(settings.timeout)
        self._machine = machine
        self._interface = interface
        self._lost = target.link is not None and uplink is None

    async def collect(self) -> Reading:
        """Open one connection."""
        from collectors.probe.tcp import TcpResult, measure  # noqa: PLC0415  not at import of the declarations

        taken = self._machine.clock.monotonic()
        labels = (self._target.name, self._target.link or "")
        if self._lost:
            result = TcpResult(Fault(Reason.UNREACHABLE, f"the link {self._target.link} is not there now"))
        else:
            try:
                host, port = split_host_port(self._target.address)
            except ValueError as error:
                return Reading(self.kind, self.target, taken, (), Reason.INTERNAL, str(error))
            result = await measure(host, port, timeout=self._timeout, clock=self._machine.clock, interface=self._interface)
        found = Observations()
        found.set(SUCCESS, float(result.fault is None), *labels)
        found.set(CONNECT, result.seconds, *labels)
        return Reading(self.kind, self.target, taken, found.items, *explained(result.fault))


def build(settings: TcpSettings, context: Context) -> list[Collector]:
    """One instance per target."""
    return [Tcp(target, settings, context.machine, context.uplink(target.link)) for target in settings.targets]
