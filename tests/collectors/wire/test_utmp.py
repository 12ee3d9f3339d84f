"""wtmp records of both sizes, and any octets at all."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.utmp import SIZES, Event, last_ended_orderly, parse_events


def record(kind: int, user: str, size: int = 384) -> bytes:
    """A record of utmp(5): type, pid, line[32], id[4], user[32], the rest zero."""
    return struct.pack("<hxxi32s4s32s", kind, 1, b"~", b"~~", user.encode()).ljust(size, b"\0")


BOOT, SHUTDOWN, LOGIN = (2, "reboot"), (1, "shutdown"), (7, "lan")


@pytest.mark.parametrize("size", SIZES)
def test_both_record_sizes(size: int) -> None:
    data = b"".join(record(kind, user, size) for kind, user in (BOOT, LOGIN, SHUTDOWN, BOOT, (1, "runlevel")))
    assert parse_events(data) == [Event.BOOT, Event.SHUTDOWN, Event.BOOT]


@pytest.mark.parametrize(
    ("records", "orderly"),
    [
        ((BOOT, SHUTDOWN, BOOT), True),
        ((BOOT, LOGIN, BOOT), False),
        ((BOOT, SHUTDOWN, BOOT, BOOT), False),
        ((BOOT, BOOT, SHUTDOWN, BOOT), True),
        ((BOOT,), None),
        ((SHUTDOWN, BOOT), None),
        ((), None),
    ],
)
def test_verdict_on_the_last_session(records: tuple[tuple[int, str], ...], orderly: bool | None) -> None:  # noqa: FBT001
    assert last_ended_orderly(parse_events(b"".join(record(*one) for one in records))) is orderly


@given(st.binary(max_size=2000))
def test_any_octets_give_events_and_never_an_error(data: bytes) -> None:
    assert len(parse_events(data)) <= len(data) // min(SIZES)
