"""A device polled through snmpsim, by every version and both backends."""

from __future__ import annotations

import pytest

from collectors.model import Reading
from tests.collectors.snmp.conftest import Poll

DEVICE = "network_wifi_ubiquiti-m5"


def values(reading: Reading, name: str) -> dict[tuple[str, ...], float]:
    return {
        observation.labels[1:]: observation.value
        for observation in reading.observations
        if observation.metric.name == name and not isinstance(observation.value, tuple)
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*")
@pytest.mark.parametrize("version", [1, 2])
async def test_both_backends_and_versions_read_the_same(poll: Poll, backend: str, version: int) -> None:
    reading = await poll(DEVICE, version=version, backend=backend)
    assert reading.reason is None, reading.detail
    assert values(reading, "commune_device_up") == {(): 1.0}
    reference = await poll(DEVICE, version=version)
    untimed = {o for o in reference.observations if "boot" not in o.metric.name}
    assert {o for o in reading.observations if "boot" not in o.metric.name} == untimed
    assert len(values(reading, "commune_interface_receive_bytes_total")) == 9
