"""The rules of profiles, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp.convert import compute, fill, index_part, number, states, text
from collectors.snmp.profile import Value


def of(**rules: object) -> Value:
    return Value(metric="commune_device_temperature_celsius", of=("a",), **rules)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "row", "expected"),
    [
        (of(scale=0.1), {"a": 234}, 23.4),
        (of(scale=-0.01, offset=1.0), {"a": 30}, 0.7),
        (of(minus="b"), {"a": 10, "b": 4}, 6.0),
        (of(minus="b"), {"a": 10}, None),
        (of(less=("b", "c")), {"a": 10, "b": 4}, 6.0),
        (of(plus=("b",)), {"a": 10, "b": 4}, 14.0),
        (of(times="b"), {"a": 10, "b": 4096}, 40960.0),
        (of(times="b", unsigned=True), {"a": 1, "b": -1}, 4294967295.0),
        (of(times="b", pattern="[0-9.]+"), {"a": b"50 PERCENT", "b": b"512 MB"}, 25600.0),
        (of(per="b"), {"a": 1, "b": 4}, 0.25),
        (of(per="b"), {"a": 1, "b": 0}, None),
        (of(unknown=(-3.0,)), {"a": -3}, None),
        (of(map={"1": 1.0, "4": None, "*": 0.0}), {"a": 4}, None),
        (of(map={"1": 1.0, "*": 0.0}), {"a": 2}, 0.0),
        (of(decimals="p", factors={"s": {"8": 0.001, "*": 1.0}}), {"a": 32150, "p": 1, "s": 8}, 3.215),
        (of(pattern=r"\( *([0-9.]+)%"), {"a": b"5 Secs ( 31.1134%)"}, 31.1134),
        (of(unsigned=True), {"a": -1}, 4294967295.0),
        (of(least=0.0, most=1.0), {"a": 2}, None),
        (of(), {"a": b"not a number"}, None),
    ],
)
def test_rules(value: Value, row: dict[str, int | bytes], expected: float | None) -> None:
    assert compute(value, {}, row.get) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [(-3, ["some"]), (-2, ["unknown"]), (0, ["empty"]), (5, ["low"]), (60, ["ok"])],
)
def test_a_supply_is_in_one_state(raw: int, expected: list[str]) -> None:
    supply = of(per="b", states={"-3": "some", "-2": "unknown", "0": "empty"}, levels={"low": 0.1, "ok": 1e9})
    assert list(states(supply, {}, {"a": raw, "b": 100}.get)) == expected


@pytest.mark.parametrize(
    ("told", "expected"), [(b"No Demand", ["no_demand"]), (b"ON", ["on"]), (b"Smoke/Fire", ["smoke_fire"]), (b" ", [""])]
)
def test_a_device_that_tells_its_state_in_a_word_is_taken_at_it(told: bytes, expected: list[str]) -> None:
    assert list(states(of(states={"*": "{}"}), {}, {"a": told}.get)) == expected


def test_bits_are_counted_from_the_first_octet() -> None:
    printer = of(bits={"0": "low_paper", "5": "jammed", "8": "tray_missing", "none": "ok"})
    assert list(states(printer, {}, {"a": b"\x84\x80"}.get)) == ["low_paper", "jammed", "tray_missing"]
    assert list(states(printer, {}, {"a": b"\x00"}.get)) == ["ok"]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{name}", "eth0"),
        ("{index.-1} of {index.1}", "3 of 1"),
        ("{index.1:2}", "1.2"),
        ("{name|^eth(.)}", "0"),
        ("{missing}", None),
    ],
)
def test_templates(template: str, expected: str | None) -> None:
    assert fill((template,), "1.2.3", {"name": b"eth0"}.get) == expected


def test_index_as_text_and_address() -> None:
    assert index_part("4.101.116.104.48", "text") == "eth0"
    assert index_part("36.222.198.195.80.164", "mac") == "24:de:c6:c3:50:a4"


@given(st.binary(max_size=64))
def test_any_octets_become_a_label(raw: bytes) -> None:
    found = text(raw)
    assert found == found.strip()
    assert all(char.isprintable() for char in found)
    number(raw)
