"""resolv.conf: what counts as a name server."""

import ipaddress

from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.resolv import parse_nameservers


def test_name_servers_in_order_each_once() -> None:
    text = """# made by hand
search commune.example
nameserver 192.168.1.1
nameserver fe80::1%eth0   # scoped
nameserver 192.168.1.1
nameserver not-an-address
nameserver
options edns0
"""
    assert parse_nameservers(text) == ["192.168.1.1", "fe80::1%eth0"]


@given(st.one_of(st.text(max_size=200), st.lists(st.text(max_size=30).map(lambda word: f"nameserver {word}")).map("\n".join)))
def test_any_text_gives_addresses(text: str) -> None:
    assert all(ipaddress.ip_address(server) for server in parse_nameservers(text))
