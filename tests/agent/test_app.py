"""The whole agent in one process: the flow to a durable sink, reload by signal, surroundings that change."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent import app, config, plan
from agent.app import Agent
from agent.exposition import samples
from agent.state import Update
from collectors import KINDS, Kind
from collectors.machine import Machine
from collectors.site import Context, Coverage, Route, Surroundings
from tests.agent.collectors_for_tests import METRICS, Testing
from tests.agent.running import QUIET, free_port


class JsonLines:
    """A durable sink: what it has taken is on disk before the next reading comes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def take(self, update: Update) -> None:
        rows = [
            [name, list(labels), value]
            for series in update.present
            for name, labels, value in samples(series.metric, series.labels, series.value)
        ]
        line = {
            "taken": update.reading.taken,
            "samples": rows,
            "stale": [[series.metric.name, list(series.labels)] for series in update.vanished],
            "urgent": update.urgent,
        }
        self._file.write(json.dumps(line) + "\n")
        os.fdatasync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextlib.asynccontextmanager
async def running(folder: Path, *collectors: Testing, sink: JsonLines | None = None) -> AsyncIterator[Agent]:
    file = folder / "agent.yaml"
    if not file.exists():
        file.write_text(f"listen: 127.0.0.1:{free_port()}\nstate_dir: state\n{QUIET}")
    agent = Agent(file, config.load(file), Machine(), (sink,) if sink else ())
    task = asyncio.get_running_loop().create_task(agent.run())
    while not agent.ready:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    try:
        yield agent
    finally:
        agent.stopping.set()
        await task


@pytest.fixture
def kinds(monkeypatch: pytest.MonkeyPatch) -> list[Testing]:
    """Instances of kind `testing`, as the list is when the plan is made; and nothing else that measures."""
    instances: list[Testing] = []
    monkeypatch.setattr(plan, "KINDS", [Kind("ping", None, None, METRICS, lambda *_: list(instances))])
    monkeypatch.setattr("agent.scheduler.Scheduler.phase", lambda *_: 0.0)
    return instances


async def test_the_sink_has_what_the_page_shows_and_is_told_of_every_end(tmp_path: Path, kinds: list[Testing]) -> None:
    sink, path = JsonLines(tmp_path / "sink.jsonl"), tmp_path / "sink.jsonl"
    kinds.append(Testing("a", interval=0.2))
    with contextlib.closing(sink):
        async with running(tmp_path, sink=sink) as agent:
            await asyncio.sleep(0.3)
            page = {(series.metric.name, *series.labels): series.value for series in agent.state.series()}
            last = [row for row in lines(path) if any("testing" in sample[0] for sample in row["samples"])][-1]
            assert {(name, *labels): value for name, labels, value in last["samples"]}.items() <= page.items()
            kinds.clear()
            await agent._replan()
            assert sorted(lines(path)[-1]["stale"]) == [
                ["commune_testing_seconds_total", ["a"]],
                ["commune_testing_value", ["a"]],
            ]
    own = [
        row for row in lines(path) if any(sample[0] == "commune_agent_heartbeat_timestamp_seconds" for sample in row["samples"])
    ]
    assert own[0]["urgent"]


async def test_values_of_an_instance_that_fell_silent_expire(tmp_path: Path, kinds: list[Testing]) -> None:
    sink, path = JsonLines(tmp_path / "sink.jsonl"), tmp_path / "sink.jsonl"
    silent = Testing("a", interval=0.2)
    kinds.append(silent)
    with contextlib.closing(sink):
        async with running(tmp_path, sink=sink) as agent:
            await asyncio.sleep(0.1)
            agent.scheduler._drivers[("testing", "a")].task.cancel()  # type: ignore[union-attr]
            await asyncio.sleep(1.6)
            assert [series for series in agent.state.series() if series.metric in METRICS] == []
        assert ["commune_testing_value", ["a"]] in [series for row in lines(path) for series in row["stale"]]


