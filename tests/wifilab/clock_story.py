"""Runs in the guest, whose date may be set wrong as no test may do to its own computer: what the agent makes of it.

The guest's clock is right when it boots, so true time is known all along by the monotonic clock. Beside the Wi-Fi stories
for the sake of the one boot; `test_wifilab.py` judges what is written down here.
"""

import asyncio
import email.utils
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from agent import clock as clocks
from agent.clock import TrueClock
from agent.forward.samples import Description, Row
from agent.forward.spool import Spool
from collectors.machine import Machine
from tests.receivers.time_server import time_server

YEAR = 365.25 * 86400
HOURS = 7200.0
SERIES = Description((("__name__", "commune_test"),))


class Site:
    """The agent's clock and spool, joined as the agent joins them."""

    def __init__(self, truth: float) -> None:
        self.truth = truth
        self.machine = Machine()
        self.clock = TrueClock(self.machine.clock)
        self.boot = clocks.boot_id(self.machine)
        self.spool = Spool(Path(tempfile.mkdtemp()), max_bytes=2**26, max_age=1e12)
        self.taken: list[float] = []

    def true(self) -> float:
        return self.machine.clock.monotonic() + self.truth

    async def learned(self) -> None:
        await self.spool.set_boot(self.boot, self.clock.base, self.clock.wall_base)

    def read(self) -> None:
        moment, base = self.machine.clock.monotonic(), self.clock.base
        first = round((moment if base is None else moment + base) * 1000)
        self.spool.append([Row(0, self.boot if base is None else None, first, [(SERIES, 1.0)])])
        self.taken.append(moment + self.truth)

    async def found(self) -> dict[str, Any]:
        parcel = await self.spool.fetch(limit=1000)
        self.spool.close()
        times = [] if parcel is None else [moment / 1000 for moment in parcel.batch.columns[SERIES][0]]
        offset = self.clock.wall_base - (self.clock.base or 0.0)
        return {"taken": self.taken, "stored": times, "source": self.clock.source, "offset": offset}


def set_date(moment: float) -> None:
    subprocess.run(["date", "-s", f"@{moment:.3f}"], check=True, capture_output=True)


async def wrong_clock(results: dict[str, Any]) -> None:
    """Wrong by years when the agent starts, told the time later, and set by hours to and fro after that."""
    truth = time.time() - Machine().clock.monotonic()
    for source in ("ntp", "http"):
        for years in (3, -3):
            site, told = Site(truth), asyncio.Event()
            site.clock.listen(told.set)
            set_date(site.true() + years * YEAR)
            await site.learned()
            site.read()
            await asyncio.sleep(1.5)
            site.read()
            if source == "ntp":
                async with time_server(site.true) as server:
                    task = asyncio.get_running_loop().create_task(clocks.follow(site.clock, [server], tuple, 3600.0))
                    await told.wait()
                    task.cancel()
            else:
                for _ in range(3):
                    sent = site.clock.monotonic()
                    site.clock.hear_date(email.utils.formatdate(int(site.true()), usegmt=True), sent, site.clock.monotonic())
                    await asyncio.sleep(0.4)
            offset = site.clock.wall_base - (site.clock.base or 0.0)
            await site.learned()
            site.read()
            for jump in (HOURS, -HOURS):
                set_date(site.true() + jump)
                site.read()
                await asyncio.sleep(0.2)
            results[f"clock {source} {years:+d}"] = {**await site.found(), "first_offset": offset}
            set_date(site.true())
