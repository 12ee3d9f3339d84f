"""The outside of SNMP messages, with whatever a network may send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.snmp import authoritative_engine, element


def wrap(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def message(engine: bytes, version: int = 3) -> bytes:
    security = wrap(0x30, wrap(4, engine) + wrap(2, b"\x01"))
    return wrap(0x30, wrap(2, bytes([version])) + wrap(0x30, wrap(2, b"\x05")) + wrap(4, security) + wrap(4, b"sealed"))


@given(st.binary(min_size=5, max_size=32))
def test_engine_of_a_version_3_message(engine: bytes) -> None:
    assert authoritative_engine(message(engine)) == engine


@pytest.mark.parametrize("version", [0, 1])
def test_other_versions_have_none(version: int) -> None:
    assert authoritative_engine(message(b"\x80\x00\x00\x00\x01", version)) is None


@given(st.binary(max_size=64), st.integers(0, 60))
def test_anything_else_is_no_engine_and_no_exception(noise: bytes, cut: int) -> None:
    whole = message(b"\x80\x00\x1f\x88\x01\x02")
    for data in (noise, whole[:cut], whole[:cut] + noise):
        found = authoritative_engine(data)
        assert found is None or 5 <= len(found) <= 32


@pytest.mark.parametrize("data", [b"", b"\x30", b"\x30\x80", b"\x30\x85\x01\x01\x01\x01\x01", b"\x04\x05abc"])
def test_what_is_not_whole_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"element|length|octets"):
        element(data)


@given(st.integers(0, 255), st.binary(max_size=300), st.binary(max_size=20))
def test_element_round_trip(tag: int, content: bytes, rest: bytes) -> None:
    assert element(wrap(tag, content) + rest) == (tag, content, rest)
