"""Trust, and the first date of a chain at which something in it expires."""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path

import pytest
import trustme

from collectors.probe import tls
from tests.collectors.probe.webserver import day, serving


async def presented(leaf: trustme.LeafCert) -> float | None:
    async with serving({}, certificate=leaf) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=tls.trusting(), server_hostname="portal.example")
        try:
            return tls.expiry(writer.get_extra_info("ssl_object"))
        finally:
            writer.transport.abort()
            await asyncio.sleep(0)


async def test_expiry_of_a_leaf() -> None:
    leaf = trustme.CA().issue_cert("portal.example", not_before=day(2020), not_after=day(2021))
    assert await presented(leaf) == day(2021).timestamp()


async def test_an_intermediate_that_expires_first_counts() -> None:
    root = trustme.CA()
    child = root.create_child_ca()
    leaf = child.issue_cert("portal.example", not_before=day(2020), not_after=day(9000))
    assert len(leaf.cert_chain_pems) > 1
    assert await presented(leaf) == day(3000).timestamp()  # trustme's authorities expire in the year 3000


async def test_a_context_is_kept_until_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    first = tls.verifying(str(file))
    assert tls.verifying(str(file)) is first
    trustme.CA().cert_pem.write_to_path(str(file))
    os.utime(file, (1, 1))
    assert tls.verifying(str(file)) is not first
    assert first.verify_mode is ssl.CERT_REQUIRED
    assert first.check_hostname


async def test_a_file_that_is_not_there_is_told_where_it_is_needed(tmp_path: Path) -> None:
    await tls.load(str(tmp_path / "missing.pem"))
    with pytest.raises(FileNotFoundError):
        tls.verifying(str(tmp_path / "missing.pem"))
