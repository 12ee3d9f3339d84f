"""Puts together what carries readings to the province: clock, ledger, spool, intake, other exporters, remote write.

One object for the application: built with the agent, started and stopped with it, told of new settings. Without a
section `remote_write` there is only the clock and the ledger.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import clock as clocks
from agent import selfmon
from agent.clock import TrueClock
from agent.settings import AgentSettings
from agent.state import Update
from agent.tasks import spawn
from collectors.machine import Machine
from collectors.model import Observations
from collectors.probe import boots
from collectors.site import Route

if TYPE_CHECKING:  # SQLite, protobuf and the parser are loaded when the agent starts and where they are needed
    from agent.forward.gaps import Ledger
    from agent.forward.intake import Intake
    from agent.forward.remote.writer import RemoteWriter
    from agent.forward.samples import Expired
    from agent.forward.scrape import Scraper
    from agent.forward.spool import Spool

log = logging.getLogger(__name__)
MAINTAIN_EVERY = ALIVE_EVERY = 15.0


@dataclass(slots=True)
class _Push:
    """The part that exists only with somewhere to send to."""

    spool: Spool
    intake: Intake
    writer: RemoteWriter | None = None
    scraper: Scraper | None = None
    task: asyncio.Task[None] | None = None


class Forward:
    """Everything between the state and the province.

    Args:
        settings: the whole configuration, the instance's name filled in.
        machine: the computer; its clock is the agent's `TrueClock`.
    """

    def __init__(self, settings: AgentSettings, machine: Machine) -> None:
        if not isinstance(machine.clock, TrueClock):
            raise TypeError("the agent's machine needs a TrueClock")
        self.clock: TrueClock = machine.clock
        self._settings = settings
        self._machine = machine
        self._directory: Path | None = None
        self._boot = clocks.boot_id(machine)
        self._ledger: Ledger | None = None
        self._push: _Push | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._routes: Callable[[], Iterable[Route]] = tuple
        self._expired = 0

    @property
    def ledger(self) -> Ledger:
        """The ledger; there is one from `start` on."""
        if self._ledger is None:
            raise RuntimeError("not started")
        return self._ledger

    def _power_lost(self) -> bool | None:
        """Did the session before this boot end without a shutdown, as the system's own records say?"""
        boot = boots.examine(self._machine, self._directory)
        return None if boot is None or boot.previous is boots.Ending.UNKNOWN else boot.previous is boots.Ending.UNCLEAN

    def _saved_until(self) -> float:
        """The moment (seconds of `Clock.monotonic`) until which no loss of power takes a reading back."""
        now = self.clock.monotonic()
        unsaved = self._push.spool.unsaved if self._push is not None else None
        if unsaved is None:
            return now
        base = 0.0 if unsaved.boot is not None else self.clock.wall_base if self.clock.base is None else self.clock.base
        return min(now, unsaved.time / 1000 - base)

    @property
    def spool(self) -> Spool | None:
        """The spool, where there is one."""
        return self._push.spool if self._push is not None else None

    def take(self, update: Update) -> None:
        """The sink: every reading comes by here."""
        if self._push is not None:
            self._push.intake.take(update)

    async def start(self, directory: Path | None, routes: Callable[[], Iterable[Route]]) -> None:
        """Begin: explain the time since the last run, open the spool, ask for the time, send.

        Args:
            directory: the state directory, None where there is none.
            routes: the default routes now: their gateways may tell the time when no configured server does, and the
                province is reached by one of their interfaces.
        """
        from agent.forward.gaps import Ledger  # noqa: PLC0415

        self._directory, self._routes = directory, routes
        limits = self._settings.core.spool
        note_every = limits.checkpoint if limits.memory_first else 0.0
        self._ledger = Ledger(
            directory, self.clock, self._boot, power_lost=self._power_lost, saved_until=self._saved_until, note_every=note_every
        )
        self._ledger.begin()
        self.clock.listen(self._time_learned)
        self._tasks = [spawn(self._tick(), "alive")]
        await self._begin()

    async def _begin(self) -> None:
        section = self._settings.core.clock
        self._tasks.append(spawn(clocks.follow(self.clock, section.servers, self._gateways, section.interval), "clock"))
        if self._settings.core.remote_write is None:
            self.clock.trust_gateways()
        else:
            await self._open()

    async def _open(self) -> None:
        from agent.forward.intake import Intake  # noqa: PLC0415  SQLite, protobuf and cramjam only where something is sent
        from agent.forward.remote.client import Client  # noqa: PLC0415
        from agent.forward.remote.ways import Ways  # noqa: PLC0415
        from agent.forward.remote.writer import RemoteWriter  # noqa: PLC0415
        from agent.forward.spool import Spool  # noqa: PLC0415

        core = self._settings.core
        write = core.remote_write
        if write is None:
            return
        limits = core.spool
        spool = Spool(
            self._directory,
            max_bytes=int(limits.max_bytes),
            max_age=limits.max_age,
            checkpoint=limits.checkpoint if limits.memory_first else None,
            expired=self._dropped,
        )
        await spool.set_boot(self._boot, self.clock.base, self.clock.wall_base)
        push = _Push(spool, Intake(spool, self.clock, self._boot, core, self._wake))
        ways = Ways(lambda: (route.interface for route in self._routes()), self.clock.monotonic)
        client = Client(write, self._settings.file, self.clock, ways)
        site = core.site
        seed = f"{site.province}/{site.commune}/{site.site}/{site.instance}"
        push.writer = RemoteWriter(spool, push.intake, self.clock, self.ledger, settings=write, client=client, seed=seed)
        if core.scrape.targets:
            from agent.forward.scrape import Scraper  # noqa: PLC0415  the parser only where something is scraped

            push.scraper = Scraper(core, self._settings.file, self.clock, push.intake)
            push.writer.scraper = push.scraper
            await push.scraper.start()
        self._push = push
        push.task = spawn(push.writer.run(), "remote write")
        self._tasks.append(spawn(self._maintain(push), "spool"))

    def _gateways(self) -> list[str]:
        return [
            f"{route.gateway}%{route.interface}" if route.gateway.startswith("fe80:") else route.gateway
            for route in self._routes()
            if route.gateway
        ]

    async def reload(self, settings: AgentSettings) -> None:
        """Go on with new settings; what waits in the spool goes to the new address."""
        before, self._settings = self._settings, settings
        names = ("site", "labels", "clock", "scrape", "remote_write", "spool")
        if all(getattr(before.core, name) == getattr(settings.core, name) for name in names):
            return
        for task in self._tasks[1:]:
            task.cancel()
        del self._tasks[1:]
        await self._close(final=settings.core.remote_write is None)
        await self._begin()

    async def stop(self) -> None:
        """End: markers for every series, a last try to send, everything durable."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        await self._close(final=True)
        if self._ledger is not None:
            self._ledger.end()
            self._ledger = None

    async def _close(self, *, final: bool) -> None:
        push, self._push = self._push, None
        if push is None:
            return
        if push.task is not None:
            push.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await push.task
        if final:
            push.intake.end()
        if push.scraper is not None:
            if final and push.writer is not None:
                await push.writer.flush()  # the agent's own end does not wait for other exporters
            await push.scraper.stop(None if final else self._settings.core)
        if push.writer is not None:
            await push.writer.finish()
        await asyncio.to_thread(push.spool.close)

    def _wake(self, lane: int) -> None:
        if self._push is not None and self._push.writer is not None:
            self._push.writer.wake(lane)

    def _dropped(self, expired: Expired) -> None:
        self._expired += expired.samples
        self.ledger.lost("expired", expired.first / 1000, expired.last / 1000, boot=expired.boot)

    async def trust_clock(self) -> None:
        """A person says that this computer's clock is right: where nobody else told the time, it is true from now on."""
        if self.clock.base is None:
            self.clock.set_base(self.clock.wall_base, "none")
            if self.spool is not None:
                await self.spool.set_boot(self._boot, self.clock.base, self.clock.wall_base)

    def _time_learned(self) -> None:
        push = self._push
        if push is not None:
            spawn(push.spool.set_boot(self._boot, self.clock.base, self.clock.wall_base), "boot clock")

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY)
            self.ledger.tick()

    async def _maintain(self, push: _Push) -> None:
        noted = self.clock.wall_base
        while True:
            if self.clock.base is None and abs(self.clock.wall_base - noted) > 1.0:
                noted = self.clock.wall_base  # somebody set the clock: the last one is what the next boot goes on with
                await push.spool.set_boot(self._boot, None, noted)
            await push.spool.maintain(None if self.clock.base is None else self.clock.true())
            await asyncio.sleep(MAINTAIN_EVERY)
            push.intake.repeat()

    def report(self, found: Observations) -> None:
        """The agent's own metrics about clock, ledger, spool and sending."""
        self.clock.report(found)
        if self._ledger is not None:
            self._ledger.report(found)
        push = self._push
        if push is None:
            return
        totals = push.spool.totals
        found.set(selfmon.SPOOL_BYTES, float(totals.bytes))
        found.set(selfmon.SPOOL_PENDING, float(totals.samples))
        if totals.oldest is not None:
            found.set(selfmon.SPOOL_OLDEST, totals.oldest / 1000)
        if push.writer is not None:
            push.writer.counts.expired = self._expired
            push.writer.report(found)
