"""What traps mean: names of the known ones, and what they change at once in the metrics of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from collectors.families import INTERFACE_UP, UPS_ON_BATTERY
from collectors.model import Metric
from collectors.probe.snmp_client import Value

TRAP_OID = "1.3.6.1.6.3.1.1.4.1.0"
IF_INDEX = "1.3.6.1.2.1.2.2.1.1."
Subject = Literal["device", "interface"]


@dataclass(frozen=True, slots=True)
class Known:
    """A trap with a name; with a metric, it sets that of the device or of the interface it tells of."""

    name: str
    metric: Metric | None = None
    value: float = 0.0
    subject: Subject = "device"


_STANDARD = "1.3.6.1.6.3.1.1.5"
_UPS = "1.3.6.1.2.1.33.2"
_APC = "1.3.6.1.4.1.318.0"
_CYBERPOWER = "1.3.6.1.4.1.3808.0"
_MEGATEC = "1.3.6.1.4.1.935.0"
_EATON = "1.3.6.1.4.1.534.1.11.4.1.0"
_MGE = "1.3.6.1.4.1.705.1.11.0"
KNOWN: Mapping[str, Known] = {
    f"{_STANDARD}.1": Known("coldStart"),
    f"{_STANDARD}.2": Known("warmStart"),
    f"{_STANDARD}.3": Known("linkDown", INTERFACE_UP, 0.0, "interface"),
    f"{_STANDARD}.4": Known("linkUp", INTERFACE_UP, 1.0, "interface"),
    f"{_STANDARD}.5": Known("authenticationFailure"),
    f"{_STANDARD}.6": Known("egpNeighborLoss"),
    f"{_UPS}.1": Known("upsTrapOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_UPS}.2": Known("upsTrapTestCompleted"),
    f"{_UPS}.3": Known("upsTrapAlarmEntryAdded"),
    f"{_UPS}.4": Known("upsTrapAlarmEntryRemoved"),
    f"{_APC}.5": Known("upsOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_APC}.7": Known("lowBattery"),
    f"{_APC}.9": Known("powerRestored", UPS_ON_BATTERY, 0.0),
    f"{_CYBERPOWER}.5": Known("upsOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_CYBERPOWER}.9": Known("powerRestored", UPS_ON_BATTERY, 0.0),
    f"{_MEGATEC}.5": Known("upsOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_MEGATEC}.9": Known("powerRestored", UPS_ON_BATTERY, 0.0),
    f"{_EATON}.3": Known("xupstdOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_EATON}.4": Known("xupstdLowBattery"),
    f"{_EATON}.5": Known("xupstdUtilityPowerRestored", UPS_ON_BATTERY, 0.0),
    f"{_MGE}.11": Known("upsmgOnBattery", UPS_ON_BATTERY, 1.0),
    f"{_MGE}.12": Known("upsmgReturnFromBattery", UPS_ON_BATTERY, 0.0),
    "1.3.6.1.2.1.43.18.2.0.1": Known("printerV2Alert"),
    "1.3.6.1.2.1.17.0.1": Known("newRoot"),
    "1.3.6.1.2.1.17.0.2": Known("topologyChange"),
    "1.3.6.1.2.1.47.2.0.1": Known("entConfigChange"),
    "1.0.8802.1.1.2.0.0.1": Known("lldpRemTablesChange"),
}
"""RFC 3418, RFC 2863, RFC 1628, RFC 3805, RFC 4188, RFC 6933, and the UPS makers' own."""


def trap_name(oid: str) -> str:
    """A trap's name, its object identifier where it is not known. Version 1's enterprise traps come with a 0 in between."""
    known = KNOWN.get(oid) or KNOWN.get(_without_zero(oid))
    return known.name if known else oid


def effect(oid: str) -> Known | None:
    """What a trap changes at once, None when nothing is known."""
    known = KNOWN.get(oid) or KNOWN.get(_without_zero(oid))
    return known if known is not None and known.metric is not None else None


def _without_zero(oid: str) -> str:
    head, _, last = oid.rpartition(".")
    return f"{head.removesuffix('.0')}.{last}"


def if_index(variables: Mapping[str, Value]) -> str | None:
    """The interface that a linkDown or linkUp tells of (RFC 2863), None when it tells none."""
    for oid, value in variables.items():
        if oid.startswith(IF_INDEX):
            return str(value)
    return None
