"""Layer 7: the devices that the configuration names, asked as the running agent asks them."""

from __future__ import annotations

import asyncio
from functools import partial

from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.words import percent, time_span
from collectors import families, snmp
from collectors.model import Collector, Observation, Reading, Reason

DEVICE_TIMEOUT = 8.0
QUICK_TIMEOUT = 3.0
PRINTER_STOPS = frozenset({
    "no_paper", "no_toner", "door_open", "jammed", "offline", "service_requested", "input_tray_missing", "output_tray_missing",
    "marker_supply_missing", "output_full", "input_tray_empty", "down",
})  # fmt: skip
"""hrPrinterDetectedErrorState (RFC 2790) in the profiles' words: nothing is printed until somebody comes."""
PRINTER_SOON = frozenset({"low_paper", "low_toner", "output_near_full", "overdue_maintenance"})
BAD_SENSOR_STATES = frozenset({
    "abnormal", "alarm", "controller_error", "crashed", "critical", "dead", "degraded", "depleted", "failed", "failure_bypass",
    "fault", "high_alarm", "low_alarm", "lost", "not_functioning", "not_operational", "overload", "partition_failed", "replace",
    "short_circuit", "voltage_too_high", "voltage_too_low", "warning", "weak",
})  # fmt: skip
"""The profiles' words (config/snmp) for what somebody has to look at; `tests` hold that each is said by one."""
EMPTY_SUPPLY_STATES = frozenset({"empty"})
LOW_SUPPLY_STATES = frozenset({"low"})


def build(ground: Ground) -> list[Check]:
    """One check for each device."""
    settings = ground.settings.kinds["snmp"]
    if not settings.devices:
        return []
    collectors = {collector.target: collector for collector in snmp.build(settings, ground.context)}
    addresses = tuple(f"address:{name}" for name in ground.interfaces())
    local = tuple(f"gateway-quality:{uplink.interface}" for uplink in ground.context.uplinks)
    return [
        Check(
            f"device:{device.name}",
            7,
            partial(_ask, ground, collectors[device.name]),
            needs_any=addresses,
            stands_on=(*local, *((f"device:{device.parent}",) if device.parent in collectors else ())),
            symptoms=("device.unreachable",),
        )
        for device in settings.devices
        if device.name in collectors
    ]


async def _ask(ground: Ground, collector: Collector, _: Results) -> Outcome:
    name = collector.target
    try:
        await collector.start(lambda _: None)
        async with asyncio.timeout(QUICK_TIMEOUT if ground.quick else DEVICE_TIMEOUT):
            reading = await collector.once()
    except TimeoutError:
        reading = Reading(collector.kind, name, ground.machine.clock.monotonic(), (), Reason.TIMEOUT, "no answer")
    finally:
        await collector.stop()
    return judge_reading(name, reading)


def judge_reading(name: str, reading: Reading) -> Outcome:
    """What a device's reading says is wrong with it."""
    up = _value(reading, families.DEVICE_UP)
    if not up:
        reason = reading.reason.value if reading.reason else "no answer"
        return Outcome(Status.FAIL, reading.detail or reason, {}, (Suspect("device.unreachable", name),))
    suspects = []
    if _value(reading, families.UPS_ON_BATTERY):
        runtime, charge = _value(reading, families.UPS_RUNTIME), _value(reading, families.UPS_CHARGE)
        left = time_span(runtime) if runtime is not None else percent(charge) if charge is not None else "?"
        suspects.append(Suspect("ups.on_battery", name, {"left": left}))
    sensors = [labels for labels in _states(reading, families.DEVICE_SENSOR_STATE) if _is_bad(*labels[-2:])]
    if sensors:
        suspects.append(Suspect("device.health", name, {"detail": ", ".join(f"{one[1]} {one[2]}" for one in sensors)}))
    suspects += _printer(name, reading)
    facts = next((observation.labels for observation in reading.observations if observation.metric is families.DEVICE_INFO), ())
    detail = " ".join(facts[1:3]) if facts else "up"
    worst = Status.PASS if not suspects else Status.WARN
    return Outcome(worst, "; ".join([detail, *(s.facts.get("detail", s.code) for s in suspects)]), {}, tuple(suspects))


def _is_bad(sensor: str, state: str) -> bool:
    """A battery that is low will not last; a temperature or load that is low is none to worry about."""
    return state in BAD_SENSOR_STATES or (state == "low" and "battery" in sensor.lower())


def _printer(name: str, reading: Reading) -> list[Suspect]:
    """What stops the printer is a warning; what will stop it some day is information."""
    states = [labels[1] for labels in _states(reading, families.PRINTER_STATE)]
    supplies = [labels[1:] for labels in _states(reading, families.PRINTER_SUPPLY_STATE)]
    stops = [state for state in states if state in PRINTER_STOPS]
    stops += [f"{supply} {state}" for supply, state in supplies if state in EMPTY_SUPPLY_STATES]
    soon = [state for state in states if state in PRINTER_SOON]
    soon += [f"{supply} {state}" for supply, state in supplies if state in LOW_SUPPLY_STATES]
    if not stops and not soon:
        return []
    detail = ", ".join(word.replace("_", " ") for word in (*stops, *soon))
    return [Suspect("printer.attention", name, {"detail": detail}, "warning" if stops else "info")]


def _value(reading: Reading, metric: object) -> float | None:
    found = next((one for one in reading.observations if one.metric is metric), None)
    return float(found.value) if isinstance(found, Observation) and isinstance(found.value, int | float) else None


def _states(reading: Reading, metric: object) -> list[tuple[str, ...]]:
    return [one.labels for one in reading.observations if one.metric is metric and one.value == 1.0]
