"""/proc/net/arp."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.neighbours import parse_arp

TABLE = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         AA:bb:cc:00:11:22     *        eth0
192.168.1.7      0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.9      0x1         0x6         02:00:00:00:00:09     *        eth0
nonsense
"""


def test_only_neighbours_that_answered() -> None:
    assert parse_arp(TABLE) == {"192.168.1.1": "aa:bb:cc:00:11:22", "192.168.1.9": "02:00:00:00:00:09"}


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    parse_arp("header\n" + text)
