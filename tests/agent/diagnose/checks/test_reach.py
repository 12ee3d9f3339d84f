"""Layer 4: who answers for an address that nobody has; lines that carry or not, and whole login pages, are in tests/e2e."""

import asyncio
import ipaddress
from pathlib import Path

import pytest

from agent.diagnose.checks import reach
from tests.agent.diagnose.grounds import ground


def test_nobody_lives_at_the_address_of_nobody() -> None:
    assert not ipaddress.ip_address(reach.NOBODY).is_global


@pytest.mark.parametrize(
    ("status", "stranger"), [(200, True), (302, True), (511, True), (403, False), (503, False), (504, False)]
)
async def test_a_login_page_answers_for_everybody_and_a_proxy_says_that_it_reached_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, *, stranger: bool
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} X\r\nLocation: http://login.invalid/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    site = ground(tmp_path)
    uplink = site.context.uplinks[0]
    monkeypatch.setattr(reach, "NOBODY", f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert await reach._stranger(site, type(uplink)(uplink.settings, None, None)) == (status if stranger else None)
    server.close()
