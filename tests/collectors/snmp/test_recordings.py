"""Recordings of real devices, polled: recognised, complete, and with the values that others read from them.

All that lie beside the repository, and every one of snmpsim-data whose file is below 200 KB.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from agent import exposition
from agent.state import State
from collectors.families import DEVICE_UP
from collectors.model import Reading
from tests.collectors.snmp import report
from tests.collectors.snmp.expectations import EXPECTED
from tests.collectors.snmp.recordings import shared


@pytest.fixture(scope="module")
def readings(recordings: Path, simulator: int) -> dict[str, Reading]:
    """What polling gave, by recording."""
    names = [path.stem for path in sorted(recordings.glob("*.snmprec"))]
    return asyncio.run(report.poll(names, simulator))


def test_every_device_is_polled_without_error(readings: dict[str, Reading]) -> None:
    troubled = {name: (reading.reason, reading.detail) for name, reading in readings.items() if reading.reason is not None}
    assert troubled == {}
    for name, reading in readings.items():
        assert (DEVICE_UP, (name,), 1.0) in {observation[:3] for observation in reading.observations}


def test_vendor_and_model_are_recognised(readings: dict[str, Reading]) -> None:
    found = {name: report.identity(reading) for name, reading in readings.items()}
    wrong = {
        name: (who["vendor"], who["model"]) for name, who in found.items() if (who["vendor"], who["model"]) != EXPECTED.get(name)
    }
    assert wrong == {}


def test_interfaces_are_those_of_the_recording(recordings: Path, readings: dict[str, Reading]) -> None:
    for name, reading in readings.items():
        lines = (recordings / f"{name}.snmprec").read_bytes().splitlines()
        recorded = sum(line.startswith(b"1.3.6.1.2.1.2.2.1.8.") for line in lines)
        ours = {observation.labels for observation in reading.observations if observation.metric.name == "commune_interface_up"}
        unknown = sum(line.startswith(b"1.3.6.1.2.1.2.2.1.8.") and line.endswith(b"|4") for line in lines)
        assert len(ours) == recorded - unknown, name


def test_no_device_says_a_series_twice(readings: dict[str, Reading]) -> None:
    for name, reading in readings.items():
        said = [(observation.metric.name, observation.labels) for observation in reading.observations]
        assert len(said) == len(set(said)), name


def test_values_are_those_that_were_expected(readings: dict[str, Reading]) -> None:
    if shared() is None:
        pytest.skip("no recordings beside the repository (shared/data/snmp)")
    for name, reading in readings.items():
        for kind, score in report.scores(name, reading).items():
            assert len(score.missing) <= report.DIFFERENCES.get((name, kind), (0, ""))[0], (name, kind, score.missing)


def test_the_page_of_devices_says_what_the_run_says(readings: dict[str, Reading]) -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    for name, reading in readings.items():
        assert report.row(name, reading) in page, f"run python -m tests.collectors.snmp.report: {report.row(name, reading)}"


def test_promtool_accepts_every_device(readings: dict[str, Reading]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    state = State()
    for reading in readings.values():
        state.apply(reading, 60.0)
    text = exposition.render(state.series())
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr.decode()


def test_some_left_is_a_state_and_no_ratio(recordings: Path, readings: dict[str, Reading]) -> None:
    seen = 0
    for name, reading in readings.items():
        text = (recordings / f"{name}.snmprec").read_bytes()
        some = text.count(b"|2|-3\n") if b"1.3.6.1.2.1.43.11.1.1.9." in text else 0
        states = [
            o.labels for o in reading.observations if o.metric.name == "commune_printer_supply_state" and o.labels[-1] == "some"
        ]
        ratios = {o.labels for o in reading.observations if o.metric.name == "commune_printer_supply_ratio"}
        assert len(states) <= some or not some
        assert not {labels[:2] for labels in states} & ratios, name
        seen += len(states)
    assert seen or shared() is None
