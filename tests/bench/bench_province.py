"""How long a province takes: rendering, rules and the overview's queries; run by `make bench`."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from agent.province.crosscheck import load
from agent.province.render import render
from tests.agent.province import fleet, remote, simulation
from tests.dashboards.test_boards import BOARDS, expand, panels


def rendering(tmp_path: Path) -> None:
    source = tmp_path / "province.yaml"
    source.write_text(fleet.as_yaml(fleet.province(124)), encoding="utf-8")
    begin = time.perf_counter()
    render(load(source), tmp_path, tmp_path / "tree")
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    assert render(load(source), tmp_path, tmp_path / "tree").changed == 0
    print(f"\nrender: {first:.2f} s at first, {time.perf_counter() - begin:.2f} s again")


def rules_and_queries(tmp_path: Path) -> None:
    inventory = fleet.province(124)
    (tmp_path / "province.yaml").write_text(fleet.as_yaml(inventory), encoding="utf-8")
    render(load(tmp_path / "province.yaml"), tmp_path, tmp_path / "tree")
    with remote.prometheus(tmp_path / "tree", tmp_path) as url:
        for batch in simulation.push_batches(inventory, time.time(), 1200, 60):
            remote.push(url, batch)
        for _ in range(8):
            time.sleep(15)
            for batch in simulation.push_batches(inventory, time.time(), 0, 60):
                remote.push(url, batch)
        groups = json.loads(remote.request(f"{url}/api/v1/rules"))["data"]["groups"]
        for group in groups:
            print(f"rules {group['name']}: {group['evaluationTime']:.3f} s every {group['interval']} s")
        for path in BOARDS:
            begin = time.perf_counter()
            board = json.loads(path.read_text(encoding="utf-8"))
            for panel in panels(board):
                for target in panel["targets"]:
                    remote.query(url, expand(target["expr"]), span=0 if target.get("instant") else 21600, step=30)
            print(f"queries of {path.stem}: {time.perf_counter() - begin:.3f} s")


if __name__ == "__main__":
    for part in (rendering, rules_and_queries):
        with tempfile.TemporaryDirectory() as folder:
            part(Path(folder))
