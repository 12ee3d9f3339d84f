"""Names to addresses: literals, failures and a resolver that hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from collectors.probe.names import is_address, resolve


def test_what_is_an_address() -> None:
    assert all(map(is_address, ("192.0.2.1", "2001:db8::1", "fe80::1%eth0")))
    assert not any(map(is_address, ("localhost", "", "192.0.2", "192.0.2.1:80", "a" * 300)))


async def test_addresses_are_themselves_and_localhost_is_in_a_file() -> None:
    assert await resolve("fe80::1%eth0") == ["fe80::1%eth0"]
    assert await resolve("localhost", 4) == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["no.such.name.invalid", "a" * 64 + ".test", "..", "ă" * 70])
async def test_no_such_name(name: str) -> None:
    with pytest.raises(socket.gaierror):
        await resolve(name)


@pytest.mark.timing
async def test_a_hanging_resolver_is_left_alone_with_its_one_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    hang = threading.Event()

    def getaddrinfo(host: str, *_: object) -> list[object]:
        calls.append(host)
        hang.wait(20)
        return [(2, 2, 0, "", ("192.0.2.1", 0)), (2, 2, 0, "", ("192.0.2.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    begin = time.monotonic()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await resolve("hangs.test", deadline=0.05)
    assert time.monotonic() - begin < 2
    waiting = asyncio.gather(resolve("hangs.test"), resolve("hangs.test"))
    await asyncio.sleep(0)
    hang.set()
    assert list(await waiting) == [["192.0.2.1"], ["192.0.2.1"]]
    assert calls == ["hangs.test"]
