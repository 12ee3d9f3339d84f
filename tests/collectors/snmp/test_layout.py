"""Labels that tell values apart, from row to row and from table to table."""

from __future__ import annotations

from collectors.probe.snmp_client import Value as Raw
from collectors.snmp.layout import Cell, build
from collectors.snmp.profile import Table, Value

VOLTAGE = "commune_device_voltage_volts"


def table(name: str = "lines", *, fills: bool = False) -> Table:
    return Table(
        name=name,
        columns={"name": "1.3.6.1.4.1.1.1", "volts": "1.3.6.1.4.1.1.2"},
        index="volts",
        fills=fills,
        labels={"sensor": ("{name}",)},
        values=(Value(metric=VOLTAGE, of=("volts",)),),
    )


def sensors(cells: list[Cell]) -> list[str]:
    return [cell.labels[1] for cell in cells]


ROWS: dict[str, dict[str, Raw]] = {"1": {"name": b"Input", "volts": 230}, "2": {"name": b"Input", "volts": 231}}


def test_rows_that_a_device_names_alike_get_their_index() -> None:
    assert sensors(build(table(), ROWS, "ups")) == ["Input", "Input #2"]


def test_a_later_table_does_not_say_the_same_series_again() -> None:
    given = {cell.key for cell in build(table(), ROWS, "ups")}
    assert sensors(build(table("other"), ROWS, "ups", given=given)) == ["Input #1", "Input #2 #other"]


def test_a_standard_table_fills_only_what_the_vendor_left_out() -> None:
    given = {cell.key for cell in build(table(), {"1": ROWS["1"]}, "ups")}
    rows: dict[str, dict[str, Raw]] = {"1": ROWS["1"], "3": {"name": b"Bypass", "volts": 229}}
    assert sensors(build(table("standard", fills=True), rows, "ups", given=given)) == ["Bypass"]
