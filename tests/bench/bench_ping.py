"""CPU per ping: ours at 50, 500 and 2,000 targets, beside fping and smokeping_prober at 500, all at 1 Hz in one run.

Run by `make bench`, as root: it moves into a network namespace of its own and pings loopback addresses there. The
pings are counted by the kernel (IcmpMsg OutType8 in /proc/net/snmp), the CPU time, kernel work included, by the
scheduler (/proc/PID/task/*/schedstat) over the same seconds, after each program has settled. All take turns, and the
median of the rounds is told: a machine that others share is slower in one minute than in the next.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = 5
SETTLE = 2.0
TARGETS = 500


def addresses(count: int) -> list[str]:
    return [f"127.1.{number // 200}.{number % 200 + 1}" for number in range(count)]


def pings_sent() -> int:
    rows = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("IcmpMsg:")]
    return int(dict(zip(*rows, strict=True)).get("OutType8", 0)) if len(rows) == 2 else 0


def cpu_seconds(pid: int) -> float:
    """Time on a processor of all threads, in the kernel or not."""
    return sum(int(task.joinpath("schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) * 1e-9


def measure(argv: list[str]) -> tuple[float, float]:
    """Microseconds of CPU per ping, and pings per second, of a program once it has settled."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=said)
        try:
            time.sleep(SETTLE)
            pings, cpu, begin = pings_sent(), cpu_seconds(process.pid), time.monotonic()
            time.sleep(SECONDS)
            pings, cpu, passed = pings_sent() - pings, cpu_seconds(process.pid) - cpu, time.monotonic() - begin
            if process.poll() is not None or not pings:
                said.seek(0)
                sys.exit(f"{argv[0]} did not ping: {said.read().decode(errors='replace')[:500]}")
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    return cpu / pings * 1e6, pings / passed


async def ours(count: int, kind: str) -> None:
    from collectors.probe.icmp import Pinger

    pinger = Pinger(datagram=kind == "datagram")
    for address in addresses(count):
        pinger.watch(address)
    await asyncio.sleep(3600)


def main() -> None:
    if sys.argv[1:2] == ["ours"]:
        asyncio.run(ours(int(sys.argv[2]), sys.argv[3]))
        return
    if os.environ.get("BENCH_NAMESPACE") is None:
        if os.geteuid() != 0:
            sys.exit("bench_ping needs root for a network namespace and raw sockets")
        os.environ["BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, "-m", "tests.bench.bench_ping"])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/ping_group_range").write_text("0 2147483647")
    me = [sys.executable, "-m", "tests.bench.bench_ping", "ours"]
    programs = {
        f"ours, {kind}, {count} targets": [*me, str(count), kind] for kind in ("datagram", "raw") for count in (50, TARGETS, 2000)
    }
    if shutil.which("fping"):
        programs[f"fping -l -p 1000 -i 1, {TARGETS} targets"] = [
            *["fping", "-q", "-l", "-p", "1000", "-i", "1"],
            *addresses(TARGETS),
        ]
    # One that a developer has built (`make rivals`) goes before Debian's, which is older.
    rival = shutil.which("smokeping_prober") or shutil.which("prometheus-smokeping-prober")
    if rival:
        programs[f"{Path(rival).name}, {TARGETS} targets"] = [rival, "--web.listen-address=127.0.0.1:9374", *addresses(TARGETS)]
    runs = [{name: measure(argv) for name, argv in programs.items()} for _ in range(ROUNDS)]
    rows = {name: tuple(statistics.median(of) for of in zip(*(run[name] for run in runs), strict=True)) for name in programs}
    base = next((cost for name, (cost, _) in rows.items() if name.startswith("fping")), None)
    print(f"{'':42} {'us CPU/ping':>12} {'pings/s':>9} {'x fping':>9}")
    for name, (cost, rate) in rows.items():
        print(f"{name:42} {cost:12.1f} {rate:9.0f} {cost / base if base else float('nan'):9.2f}")


if __name__ == "__main__":
    main()
