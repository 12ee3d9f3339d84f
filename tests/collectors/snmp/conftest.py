"""One snmpsim for the whole session, and a poller."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors.machine import Machine
from collectors.model import Reading
from collectors.probe.snmp import SnmpSessions, backends
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import SnmpDeviceCollector
from tests.collectors.snmp.recordings import copy_shared, unpack_packaged
from tests.collectors.snmp.simulator import simulated

Poll = Callable[..., Awaitable[Reading]]


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every recording."""
    folder = tmp_path_factory.mktemp("recordings")
    unpack_packaged(folder)
    copy_shared(folder)
    return folder


@pytest.fixture(scope="session")
def simulator(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """snmpsim on a port of loopback; the community is the recording's name."""
    with simulated(recordings, tmp_path_factory.mktemp("snmpsim")) as port:
        yield port


@pytest.fixture(params=backends())
def backend(request: pytest.FixtureRequest) -> str:
    """Each backend that can be used here."""
    name: str = request.param
    return name


@pytest.fixture
def poll(simulator: int) -> Poll:
    """Poll a recording once, as the agent does."""

    async def run(name: str, version: Any = 2, backend: str = "") -> Reading:
        sessions = SnmpSessions(backend)
        peer = Peer("127.0.0.1", simulator, Credentials(version, name), timeout=5)
        device = SnmpDeviceCollector(name, peer, sessions, Machine(), interval=60)
        try:
            return await device.collect()
        finally:
            await sessions.close()

    return run
