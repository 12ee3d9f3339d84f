"""NTP packets: what a server says, and everything that is none of it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire import ntp

COOKIE = 0x0123456789ABCDEF


def answer(
    received: float = 1_700_000_000.25, sent: float = 1_700_000_000.5, *, head: int = 0x24, stratum: int = 2, cookie: int = COOKIE
) -> bytes:
    def stamp(seconds: float) -> tuple[int, int]:
        whole = int(seconds)
        return (whole + ntp.UNIX_IN_NTP) % 2**32, int((seconds - whole) * 2**32)

    return struct.pack(
        ">BBbb3I2I2I2I2I", head, stratum, 6, -20, 0, 0, 0, 0, 0, cookie >> 32, cookie & 0xFFFFFFFF, *stamp(received), *stamp(sent)
    )


def test_a_request_gives_nothing_away_but_the_cookie() -> None:
    packet = ntp.request(COOKIE)
    assert len(packet) == 48
    assert packet[0] == 0x23
    assert packet[1:40] == bytes(39)
    assert int.from_bytes(packet[40:]) == COOKIE


def test_an_answer() -> None:
    assert ntp.parse(answer(), COOKIE) == ntp.Answer(1_700_000_000.25, 1_700_000_000.5, 2)


def test_the_second_era_begins_in_2036() -> None:
    assert ntp.parse(answer(2_200_000_000.0, 2_200_000_000.5), COOKIE).sent == 2_200_000_000.5


@pytest.mark.parametrize("never_set", [0.0, 1_514_764_800.0], ids=["1970", "2018"])
def test_a_router_whose_clock_was_never_set_is_not_believed(never_set: float) -> None:
    with pytest.raises(ntp.MalformedError, match="never set"):
        ntp.parse(answer(never_set + 0.25, never_set + 0.5), COOKIE)


@pytest.mark.parametrize("code", [b"DENY", b"RSTR", b"RATE", b"INIT", b"STEP", b"ACST", b"XXXX"])
def test_a_kiss_of_death_is_no_time_whatever_its_times_say(code: bytes) -> None:
    packet = bytearray(answer(stratum=0))
    packet[12:16] = code
    with pytest.raises(ntp.MalformedError, match="no time itself"):
        ntp.parse(bytes(packet), COOKIE)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_servers_of_every_version_are_understood(version: int) -> None:
    assert ntp.parse(answer(head=version << 3 | 4), COOKIE).stratum == 2


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        answer()[:47],
        answer(head=0x23),
        answer(head=0xE4),
        answer(head=0x04),
        answer(stratum=0),
        answer(stratum=16),
        answer(cookie=1),
        answer(sent=1_600_000_001.0),
        answer()[:40] + bytes(8),
    ],
    ids=[
        "empty",
        "short",
        "a client's",
        "unsynchronised",
        "version 0",
        "kiss of death",
        "stratum 16",
        "another's",
        "backwards",
        "no time",
    ],
)
def test_useless_answers(packet: bytes) -> None:
    with pytest.raises(ntp.MalformedError):
        ntp.parse(packet, COOKIE)


@given(st.binary(max_size=80), st.integers(0, 2**64 - 1))
def test_any_bytes_give_an_answer_or_a_malformed_error(packet: bytes, cookie: int) -> None:
    try:
        found = ntp.parse(packet, cookie)
    except ntp.MalformedError:
        return
    assert found.sent >= found.received
