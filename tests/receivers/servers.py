"""The real receivers: Debian's Prometheus and VictoriaMetrics, started for a test and asked by query."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/api/v1/write"

    def get(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.base}{path}?{query}", timeout=60) as answer:
            return json.load(answer)

    def query(self, expression: str, at: float) -> list[tuple[dict[str, str], Any]]:
        """Series and value of an instant query, or series and samples of a range selector."""
        data = self.get("/api/v1/query", query=expression, time=f"{at:.3f}")["data"]["result"]
        return [(row["metric"], row.get("value") or row["values"]) for row in data]


@asynccontextmanager
async def prometheus(*, out_of_order: str | None = "30d", port: int = 0) -> AsyncIterator[Server]:
    """Prometheus with the remote-write receiver; with the province's out-of-order window, or without one (None)."""
    folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
    window = f"storage: {{tsdb: {{out_of_order_time_window: {out_of_order}}}}}\n" if out_of_order else ""
    (folder / "prometheus.yml").write_text("global: {}\n" + window)
    port = port or free_port()
    arguments = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--storage.tsdb.retention.time=90d",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--query.lookback-delta=5m",
        "--query.max-samples=100000000",
        "--log.level=error",
    ]
    async with _running(arguments, port, folder, "/-/ready") as server:
        yield server


@asynccontextmanager
async def victoria_metrics() -> AsyncIterator[Server]:
    """VictoriaMetrics that drops exact duplicates, as the province's is rendered (a resent request must not count twice)."""
    folder = Path(tempfile.mkdtemp(prefix="victoria-"))
    port = free_port()
    arguments = [
        "victoria-metrics",
        f"-storageDataPath={folder}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=1y",
        "-dedup.minScrapeInterval=1ms",
        "-search.latencyOffset=0s",
        "-search.disableCache",
        "-search.maxPointsPerTimeseries=1000000",
        "-search.maxSamplesPerQuery=1000000000",
        "-loggerLevel=ERROR",
    ]
    async with _running(arguments, port, folder, "/health") as server:
        yield server


@asynccontextmanager
async def _running(arguments: list[str], port: int, folder: Path, ready: str) -> AsyncIterator[Server]:
    log = (folder / "log").open("wb")
    process = subprocess.Popen(arguments, stdout=log, stderr=log, env={**os.environ, "GOMAXPROCS": "1"})  # noqa: ASYNC220
    server = Server(port, process)
    try:
        for _ in range(300):
            if process.poll() is not None:
                message = f"{arguments[0]} ended: {(folder / 'log').read_text()[-1000:]}"
                raise RuntimeError(message)
            try:
                with urllib.request.urlopen(f"{server.base}{ready}", timeout=1):  # noqa: ASYNC210
                    break
            except OSError:
                await asyncio.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
