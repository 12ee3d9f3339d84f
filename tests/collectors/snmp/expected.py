"""What another program made of the recordings beside the repository, against what we make of them.

Values are matched, not names: each expected number must be among the values of the metric that it belongs to, each of
ours counting once. Units are converted to ours; sensor classes for which there is no metric are not compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.model import Histogram, Observation

SENSORS: dict[str, tuple[str, float]] = {
    "temperature": ("commune_device_temperature_celsius", 1.0),
    "voltage": ("commune_device_voltage_volts", 1.0),
    "current": ("commune_device_current_amperes", 1.0),
    "power": ("commune_device_power_watts", 1.0),
    "frequency": ("commune_device_frequency_hertz", 1.0),
    "fanspeed": ("commune_device_fan_speed_rpm", 1.0),
    "humidity": ("commune_device_humidity_ratio", 0.01),
    "charge": ("commune_ups_charge_ratio", 0.01),
    "load": ("commune_ups_load_ratio", 0.01),
    "runtime": ("commune_ups_runtime_seconds", 60.0),
}
WIRELESS: dict[str, tuple[str, float]] = {
    "clients": ("commune_wifi_ap_clients", 1.0),
    "noise-floor": ("commune_wifi_ap_noise_dbm", 1.0),
    "utilization": ("commune_wifi_ap_channel_utilization_ratio", 0.01),
    "ccq": ("commune_wifi_ap_ccq_ratio", 0.01),
    "snr": ("commune_wifi_ap_snr_db", 1.0),
    "rssi": ("commune_wifi_ap_rssi_dbm", 1.0),
    "rsrp": ("commune_mobile_signal_rsrp_dbm", 1.0),
    "rsrq": ("commune_mobile_signal_rsrq_db", 1.0),
    "sinr": ("commune_mobile_signal_sinr_db", 1.0),
}


@dataclass
class Score:
    """How one kind of value fared: expected, and what was not found."""

    expected: int = 0
    missing: list[str] = field(default_factory=list)

    @property
    def matched(self) -> int:
        return self.expected - len(self.missing)


class Pool:
    """Our values by metric, each to be matched once."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self.values: dict[str, list[float]] = {}
        self.labels: dict[tuple[str, str], float] = {}
        for metric, labels, value, _ in observations:
            if not isinstance(value, Histogram):
                self.values.setdefault(metric.name, []).append(value)
                self.labels[metric.name, "/".join(labels[1:])] = value

    def take(self, metric: str, value: float, tolerance: float = 0.006) -> bool:
        """Find a value within rounding: relative to it, and half a unit of its last digit."""
        room = max(abs(value) * tolerance, 1e-9)
        near = [ours for ours in self.values.get(metric, []) if abs(ours - value) <= room]
        if not near:
            return False
        self.values[metric].remove(min(near, key=lambda ours: abs(ours - value)))
        return True


def rows(document: dict[str, Any], module: str, table: str) -> list[dict[str, Any]]:
    """A table of the document: as polled where it was, else as discovered."""
    found: list[dict[str, Any]] = []
    for phase in ("discovery", "poller"):
        part = document.get(module, {}).get(phase)
        if isinstance(part, dict) and table in part:
            found = part[table]
    return found


def compare(document: dict[str, Any], observations: Iterable[Observation]) -> dict[str, Score]:
    """Scores by kind of value."""
    pool = Pool(observations)
    checks: dict[str, Callable[[dict[str, Any], Pool], Score]] = {
        "ports": _ports,
        "processors": _processors,
        "memory": lambda document, pool: _bytes(rows(document, "mempools", "mempools"), pool, "mempool", "memory"),
        "storage": lambda document, pool: _bytes(rows(document, "storage", "storage"), pool, "storage", "storage"),
        "sensors": _sensors,
        "wireless": _wireless,
        "supplies": _supplies,
    }
    return {name: score for name, check in checks.items() if (score := check(document, pool)).expected}


