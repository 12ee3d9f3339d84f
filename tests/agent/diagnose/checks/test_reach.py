"""Layer 4: who answers for an address that nobody has; lines that carry or not, and whole login pages, are in tests/e2e."""

import asyncio
import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.diagnose.checks import reach
from collectors.probe.http import HttpResult, Request, fetch
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
    port = server.sockets[0].getsockname()[1]

    async def fetched(request: Request, **keywords: Any) -> HttpResult:
        return await fetch(replace(request, url=f"http://127.0.0.1:{port}/"), **keywords)

    monkeypatch.setattr(reach, "fetch", fetched)
    monkeypatch.setattr(reach, "NOBODY", "127.0.0.1")  # where port 443 is refused: a whole machine
    found = await reach._stranger(site, replace(uplink, interface=None))
    assert found == (reach.Stranger(status, whole=True) if stranger else None)
    server.close()