async def test_persisted_counters_survive_a_restart(
    tmp_path: Path, kinds: list[Testing], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "SAVE_INTERVAL", 0.1)
    kinds.append(Testing("a", interval=0.1))
    async with running(tmp_path) as agent:
        await asyncio.sleep(1.5)
        (first,) = [series.value for series in agent.state.series() if series.metric is METRICS[1]]
    kinds[:] = [Testing("a", interval=0.1)]
    async with running(tmp_path) as agent:
        await asyncio.sleep(0.3)
        (second,) = [series.value for series in agent.state.series() if series.metric is METRICS[1]]
    assert isinstance(first, float)
    assert isinstance(second, float)
    assert second >= first > 5


async def test_hangup_reloads_and_a_bad_file_changes_nothing(
    tmp_path: Path, kinds: list[Testing], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    kinds.append(Testing("a"))
    async with running(tmp_path) as agent:
        file = tmp_path / "agent.yaml"
        good = file.read_text()
        file.write_text("hosts: {}\n" + good)
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.2)
        assert ("testing", "a") in agent.scheduler.runs
        (refused,) = [record for record in caplog.records if record.message == "configuration not taken"]
        assert vars(refused)["error"] == f"{file}:1: hosts: unknown key; did you mean host?"
        file.write_text(good.replace("state_dir: state", "state_dir: other") + "site: {name: new}\n")
        kinds.append(Testing("b"))
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.2)
        assert agent.settings.core.site.name == "new"
        assert ("testing", "b") in agent.scheduler.runs
        (later,) = [record for record in caplog.records if record.message == "takes effect after a restart"]
        assert vars(later)["keys"] == "state_dir"


def test_the_limits_of_mobile_coverage_reach_devices_that_are_read_over_snmp(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("mobile: {weak_dbm: -100}\nsnmp: {devices: [{name: lte-1, address: 127.0.0.1}]}\n")
    agent = Agent(file, config.load(file), Machine(), ())
    (device,) = [one for one in agent.collectors() if one.kind == "snmp"]
    assert repr(Coverage(weak_dbm=-100.0)) in repr(device.identity)


async def test_reloads_at_the_same_time_do_not_mix(tmp_path: Path, kinds: list[Testing]) -> None:
    kinds += [Testing(str(number)) for number in range(5)]
    async with running(tmp_path) as agent:
        kinds[:] = [Testing(str(number), identity="new") for number in range(5)]
        await asyncio.gather(*(agent.reload() for _ in range(10)))
        assert len([key for key in agent.scheduler.runs if key[0] == "testing"]) == 5
        tasks = [task for task in asyncio.all_tasks() if task.get_name().startswith("collect/testing")]
        assert len(tasks) == 5


async def test_surroundings_are_followed(tmp_path: Path, kinds: list[Testing], monkeypatch: pytest.MonkeyPatch) -> None:
    around = [Surroundings()]
    monkeypatch.setattr(app, "LOOK_INTERVAL", 0.05)
    monkeypatch.setattr(app, "look", lambda _: around[0])
    seen: list[list[str]] = []

    def build(_: object, context: Context) -> list[Testing]:
        seen.append([uplink.name for uplink in context.uplinks])
        return []

    monkeypatch.setattr(plan, "KINDS", [Kind("ping", None, None, METRICS, build)])
    async with running(tmp_path):
        around[0] = Surroundings(routes=(Route(4, "eth0", "192.168.1.1", 100),))
        await asyncio.sleep(0.3)
    assert seen == [[], ["eth0"]]


async def test_a_second_agent_leaves_the_state_directory_alone(
    tmp_path: Path, kinds: list[Testing], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        (other / "agent.yaml").write_text(f"listen: 127.0.0.1:{free_port()}\nstate_dir: ../state\n{QUIET}")
        async with running(other) as second:
            assert second.directory is None
        assert (tmp_path / "state/agent.sock").exists()
    assert any("another agent holds it" in str(vars(record).get("error")) for record in caplog.records)


def test_the_table_of_kinds_is_whole() -> None:
    assert all(kind.metrics for kind in KINDS)
