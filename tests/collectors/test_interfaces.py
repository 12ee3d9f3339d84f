"""Interfaces: golden files, and this machine against its own kernel."""

from __future__ import annotations

from pathlib import Path

from collectors import interfaces
from collectors.families import INTERFACE_UP, RECEIVE_BYTES
from collectors.interfaces import InterfacesSettings
from collectors.machine import Machine
from collectors.model import Reading, Reason
from collectors.probe.surroundings import look
from collectors.site import Context, Site
from tests.collectors import captured, golden


async def collect(machine: Machine) -> Reading:
    (collector,) = interfaces.build(InterfacesSettings(), Context(machine, Site(), look(machine), ()))
    return await collector.collect()


async def test_golden(tmp_path: Path) -> None:
    golden.check("interfaces", [await collect(captured.machine(tmp_path, captured.TWO_UPLINKS))])


async def test_laptop_without_its_containers(tmp_path: Path) -> None:
    reading = await collect(captured.machine(tmp_path, captured.LAPTOP))
    names = {observation.labels[1] for observation in reading.observations}
    assert names == {"enp2s0", "wlp3s0"}


async def test_an_interface_that_vanished_is_withdrawn(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path, captured.TWO_UPLINKS)
    (collector,) = interfaces.build(InterfacesSettings(), Context(machine, Site(), look(machine), ()))
    (tmp_path / "proc/net/dev").write_text(captured.DEV_HEAD)
    for file in ("operstate", "carrier"):
        (tmp_path / "sys/class/net/eno1" / file).unlink()
    reading = await collector.collect()
    assert not any(observation.metric is RECEIVE_BYTES for observation in reading.observations)
    assert {observation.labels[1] for observation in reading.observations if observation.metric is INTERFACE_UP} == {
        "enp5s0",
        "ppp0",
    }


async def test_no_interface_is_not_a_failure(tmp_path: Path) -> None:
    reading = await collect(captured.machine(tmp_path))
    assert reading.reason is Reason.NOT_SUPPORTED
    assert not reading.observations


def test_identity_follows_the_interfaces(tmp_path: Path) -> None:
    def identity(files: dict[str, str | bytes], folder: str) -> object:
        machine = captured.machine(tmp_path / folder, files)
        (collector,) = interfaces.build(InterfacesSettings(), Context(machine, Site(), look(machine), ()))
        return collector.identity

    assert identity(captured.LAPTOP, "a") == identity(captured.LAPTOP, "b")
    assert identity(captured.LAPTOP, "c") != identity(captured.CONTAINER, "d")
