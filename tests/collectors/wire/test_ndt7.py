"""ndt7: addresses of its tests, its measurement messages, and how messages grow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import ndt7
from collectors.wire.ndt7 import FIRST_MESSAGE, LARGEST_MESSAGE, Measurement, format_measurement, next_size, parse_measurement


@pytest.mark.parametrize(
    ("given_url", "expected"),
    [
        ("wss://ndt.example", "wss://ndt.example/ndt/v7/download?client_name=commune-agent"),
        ("ndt.example", "wss://ndt.example/ndt/v7/download?client_name=commune-agent"),
        ("https://ndt.example:4443/", "wss://ndt.example:4443/ndt/v7/download?client_name=commune-agent"),
        (
            "ws://10.0.0.1:8080/speed/ndt/v7/upload?key=v",
            "ws://10.0.0.1:8080/speed/ndt/v7/download?client_name=commune-agent&key=v",
        ),
        ("wss://ndt.example?client_name=lam-dong&empty=&a=1&a=2", "wss://ndt.example/ndt/v7/download?client_name=lam-dong&a=2"),
    ],
)
def test_addresses(given_url: str, expected: str) -> None:
    assert ndt7.test_url(given_url, "download") == expected


def test_a_servers_measurement() -> None:
    text = json.dumps(
        {
            "AppInfo": {"ElapsedTime": 1234567, "NumBytes": 5000},
            "ConnectionInfo": {"UUID": "x"},
            "Origin": "server",
            "Test": "upload",
            "TCPInfo": {"BytesReceived": 5100, "MinRTT": 2500, "ElapsedTime": 1234000, "State": 1, "Name": "text"},
        }
    )
    assert parse_measurement(text) == Measurement(
        "server", 5000, 1.234567, {"BytesReceived": 5100.0, "MinRTT": 2500.0, "ElapsedTime": 1234000.0, "State": 1.0}
    )


def test_what_we_say_can_be_read() -> None:
    assert parse_measurement(format_measurement(77, 0.25, "download")) == Measurement("client", 77, 0.25)


@pytest.mark.parametrize("text", ["", "hello", "[1]", "7", '"x"', "[" * 100_000])
def test_other_messages_are_ignored(text: str) -> None:
    assert parse_measurement(text) is None


@given(
    st.dictionaries(
        st.sampled_from(["AppInfo", "TCPInfo", "Origin"]),
        st.dictionaries(st.text(max_size=3), st.floats() | st.text(max_size=3)) | st.text() | st.none(),
    )
)
def test_anything(value: object) -> None:
    assert parse_measurement(json.dumps(value)) is not None


def test_messages_grow_with_what_was_sent() -> None:
    size, sent = FIRST_MESSAGE, 0
    for _ in range(200):
        sent += size
        size = next_size(size, sent)
    assert 1 << 17 < size <= min(LARGEST_MESSAGE, 1 << 20)
    assert next_size(FIRST_MESSAGE, 0) == FIRST_MESSAGE
