"""What it costs to carry readings away: drain rate, disk for thirty days, bytes on the wire and memory beside Prometheus.

Run by `make bench` as root: it moves into a network namespace of its own. `BENCH_MINUTES` (default 9) is how long at least agent
and Prometheus in agent mode run side by side; Prometheus scrapes the same agent every minute, which is the agent's own
resolution. Bytes are counted by nft on loopback, both directions, TLS and TCP included, from one of the agent's batches to
another, so that what was taken between them is what was sent. A third agent, which nobody takes anything from but by its
page, shows what memory the spool and the sending add.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MINUTES = float(os.environ.get("BENCH_MINUTES", "9"))
OURS, THEIRS, SINK = 4431, 4432, 4433
SERIES, DAYS = 300, 7
BATCH = 150
"""More samples than come in a second by the way, fewer than the agent's batches have."""
ROOT = Path(__file__).parents[2]


async def receive(folder: Path) -> None:
    """A receiver that counts and discards, over TLS for the comparison and in the clear for the drain."""
    from aiohttp import web

    from tests.receivers.strict import Strict

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    counts = {OURS: Strict(keep=False), THEIRS: Strict(keep=False, speaks=("1.0",))}
    received = 0

    async def discard(request: web.Request) -> web.Response:
        nonlocal received
        received += len(await request.read())
        return web.Response(status=204)

    async def tell(_: web.Request) -> web.Response:
        return web.json_response(
            {"ours": counts[OURS].count, "theirs": counts[THEIRS].count, "complaints": counts[OURS].complaints[:3]}
        )

    for port, handler, tls in (
        (OURS, counts[OURS].handle, context),
        (THEIRS, counts[THEIRS].handle, context),
        (SINK, discard, None),
    ):
        app = web.Application(client_max_size=2**26)
        app.router.add_get("/counts", tell)
        app.router.add_post("/{tail:.*}", handler)
        app.router.add_head("/", handler)
        runner = web.AppRunner(app, access_log=None, keepalive_timeout=300)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    await asyncio.Event().wait()


def values(generator: random.Random, series: int, minute: int, state: list[float]) -> float:
    """Series as a site has them: two fifths constant, a third counters, the rest measurements."""
    kind = series % 15
    if kind < 6:
        return float(series % 2)
    if kind < 11:
        state[series] += generator.randrange(60 if kind < 9 else 100_000)
        return state[series]
    return round(0.02 + 0.01 * math.sin(minute / 200 + series) + generator.random() / 500, 6)


def disk() -> str:
    """Megabytes for thirty days of 200 series with a sample a minute (measured over three days)."""
    from agent.forward.samples import Description, Row
    from agent.forward.store import Store

    generator, state = random.Random(5), [0.0] * 200
    series = [
        Description((("__name__", f"commune_metric_{n}"), ("instance", "counter-1"), ("target", f"t{n % 7}"))) for n in range(200)
    ]
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "spool.db")
        store.db.execute("PRAGMA synchronous = OFF")
        for minute in range(3 * 1440):
            store.append(
                [
                    Row(
                        0,
                        None,
                        1_700_000_000_000 + minute * 60_000,
                        [(one, values(generator, n, minute, state)) for n, one in enumerate(series)],
                    )
                ]
            )
            if minute % 60 == 59:
                while store.compact(2**62):
                    pass
        used = store.used_bytes()
        store.close()
    return f"disk, 30 days of 200 series a minute: {used * 10 / 2**20:.0f} MiB ({used / 3 / 1440 / 200:.2f} bytes a sample)"


async def drain(folder: Path) -> str:
    """Samples a minute and share of a core while a backlog of a week goes to a receiver that discards."""
    from agent.forward.samples import Description, Row
    from tests.agent.site import Hands, SiteUnderTest, settings

    spool_folder = folder / "drain"
    spool_folder.mkdir()
    hands = Hands(runs=True)
    site = SiteUnderTest(spool_folder, "", hands, configured=settings(f"http://127.0.0.1:{SINK}/", spool_folder, protocol="1.0"))
    from agent.forward.store import Store

    store = Store(spool_folder / "spool.db")
    store.db.execute("PRAGMA synchronous = OFF")
    generator, state = random.Random(6), [0.0] * SERIES
    series = [
        Description(
            (("__name__", f"commune_metric_{n}"), ("instance", "counter-1"), ("job", "commune-agent"), ("target", f"t{n % 7}"))
        )
        for n in range(SERIES)
    ]
    begin = round((hands.true() - DAYS * 86400) * 1000)
    for minute in range(DAYS * 1440 - 10):
        store.append(
            [Row(0, None, begin + minute * 60_000, [(one, values(generator, n, minute, state)) for n, one in enumerate(series)])]
        )
        if minute % 100 == 99:
            while store.compact(2**62):
                pass
    store.close()
    total = SERIES * (DAYS * 1440 - 10)
    await site.start()
    writer = site.forward._push.writer  # type: ignore[union-attr]
    assert writer is not None
    while writer.counts.accepted < total * 0.02:
        await asyncio.sleep(0.05)
    first, clock, cpu = writer.counts.accepted, time.monotonic(), time.process_time()
    while writer.counts.accepted < total:
        await asyncio.sleep(0.1)
    rate = (writer.counts.accepted - first) / (time.monotonic() - clock)
    share = (time.process_time() - cpu) / (time.monotonic() - clock)
    await site.stop()
    return f"drain, {DAYS} days of {SERIES} series: {rate * 60:,.0f} samples a minute at {share:.0%} of a core"