def _ports(document: dict[str, Any], pool: Pool) -> Score:
    score = Score()
    for row in rows(document, "ports", "ports"):
        if row.get("deleted"):
            continue
        names = [row.get("ifName"), row.get("ifDescr"), str(row["ifIndex"])]
        tried = [f"{name}{end}" for end in (f" #{row['ifIndex']}", "") for name in names if name]
        label = next((name for name in tried if ("commune_interface_up", name) in pool.labels), None)
        if row.get("ifOperStatus") is None and row.get("ifInOctets") is None:
            continue
        score.expected += 1
        if label is None:
            if row.get("ifOperStatus") not in {None, "unknown"} or row.get("ifInOctets"):
                score.missing.append(
                    f"port {row.get('ifName')!r} {row.get('ifDescr')!r} {row['ifIndex']} {row.get('ifOperStatus')}"
                )
            continue
        wrong = []
        if row.get("ifOperStatus") is not None and pool.labels["commune_interface_up", label] != float(
            row["ifOperStatus"] == "up"
        ):
            wrong.append("up")
        for column, metric in _COUNTERS.items():
            if row.get(column) is not None and pool.labels.get((metric, label), 0.0) != float(row[column]):
                wrong.append(f"{column} {row[column]} is {pool.labels.get((metric, label))}")
        speed = row.get("ifSpeed")
        if speed and speed != 4294967295 and pool.labels.get(("commune_interface_speed_bytes_per_second", label)) != speed / 8:
            wrong.append(f"speed {speed} is {pool.labels.get(('commune_interface_speed_bytes_per_second', label))}")
        if wrong:
            score.missing.append(f"port {label}: {'; '.join(wrong)}")
    return score


_COUNTERS = {
    "ifInOctets": "commune_interface_receive_bytes_total",
    "ifOutOctets": "commune_interface_transmit_bytes_total",
    "ifInErrors": "commune_interface_receive_errors_total",
    "ifOutErrors": "commune_interface_transmit_errors_total",
    "ifInUcastPkts": "commune_interface_receive_packets_total",
    "ifOutUcastPkts": "commune_interface_transmit_packets_total",
}


def _processors(document: dict[str, Any], pool: Pool) -> Score:
    score = Score()
    for row in rows(document, "processors", "processors"):
        score.expected += 1
        if not pool.take("commune_device_cpu_utilization_ratio", row["processor_usage"] / 100, 0.03):
            score.missing.append(f"{row['processor_descr']} {row['processor_usage']} {row['processor_oid']}")
    return score


def _bytes(table: list[dict[str, Any]], pool: Pool, prefix: str, ours: str) -> Score:
    score = Score()
    for row in table:
        size = row.get(f"{prefix}_total", row.get(f"{prefix}_size"))
        used = row.get(f"{prefix}_used")
        if size is None or used is None:
            continue
        score.expected += 1
        if size == 100:
            found = pool.take("commune_device_memory_utilization_ratio", used / 100)
        else:
            found = pool.take(f"commune_device_{ours}_size_bytes", size, 0.001)
            found = found and pool.take(f"commune_device_{ours}_used_bytes", used, 0.01)
        if not found:
            score.missing.append(f"{row[prefix + '_descr']} {used}/{size}")
    return score


def _sensors(document: dict[str, Any], pool: Pool) -> Score:
    score = Score()
    states = len(pool.values.get("commune_device_sensor_state", [])) + len(pool.values.get("commune_printer_state", []))
    for row in rows(document, "sensors", "sensors"):
        kind, current = row["sensor_class"], row["sensor_current"]
        if kind == "state":
            score.expected += 1
            states -= 1
            if states < 0:
                score.missing.append(f"state {row['sensor_descr']} = {current} {row['sensor_oid']} {row['sensor_type']}")
            continue
        if kind not in SENSORS or current is None:
            continue
        score.expected += 1
        metric, factor = SENSORS[kind]
        if not pool.take(metric, current * factor):
            score.missing.append(f"{kind} {row['sensor_descr']} = {current} {row['sensor_oid']}")
    return score


def _wireless(document: dict[str, Any], pool: Pool) -> Score:
    score = Score()
    for row in rows(document, "wireless", "wireless_sensors"):
        if row["sensor_class"] not in WIRELESS or row["sensor_current"] is None:
            continue
        score.expected += 1
        metric, factor = WIRELESS[row["sensor_class"]]
        if not pool.take(metric, row["sensor_current"] * factor):
            score.missing.append(f"{row['sensor_class']} {row['sensor_descr']} = {row['sensor_current']} {row['sensor_oids']}")
    return score


def _supplies(document: dict[str, Any], pool: Pool) -> Score:
    score = Score()
    for row in rows(document, "printer-supplies", "printer_supplies"):
        score.expected += 1
        # The other program writes 50 for "some left": there we have a state, and no ratio.
        found = pool.take("commune_printer_supply_ratio", row["supply_current"] / 100, 0.03)
        if (not found and not any(name == "commune_printer_supply_state" for name, _ in pool.labels)) or (
            not found and row["supply_current"] not in {50, 0} and f"{row['supply_current']}" != "-2"
        ):
            score.missing.append(f"{row['supply_descr']} {row['supply_current']} {row['supply_oid']}")
    return score


def document(name: str, folder: Path) -> dict[str, Any]:
    """The expectations for a recording."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found
