"""What a device's reading says is wrong; devices that answer are in tests/e2e."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from agent.diagnose.checks.devices import BAD_SENSOR_STATES, PRINTER_SOON, PRINTER_STOPS, build, judge_reading
from collectors import families
from collectors.model import Metric, Observation, Reading, Reason
from collectors.snmp import SnmpDevice, SnmpSettings
from tests.agent.diagnose.grounds import codes, ground

PROFILES = Path(__file__).parents[4] / "config" / "snmp"


def reading(*rows: tuple[Metric, tuple[str, ...], float]) -> Reading:
    up = Observation(families.DEVICE_UP, ("d",), 1.0)
    return Reading("snmp", "d", 0.0, (up, *(Observation(metric, ("d", *labels), value) for metric, labels, value in rows)))


def states() -> set[str]:
    """Every state word of every profile."""
    found: set[str] = set()

    def walk(node: object) -> None:
        if isinstance(node, dict):
            for key in ("states", "bits"):
                if isinstance(node.get(key), dict):
                    found.update(map(str, node[key].values()))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    for file in PROFILES.glob("*.yaml"):
        walk(yaml.safe_load(file.read_text(encoding="utf-8")))
    return found


def test_every_word_that_is_judged_is_said_by_a_profile() -> None:
    assert (BAD_SENSOR_STATES | PRINTER_STOPS | PRINTER_SOON) - states() == set()


@pytest.mark.parametrize(
    ("metric", "labels", "value", "code", "severity"),
    [
        (families.UPS_ON_BATTERY, (), 1.0, "ups.on_battery", None),
        (families.UPS_ON_BATTERY, (), 0.0, None, None),
        (families.DEVICE_SENSOR_STATE, ("Fan 1", "failed"), 1.0, "device.health", None),
        (families.DEVICE_SENSOR_STATE, ("Fan 1", "ok"), 1.0, None, None),
        (families.DEVICE_SENSOR_STATE, ("Battery", "low"), 1.0, "device.health", None),
        (families.DEVICE_SENSOR_STATE, ("Temperature", "low"), 1.0, None, None),
        (families.PRINTER_STATE, ("jammed",), 1.0, "printer.attention", "warning"),
        (families.PRINTER_STATE, ("low_toner",), 1.0, "printer.attention", "info"),
        (families.PRINTER_STATE, ("ok",), 1.0, None, None),
        (families.PRINTER_SUPPLY_STATE, ("Black", "empty"), 1.0, "printer.attention", "warning"),
        (families.PRINTER_SUPPLY_STATE, ("Black", "some"), 1.0, None, None),
    ],
)
def test_states(metric: Metric, labels: tuple[str, ...], value: float, code: str | None, severity: str | None) -> None:
    found = judge_reading("d", reading((metric, labels, value))).suspects
    assert [(suspect.code, suspect.severity) for suspect in found] == ([(code, severity)] if code else [])


def test_how_long_a_battery_lasts_is_told() -> None:
    found = judge_reading("d", reading((families.UPS_ON_BATTERY, (), 1.0), (families.UPS_RUNTIME, (), 2520.0)))
    assert found.suspects[0].facts == {"left": "42 min"}


def test_a_silent_device_is_unreachable() -> None:
    silent = judge_reading("d", Reading("snmp", "d", 0.0, (), Reason.TIMEOUT, "no answer"))
    assert (codes(silent), silent.detail, silent.carries) == (["device.unreachable"], "no answer", False)


def test_without_devices_there_is_no_check(tmp_path: Path) -> None:
    assert build(ground(tmp_path)) == []


def test_a_device_stands_on_its_parent_where_that_is_asked_too(tmp_path: Path) -> None:
    found = ground(tmp_path)
    router, switch, camera = (
        SnmpDevice(name=name, address=f"192.0.2.{number}", parent=parent)
        for number, (name, parent) in enumerate([("router", "at the province"), ("switch", "router"), ("camera", None)], start=1)
    )
    kinds = {**found.settings.kinds, "snmp": SnmpSettings(devices=(router, switch, camera))}
    checks = {check.id: check for check in build(replace(found, settings=replace(found.settings, kinds=kinds)))}
    assert [("device:router" in checks[f"device:{name}"].stands_on) for name in ("router", "switch", "camera")] == [
        False,
        True,
        False,
    ]
    assert all(edge in checks for check in checks.values() for edge in check.stands_on if edge.startswith("device:"))