def counters() -> dict[str, int]:
    found = json.loads(subprocess.run(["nft", "-j", "list", "counters"], check=True, capture_output=True, text=True).stdout)
    return {item["counter"]["name"]: item["counter"]["bytes"] for item in found["nftables"] if "counter" in item}


def resident(process: subprocess.Popen[bytes]) -> float:
    line = next(line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


async def counted() -> dict[str, Any]:
    import aiohttp

    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{SINK}/counts") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def batch() -> dict[str, Any]:
    """What has arrived, just after a batch of the agent: the heartbeat and what is urgent come a few samples at a time."""
    before = await counted()
    while True:
        await asyncio.sleep(1)
        now = await counted()
        if now["ours"] - before["ours"] > BATCH:
            return now
        before = now


async def beside(folder: Path) -> list[str]:
    """Agent and Prometheus for some minutes, both sending over TLS."""
    (folder / "state").mkdir()
    targets = ", ".join(f"{{name: t{n}, address: 127.0.0.{n + 1}}}" for n in range(8))
    (folder / "agent.yaml").write_text(
        f"site: {{province: lam-dong, commune: '24781', instance: counter-1}}\nstate_dir: {folder}/state\nclock: {{servers: []}}\n"
        f"ping: {{targets: [{targets}]}}\n"
        f"remote_write: {{url: 'https://127.0.0.1:{OURS}/api/v1/write', tls: {{ca_file: {folder}/ca.pem}}}}\n"
    )
    (folder / "alone").mkdir()
    (folder / "alone.yaml").write_text(
        f"site: {{province: lam-dong, commune: '24781', instance: counter-2}}\nstate_dir: {folder}/alone\nlisten: 127.0.0.1:9798\n"
        f"clock: {{servers: []}}\nping: {{targets: [{targets}]}}\n"
    )
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1m, external_labels: {province: lam-dong, commune: '24781', site: main}}\n"
        f"remote_write: [{{url: 'https://127.0.0.1:{THEIRS}/api/v1/write', tls_config: {{ca_file: {folder}/ca.pem}}}}]\n"
        "scrape_configs: [{job_name: commune-agent, static_configs: [{targets: ['127.0.0.1:9797']}]}]\n"
    )
    rules = "add table inet bench\nadd chain inet bench out { type filter hook output priority 0; }\n"
    for name, port in (("ours", OURS), ("theirs", THEIRS)):
        rules += f"add counter inet bench {name}\n"
        rules += "".join(f"add rule inet bench out tcp {side} {port} counter name {name}\n" for side in ("dport", "sport"))
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    log = (folder / "log").open("wb")
    agent, alone = (
        subprocess.Popen([sys.executable, "-m", "agent", "run", "-c", folder / name], stdout=log, stderr=log, cwd=ROOT)
        for name in ("agent.yaml", "alone.yaml")
    )
    rival = subprocess.Popen(
        [
            "prometheus",
            "--enable-feature=agent",
            f"--storage.agent.path={folder}/wal",
            f"--config.file={folder}/prometheus.yml",
            "--web.listen-address=127.0.0.1:9091",
        ],
        stdout=log,
        stderr=log,
    )
    try:
        await asyncio.sleep(60)
        samples_before, bytes_before, begin = await batch(), counters(), time.monotonic()
        await asyncio.sleep((MINUTES - 1) * 60 - 10)
        samples_after, bytes_after, passed = await batch(), counters(), time.monotonic() - begin
        ours, theirs, pulled = resident(agent), resident(rival), resident(alone)
    finally:
        for process in (agent, rival, alone):
            process.terminate()
            process.wait()
    per, day = {}, {}
    for name in ("ours", "theirs"):
        used = bytes_after[name] - bytes_before[name]
        per[name] = used / max(1, samples_after[name] - samples_before[name])
        day[name] = used / passed * 86400 / 1e6
    return [
        f"samples in {passed:.0f} s: agent {samples_after['ours'] - samples_before['ours']}, Prometheus {samples_after['theirs'] - samples_before['theirs']}, complaints {samples_after['complaints']}",
        f"wire: agent {per['ours']:.1f} bytes a sample, {day['ours']:.2f} MB a day; Prometheus agent mode {per['theirs']:.1f} bytes a sample, {day['theirs']:.2f} MB a day; ratio {per['ours'] / per['theirs']:.2f}",
        f"memory: agent with spool {ours:.1f} MiB; Prometheus {theirs:.1f} MiB; ratio to this agent and Prometheus {ours / (ours + theirs):.2f}",
        f"memory: an agent without spool {pulled:.1f} MiB, ratio to it and Prometheus {ours / (pulled + theirs):.2f}",
    ]


async def main() -> None:
    import trustme

    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(folder / "key.pem")
        issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
        receiver = subprocess.Popen([sys.executable, "-m", "tests.bench.bench_forward", "receive", folder], cwd=ROOT)
        try:
            await asyncio.sleep(2)
            which = os.environ.get("BENCH_PARTS", "disk drain beside").split()
            if "disk" in which:
                print(disk(), flush=True)
            if "drain" in which:
                print(await drain(folder), flush=True)
            if "beside" in which:
                print("\n".join(await beside(folder)), flush=True)
        finally:
            receiver.terminate()
            receiver.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "receive":
        asyncio.run(receive(Path(sys.argv[2])))
    elif os.environ.get("BENCH_INSIDE"):
        asyncio.run(main())
    elif shutil.which("unshare") is None:
        sys.exit("unshare is missing: the bench runs in a network namespace of its own")
    else:
        os.execvpe(
            "unshare", ["unshare", "-rn", sys.executable, "-m", "tests.bench.bench_forward"], {**os.environ, "BENCH_INSIDE": "1"}
        )
