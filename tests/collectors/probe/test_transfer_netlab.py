"""iperf3, HTTP and ndt7 over a line of a known rate, against iperf3's own figure in the same run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any, Literal

import pytest

from collectors.machine import Completed, Machine
from collectors.model import Reason
from collectors.probe import http_transfer, iperf3, ndt7
from collectors.probe.transfer import Limits, Transfer
from tests import netlab
from tests.inlab import ROOT, inside
from tests.netlab import Lab, Province, Site, services
from tests.netlab.services import require, start, tcp

REASON = netlab.available() or require("iperf3", "nginx")
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no laboratory with iperf3 and nginx here: {REASON}")
HUB = "203.0.113.10"
URL = f"http://{HUB}"
SECONDS = 3.0


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Lab() as lab:
        province = Province(lab, web=False, names=False)
        made = province.site()
        services.iperf3_server(province.province)
        folder = province.province.directory / "www"
        folder.mkdir()
        with (folder / "big").open("wb") as file:
            file.truncate(400_000_000)
        (folder / "empty").touch()
        services.nginx(
            province.province,
            f"server {{ listen 80; root {folder}; client_max_body_size 0;"
            "location /up { proxy_pass http://127.0.0.1:8081; } location /fast { return 200 ok; } location = /no { return 405; } }"
            "server { listen 8081; client_max_body_size 0; return 200 ok; }",
        )
        python = [sys.executable, "-m", "tests.ndt7_server", "8080"]
        start(province.province, "ndt7", ["env", f"PYTHONPATH={ROOT}", *python], tcp("127.0.0.1", 8080), timeout=20)
        yield made


async def measure(method: str, where: str, seconds: float, octets: int) -> dict[str, Any]:
    machine, limits = Machine(), Limits(seconds, octets)
    way, direction = method.split("/")
    if way == "iperf3":
        said: list[str] = []

        async def run(argv: Sequence[str], timeout: float) -> Completed:  # noqa: ASYNC109  as the real one
            done = await machine.run(argv, timeout)
            said.append(done.output)
            return done

        which: Literal["download", "upload"] = "download" if direction == "download" else "upload"
        found = await iperf3.transfer(Machine(run=run), where, which, limits, interface="eth0")
        end = json.loads(said[0]).get("end") if said else None
        return {**plain(found), "own": end and end["sum_received"]["bits_per_second"] / 8}
    module = http_transfer if way == "http" else ndt7
    work = module.download if direction == "download" else module.upload
    found = await work(where, limits, clock=machine.clock, interface="eth0")
    return plain(found)


def plain(found: Transfer) -> dict[str, Any]:
    return {**asdict(found), "fault": found.fault and [found.fault.reason, found.fault.detail]}


def iperf3_itself(site: Site, direction: str) -> float:
    """Octets per second as iperf3's receiver says; of a download, where the receiver is here, without the first second."""
    command = ["iperf3", "-c", HUB, "-J", "-t", str(int(SECONDS)), *(["-R"] if direction == "download" else [])]
    report = json.loads(site.pc.run(command).stdout)
    if direction == "upload":
        return float(report["end"]["sum_received"]["bits_per_second"]) / 8
    rows = [row["sum"] for row in report["intervals"]][1:]
    rate: float = sum(row["bytes"] for row in rows) / sum(row["seconds"] for row in rows)
    return rate


WHERE = {"iperf3": HUB, "http/download": f"{URL}/big", "http/upload": f"{URL}/up", "ndt7": f"ws://{HUB}:8080"}


FULL = 1448 / 1514
"""Payload per octet of an Ethernet frame, TCP with time stamps: what a line of so many bits can carry."""
TOLERANCE = 0.05
ATTEMPTS = 4
"""A machine that does other work holds up both programs, not alike: it can spoil an agreement, hardly make one."""


def agree(site: Site, way: str, direction: str, label: int, octets: int = 400_000_000) -> None:
    """Our rate is within five percent of iperf3's own, taken just before, in one of a few attempts."""
    ratios = []
    for _ in range(ATTEMPTS):
        reference = iperf3_itself(site, direction)
        where = WHERE.get(way) or WHERE[f"{way}/{direction}"]
        found = inside(site.pc, measure, f"{way}/{direction}", where, SECONDS, octets)
        assert found["fault"] is None
        assert found["rate"] < 1.02 * label * 125_000 * FULL, "no more than the line carries"
        ratios.append(found["rate"] / reference)
        sys.stdout.write(
            f"\n| {label} | {way} {direction} | {found['rate'] / 1e6:.3f} | {reference / 1e6:.3f} | {ratios[-1]:.3f} |"
        )
        if ratios[-1] == pytest.approx(1, rel=TOLERANCE):
            return
    pytest.fail(f"{way} {direction}: {', '.join(f'{ratio:.3f}' for ratio in ratios)} of iperf3's figure")


