"""What becomes of samples at a real Prometheus: the one that is first in PATH, Debian's or a newer one (`make rivals RIVALS=DIR`).

Prometheus 3 is a receiver of remote write 2.0 that others have written: the agent must agree with it on the version, every
value must be there as measured, and what the receiver does not take must be counted as exactly that.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
import time
from pathlib import Path

from agent.forward.intake import WAITS
from agent.forward.samples import Description, Row
from tests.agent.forward.test_assembly import _compare, _record
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import prometheus

HOURS, STEP = 6, 30.0


async def _drained(site: SiteUnderTest) -> None:
    spool = site.forward.spool
    assert spool is not None
    async with asyncio.timeout(300):
        while (await spool.maintain(site.hands.true())).samples:  # noqa: ASYNC110  the spool tells nobody
            await asyncio.sleep(0.05)


async def backlog(folder: Path) -> str:
    """A backlog of hours, beside live data, compared by query."""
    hands = Hands(time.time() - HOURS * 3600)
    async with prometheus() as server:
        site = SiteUnderTest(folder, server.url, hands, configured=settings(server.url, folder))
        await site.start()
        expected: dict[tuple[str, str], list[tuple[int, float]]] = {}
        _record(site, expected)
        for _ in range(round(HOURS * 3600 / STEP)):
            site.read(targets=30)
            hands.advance(STEP)
        hands.advance(time.time() - hands.true())
        hands.runs, hands._zero = True, time.monotonic()
        begin = time.monotonic()
        await _drained(site)
        seconds = time.monotonic() - begin
        writer = site.forward._push.writer  # type: ignore[union-attr]
        assert writer is not None
        version, counts = writer._client.version, writer.counts
        await site.stop()
        await asyncio.sleep(1.2)
        await asyncio.to_thread(_compare, server, expected, hands.true() + 2, HOURS * 3600 + 600)
    total = sum(len(samples) for samples in expected.values())
    return (
        f"{HOURS} hours, {len(expected)} series: remote write {version}, {total} samples equal by query after {seconds:.0f} s,"
        f" {counts.rejected} refused, {counts.retries} retries"
    )


async def refused(folder: Path) -> str:
    """Without an out-of-order window: what is late is refused, counted, and costs nothing else."""
    hands = Hands(time.time() - 7200, runs=False)
    async with prometheus(out_of_order=None) as server:
        site = SiteUnderTest(folder, server.url, hands, configured=settings(server.url, folder))
        await site.start()
        hands.advance(time.time() - hands.true())
        hands.runs, hands._zero = True, time.monotonic()
        spool = site.forward.spool
        assert spool is not None
        now = round(hands.true() * 1000)
        late, fresh = (Description((("__name__", f"commune_test_{name}"), ("job", "j")), "gauge") for name in ("late", "fresh"))
        spool.append([Row(WAITS, None, now - 1000 * age, [(late, 1.0)]) for age in (3, 2, 1)])
        spool.flush().result()
        site.forward._push.writer.wake(WAITS)  # type: ignore[union-attr]
        await _drained(site)
        rows = [Row(WAITS, None, now - 1000 * age, [(late, 2.0), (fresh, float(age))]) for age in (3600, 3590, 3580)]
        rows.append(Row(WAITS, None, now + 1, [(late, 3.0)]))
        spool.append(rows)
        spool.flush().result()
        site.forward._push.writer.wake(WAITS)  # type: ignore[union-attr]
        await _drained(site)
        writer = site.forward._push.writer  # type: ignore[union-attr]
        assert writer is not None
        accepted, rejected = writer.counts.accepted, writer.counts.rejected
        reasons = {gap.reason for gap in site.forward.ledger.gaps()}
        await site.stop()
        found = server.query('{job="j"}[3h]', hands.true() + 2)
        stored = sum(len(samples) for _, samples in found)
        assert accepted == stored, f"{accepted} counted as accepted, {stored} stored"
        assert accepted + rejected == 10
        assert "refused" in reasons
    return (
        f"without an out-of-order window: {accepted} accepted and stored, {rejected} refused, all 10 counted, said in the ledger"
    )


async def main() -> None:
    said = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True)  # noqa: ASYNC221  nothing else runs yet
    found = re.search(r"version ([^ ,]+)", said.stdout + said.stderr)
    print(f"receiver: Prometheus {found[1] if found else said.stdout}")
    for part in (backlog, refused):
        with tempfile.TemporaryDirectory() as name:
            print(await part(Path(name)), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
