"""The contract's faults in other magnitudes: weaker, near what is judged a fault, and stronger; by other traffic and laws."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager

from tests.e2e.faults import PC_TWO, Bench, Fault, Inject
from tests.e2e.liars import WEB, resolver_says
from tests.e2e.unseen import second_cable, tslcd
from tests.netlab import services

HUB = "172.31.0.10"
"""The province by its own address, from which it answers UDP as well."""


def _full(megabits: float, *load: str, latency: float = 0.3) -> Inject:
    """A line of so many Mbit/s, and a program of this computer that wants more."""

    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        site = bench.site
        with site.line.rate(megabits * 1e6, latency=latency), _loaded(bench, load):
            yield

    return inject


@contextlib.contextmanager
def _loaded(bench: Bench, load: Sequence[str]) -> Iterator[None]:
    server = services.iperf3_server(bench.province.province)
    command = ["iperf3", "-c", HUB, "-t", "60", *load]
    running = bench.site.pc.popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(5)
        server.stop()


def _busy_but_free(bench: Bench) -> AbstractContextManager[object]:
    """8 Mbit/s on a line of 40: a download, and room beside it."""
    return _full(40, "-R", "-u", "-b", "8M")(bench)


MAGNITUDES = (
    Fault("8 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.08, toward=b.site.gateway)),
    Fault("12 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.12, toward=b.province.vnpt)),
    Fault("30 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.30, toward=b.site.gateway)),
    Fault("50 % loss one way", ("wan.lossy",), lambda b: b.site.line.loss(0.50, toward=b.site.gateway)),
    Fault("30 % loss in the second LAN", ("gateway.lossy",), lambda b: second_cable(b).loss(0.30), PC_TWO),
    Fault("600 ms on the second of two lines", ("wan.slow",), lambda b: tslcd(b).delay(0.300), PC_TWO),
    Fault("8 % loss in the LAN", ("gateway.lossy",), lambda b: b.site.cables[0].loss(0.08)),
    Fault("long bursts of loss", ("wan.lossy",), lambda b: b.site.line.burst_loss(0.01, 0.1, toward=b.site.gateway)),
    Fault("160 ms delay", ("wan.slow",), lambda b: b.site.line.delay(0.080)),
    Fault("250 ms delay", ("wan.slow",), lambda b: b.site.line.delay(0.125)),
    Fault("800 ms delay", ("wan.slow",), lambda b: b.site.line.delay(0.400)),
    Fault("jitter, normal, 30 ms", ("wan.jitter",), lambda b: b.site.line.delay(0.06, 0.03, distribution="normal", reorder=True)),
    Fault("jitter, pareto, 30 ms", ("wan.jitter",), lambda b: b.site.line.delay(0.02, 0.03, distribution="pareto", reorder=True)),
    Fault("jitter one way, in order", ("wan.jitter",), lambda b: b.site.line.delay(0.06, 0.06, toward=b.site.gateway)),
    Fault("1 Mbit/s filled by UDP", ("wan.saturated",), _full(1, "-R", "-u", "-b", "3M")),
    Fault("4 Mbit/s filled by a UDP upload", ("wan.saturated",), _full(4, "-u", "-b", "6M")),
    Fault("20 Mbit/s filled by sixteen downloads", ("wan.saturated",), _full(20, "-R", "-P", "16")),
    Fault("50 Mbit/s filled by eight downloads", ("wan.saturated",), _full(50, "-R", "-P", "8", latency=0.1)),
    Fault("8 Mbit/s with a short queue, filled", ("wan.saturated",), _full(8, "-R", "-P", "4", latency=0.05)),
    Fault("names after 2 s", ("dns.slow",), resolver_says("2s", WEB)),
    Fault("names after 4 s", ("dns.slow",), resolver_says("4s", WEB)),
    Fault("MTU hole at 600", ("wan.mtu_blackhole",), lambda b: b.site.line.mtu_blackhole(600)),
    Fault("MTU hole at 1460, one way", ("wan.mtu_blackhole",), lambda b: b.site.line.mtu_blackhole(1460, toward=b.province.vnpt)),
    Fault("120 ms delay", (None,), lambda b: b.site.line.delay(0.060)),
    Fault("jitter of 8 ms", (None,), lambda b: b.site.line.delay(0.02, 0.008, reorder=True)),
    Fault("a fifth of the line used", (None,), _busy_but_free),
    Fault("names after 250 ms", (None,), resolver_says("0.25s", WEB)),
)