@pytest.mark.timing
@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("mbit", [20, *(pytest.param(rate, marks=pytest.mark.slow) for rate in (5, 50, 100))])
def test_rates_within_five_percent_of_iperf3(site: Site, mbit: int, direction: str) -> None:
    with site.line.rate(mbit * 1e6):
        for way in ("iperf3", "http", "ndt7"):
            agree(site, way, direction, mbit)


@pytest.mark.timing
@pytest.mark.parametrize("direction", ["download", "upload"])
@pytest.mark.parametrize("mbit", [20, *(pytest.param(rate, marks=pytest.mark.slow) for rate in (5, 100, 200, 500))])
def test_what_we_tell_of_a_run_of_iperf3_is_what_it_tells_itself(site: Site, mbit: int, direction: str) -> None:
    """Both figures are of the same octets in the same seconds, so that a busy computer makes no difference between them."""
    with site.line.rate(mbit * 1e6):
        found = inside(site.pc, measure, f"iperf3/{direction}", HUB, 5.0, 4_000_000_000)
    assert found["fault"] is None
    rate, own, line = found["rate"], found["own"], mbit * 125_000 * FULL
    sys.stdout.write(f"\n| {mbit} | {direction} | {rate / 1e6:.3f} | {own / 1e6:.3f} | {rate / own:.3f} | {line / 1e6:.3f} |")
    assert rate == pytest.approx(own, rel=TOLERANCE)
    assert rate < 1.01 * line


@pytest.mark.parametrize(
    "method", ["iperf3/download", "iperf3/upload", "http/download", "http/upload", "ndt7/download", "ndt7/upload"]
)
def test_bytes_are_bounded(site: Site, method: str) -> None:
    octets = 3_000_000
    with site.pc.count("ip daddr 203.0.113.10", "output") as sent, site.pc.count("ip saddr 203.0.113.10", "input") as received:
        found = inside(site.pc, measure, method, WHERE.get(method.split("/", maxsplit=1)[0]) or WHERE[method], SECONDS, octets)
        moved = sent.read().bytes + received.read().bytes
    assert found["fault"] is None
    assert found["moved"] <= octets + (2_000_000 if method == "ndt7/download" else 131_072)
    slack = 4_000_000 if method == "ndt7/download" else 700_000  # what was under way when we closed, on a line without limit
    assert moved < octets * 1.08 + slack


def test_the_kernels_and_the_servers_figures_are_kept(site: Site) -> None:
    with site.line.delay(0.02), site.line.rate(10e6):
        down = inside(site.pc, measure, "ndt7/download", WHERE["ndt7"], 2.0, 10_000_000)
        up = inside(site.pc, measure, "ndt7/upload", WHERE["ndt7"], 2.0, 10_000_000)
    for found in (down, up):
        assert found["server"]["MinRTT"] >= 40_000
        assert found["tcp"]["min_rtt"] >= 0.04
    assert up["tcp"]["bytes_acked"] > 1_000_000
    assert up["server"]["BytesReceived"] > 1_000_000


@pytest.mark.parametrize(
    ("method", "where", "reason", "words"),
    [
        ("http/download", f"{URL}/nothing", "status", "status 404"),
        ("http/download", f"{URL}/empty", "malformed", "give a file of some megabytes"),
        ("http/download", f"http://{HUB}:1/", "refused", "connection refused"),
        ("http/download", "http://198.51.100.99:1/x", "unreachable", ""),
        ("http/download", f"https://{HUB}:80/x", "tls", ""),
        ("http/upload", f"{URL}/fast", "status", "before it had read the upload"),
        ("http/upload", f"{URL}/no", "status", "status 405"),
        ("ndt7/download", f"ws://{HUB}", "status", "status 404 instead of a WebSocket"),
        ("ndt7/upload", f"ws://{HUB}:1", "refused", "connection refused"),
        ("iperf3/download", f"{HUB}:1", "refused", "refused"),
        ("iperf3/download", f"{HUB}:port", "malformed", "has no port"),
    ],
)
def test_failures_say_what_and_where(site: Site, method: str, where: str, reason: str, words: str) -> None:
    found = inside(site.pc, measure, method, where, 2.0, 30_000_000)
    assert found["rate"] is None
    assert found["fault"][0] in {reason, "timeout"} if reason == "unreachable" else found["fault"][0] == reason, found["fault"]
    assert words in found["fault"][1]


async def test_iperf3_that_is_not_installed() -> None:
    async def run(argv: object, timeout: float) -> Any:  # noqa: ASYNC109  as the real one
        raise FileNotFoundError

    found = await iperf3.transfer(Machine(run=run), HUB, "download", Limits(2, 1000))
    assert found.fault is not None
    assert found.fault.reason is Reason.NOT_SUPPORTED
