"""Faults of devices: Debian's snmpd in a machine on the site's switch, with the figures of a UPS or a printer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

from tests.e2e.faults import Bench, Fault
from tests.netlab import services

UPS = "1.3.6.1.2.1.33.1"
PRINTER = "1.3.6.1.2.1.25.3.5.1"
MAINS, BATTERY = 3, 5


def ups(source: int, *, battery: int = 2) -> str:
    """UPS-MIB (RFC 1628): upsOutputSource, upsBatteryStatus, minutes and charge left."""
    figures = {"2.1.0": battery, "2.3.0": 42, "2.4.0": 87, "4.1.0": source}
    return "\n".join(f"override {UPS}.{oid} integer {value}" for oid, value in figures.items())


def printer(errors: str) -> str:
    """hrPrinterStatus idle and hrPrinterDetectedErrorState (RFC 2790)."""
    return (
        "override 1.3.6.1.2.1.25.3.2.1.2.1 object_id 1.3.6.1.2.1.25.3.1.5\n"
        f"override {PRINTER}.1.1 integer 3\noverride {PRINTER}.2.1 octet_str {errors}"
    )


def device(options: str) -> Callable[[Bench], AbstractContextManager[None]]:
    """The machine with this configuration; with none it is switched off."""

    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        site = bench.site
        # Another address each time: the computer remembers the hardware address of the one before.
        address = f"192.168.{site.number}.{60 + len(site.cables)}"
        node = site.attach(f"device{len(site.cables)}", f"{address}/24")
        cable = site.cables[-1]
        bench.config = (
            f"snmp: {{devices: [{{name: device-1, address: {address}, auth: default}}],"
            " auths: {default: {version: 2c, community: public}}}\n"
        )
        service = services.snmpd(node, options=options) if options else None
        try:
            yield
        finally:
            if service is not None:
                service.stop()
            cable.cut()

    return inject


DEVICES = (
    Fault("SNMP device gone", ("device.unreachable",), device("")),
    Fault("UPS on battery", ("ups.on_battery",), device(ups(BATTERY))),
    Fault("UPS with a depleted battery", ("device.health",), device(ups(MAINS, battery=4))),
    Fault("printer without paper", ("printer.attention",), device(printer('"@"'))),
    Fault("UPS on mains", (None,), device(ups(MAINS))),
    Fault("printer idle", (None,), device(printer('""'))),
)
