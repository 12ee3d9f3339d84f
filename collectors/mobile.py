"""mobile: modems of this computer, through ModemManager, and whether mobile coverage would carry the centre's line."""

from __future__ import annotations

from collectors.families import (
    MOBILE,
    MOBILE_COVERAGE,
    MOBILE_INFO,
    MOBILE_REGISTERED,
    MOBILE_RSRP,
    MOBILE_RSRQ,
    MOBILE_SINR,
)
from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason
from collectors.probe.modem import ModemManager, bus_address
from collectors.site import Context, Coverage, seconds
from collectors.wire.units import Duration

METRICS = (*MOBILE, MOBILE_COVERAGE)


class MobileSettings(Coverage, frozen=True):
    """Section `mobile`; its limits are also those of LTE routers read over SNMP."""

    interval: Duration = seconds(60)


class MobileCollector(Collector):
    """All modems of this computer."""

    kind = "mobile"

    def __init__(self, settings: MobileSettings, machine: Machine) -> None:
        super().__init__("", interval=settings.interval, identity=settings)
        self._settings = settings
        self._machine = machine
        self._manager: ModemManager | None = None

    async def collect(self) -> Reading:
        """Ask the service once."""
        found = Observations()
        reason, detail = await self._measure(found)
        return Reading(self.kind, self.target, self._machine.clock.monotonic(), found.items, reason, detail)

    async def _measure(self, found: Observations) -> tuple[Reason | None, str]:
        if self._manager is None:
            address = bus_address(self._machine)
            if address is None:
                return Reason.NOT_SUPPORTED, "this computer has no ModemManager"
            self._manager = ModemManager(address, max(1, round(self.interval / 2)))
        try:
            modems = await self._manager.modems()
        except OSError as error:
            return Reason.INTERNAL, error.strerror or str(error)
        if not modems:
            return Reason.NOT_SUPPORTED, "ModemManager does not run" if modems is None else "ModemManager knows no modem"
        details = []
        for modem in modems:
            found.set(MOBILE_RSRP, modem.rsrp_dbm, modem.name)
            found.set(MOBILE_RSRQ, modem.rsrq_db, modem.name)
            found.set(MOBILE_SINR, modem.sinr_db, modem.name)
            found.set(MOBILE_REGISTERED, None if modem.is_registered is None else float(modem.is_registered), modem.name)
            if modem.is_registered:
                found.set(MOBILE_INFO, 1.0, modem.name, modem.operator, modem.technology)
            state = self._settings.state(modem.rsrp_dbm, registered=modem.is_registered)
            if state is not None:
                found.set(MOBILE_COVERAGE, 1.0, modem.name, state)
            if state not in {None, "good"}:
                details.append(f"{modem.name}: coverage {state}")
        return None, ", ".join(details)

    async def stop(self) -> None:
        """Leave the bus."""
        if self._manager is not None:
            await self._manager.close()


def build(settings: MobileSettings, context: Context) -> list[Collector]:
    """One instance for all modems."""
    return [MobileCollector(settings, context.machine)]
