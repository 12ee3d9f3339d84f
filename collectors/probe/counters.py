"""Traffic counters of this machine's interfaces: for their own metrics, an uplink's utilization and the load guard of tests."""

from __future__ import annotations

from collectors.machine import Machine
from collectors.wire.procnet import Traffic, parse_dev

Counters = Traffic


def read_all(machine: Machine) -> dict[str, Counters]:
    """Running totals of every interface since it came up, in octets and packets."""
    if machine.platform == "linux":
        return parse_dev(machine.read_or_none("/proc/net/dev") or "")
    import psutil  # noqa: PLC0415  only where there is no /proc

    return {
        name: Counters(io.bytes_recv, io.packets_recv, io.errin, io.dropin, io.bytes_sent, io.packets_sent, io.errout, io.dropout)
        for name, io in psutil.net_io_counters(pernic=True).items()
    }


def read(machine: Machine, name: str) -> Counters | None:
    """Running totals of one interface, None when there is no such interface (any more)."""
    return read_all(machine).get(name)
