"""Puts the agent together: machine, state, scheduler, server and sinks; follows the surroundings; reloads; stops."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from agent import config, lifetime, privileges, selfmon, statedir
from agent.changes import Changes
from agent.clock import TrueClock
from agent.forward.assembly import Forward
from agent.plan import plan, resolve_uplinks
from agent.scheduler import Scheduler
from agent.server import Server
from agent.settings import AgentSettings, defaults
from agent.state import Sink, State, Update
from agent.tasks import spawn
from collectors.machine import Machine
from collectors.model import Collector, Reading
from collectors.probe.changes import changes
from collectors.probe.surroundings import look
from collectors.site import Context, Session, Surroundings

log = logging.getLogger(__name__)
LOOK_INTERVAL = 5.0
EXPIRE_INTERVAL = 1.0
SAVE_INTERVAL = 5.0
SUSPENDED = 5.0
COUNTERS_NAME = "counters.json"
CLOSE_WITHIN = 0.3


@dataclass(slots=True)
class Reload:
    """How a reload went: None, or what stands against the new configuration."""

    error: str | None = None


class Agent:
    """One running agent.

    Args:
        path: the configuration file, None for an agent that configures itself.
        settings: what it says.
        machine: the computer.
        sinks: further ways out, beside the exposition.
        read_only: measure, but leave the state directory to the agent that runs (`agent run --once`).
    """

    def __init__(
        self,
        path: Path | None,
        settings: AgentSettings,
        machine: Machine,
        sinks: tuple[Sink, ...] = (),
        *,
        read_only: bool = False,
    ) -> None:
        self.path = path
        self.settings = _named(settings)
        self.machine = replace(machine, clock=TrueClock(machine.clock))
        self.directory = (statedir.wanted if read_only else statedir.prepare)(settings, machine)
        self.state = State(self.directory / COUNTERS_NAME if self.directory else None, read_only=read_only, expose_saved=True)
        site = self.settings.core.site
        seed = f"{site.province}/{site.commune}/{site.site}/{site.instance}"
        self.forward = Forward(self.settings, self.machine)
        self.changes = Changes(self.machine.clock)
        self.sinks: tuple[Sink, ...] = (*sinks, self.changes, self.forward)
        self.scheduler = Scheduler(self.machine.clock, self.deliver, self.forget, seed)
        self.surroundings = Surroundings()
        self.sessions: dict[type, Session] = {}
        self.ready = False
        self.server = Server(self)
        self.stopping = asyncio.Event()
        self._replacing = asyncio.Lock()
        self.reports: list[selfmon.Report] = [self.scheduler.report, self.forward.report]

    def deliver(self, reading: Reading, valid_for: float) -> None:
        """The one way of every reading: into the state, then to the sinks."""
        self._hand_on(self.state.apply(reading, valid_for))

    def forget(self, key: tuple[str, str]) -> None:
        """Withdraw an instance that is no longer configured."""
        update = self.state.remove(key)
        if update is not None:
            self._hand_on(update)

    def _hand_on(self, update: Update) -> None:
        for sink in self.sinks:
            sink.take(update)

    def collectors(self) -> list[Collector]:
        """What is to be measured with the present settings in the present surroundings."""
        site = self.settings.core.site
        uplinks = resolve_uplinks(self.settings.kinds["links"], self.surroundings)
        context = Context(
            self.machine,
            site,
            self.surroundings,
            uplinks,
            self.sessions,
            self.directory,
            self.settings.directory,
            self.settings.kinds["mobile"],
        )
        own = selfmon.SelfMonitor(self.machine, site, self.reports)
        return [own, *plan(self.settings, context)]

    async def run(self) -> None:
        """Run until told to stop (SIGTERM, SIGINT or `stopping`).

        Raises:
            ListenError: the address is in use or not ours.
            ConfigError: the web configuration cannot be used.
        """
        lifetime.on_signals(self.stopping.set, self.reload_soon)
        with statedir.held(self.directory) as ours:
            if not ours:
                self.directory = None
                self.state.detach()
            await self._run()

    async def _run(self) -> None:
        background: list[asyncio.Task[None]] = []
        try:
            await self.server.start()
            self._look()
            self._tell_missing()
            self._tell_warnings()
            await self.forward.start(self.directory, lambda: self.surroundings.routes)
            await self._replan()
            background += [spawn(self._follow(), "follow"), spawn(self._expire(), "expire")]
            self.ready = True
            log.info("running", extra={"instances": len(self.scheduler.runs), "listen": self.settings.core.listen})
            await self.stopping.wait()
        finally:
            self.ready = False
            for task in background:
                task.cancel()
            await self.scheduler.stop()
            await self.forward.stop()
            await asyncio.gather(self.server.stop(), self._close_sessions())
            self.state.save()
            log.info("stopped")

    async def once(self) -> None:
        """Run every collector once."""
        self._look()
        self._tell_missing()
        self._tell_warnings()
        collectors = self.collectors()
        own, others = collectors[0], collectors[1:]
        await self.scheduler.once(others)
        await self.scheduler.once([own])
        await self._close_sessions()

    async def _close_sessions(self) -> None:
        closing = [spawn(session.close(), f"close/{kind.__name__}") for kind, session in self.sessions.items()]
        self.sessions.clear()
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_WITHIN)

    async def _replan(self) -> None:
        """Measure what settings and surroundings ask for; one change at a time, since each waits for what it ends."""
        async with self._replacing:
            await self.scheduler.replace(self.collectors())

    def _look(self) -> bool:
        """Look around; tells whether anything changed. What cannot be read stays as it was."""
        try:
            found = look(self.machine)
        except (OSError, ValueError) as error:
            log.debug("surroundings not read", exc_info=error)
            return False
        changed = found != self.surroundings
        self.surroundings = found
        return changed

    def _tell_missing(self) -> None:
        wireless = any(interface.wireless for interface in self.surroundings.interfaces)
        for capability in privileges.missing(self.machine, wireless=wireless):
            log.warning("a capability is missing", extra={"capability": capability.name, "lost": capability.lost})

    def _tell_warnings(self) -> None:
        for warning in self.settings.warnings:
            log.warning("check the configuration", extra={"warning": warning})

    async def _follow(self) -> None:
        """Notice changes of routes, resolvers and interfaces, and measure accordingly."""
        async for _ in changes(LOOK_INTERVAL):
            if self._look():
                found = self.surroundings
                log.info("surroundings changed", extra={"routes": len(found.routes), "resolvers": len(found.resolvers)})
                await self._replan()

    async def _expire(self) -> None:
        clock, loop = self.machine.clock, asyncio.get_running_loop()
        saved = clock.monotonic()
        asleep = saved - loop.time()
        while True:
            await asyncio.sleep(EXPIRE_INTERVAL)
            now = clock.monotonic()
            suspended, asleep = now - loop.time() - asleep, now - loop.time()
            for update in self.state.expire(now):
                self._hand_on(update)
            if suspended > SUSPENDED:
                log.info("resumed after a suspend", extra={"seconds": round(suspended)})
                self.scheduler.resume()
            spool = self.settings.core.spool
            if now - saved >= (spool.checkpoint if spool.memory_first else SAVE_INTERVAL):  # flash that is to be spared
                saved = now
                await self._save()

    async def _save(self) -> None:
        """Write the persisted counters beside the loop, which a slow disk must not hold."""
        pending = self.state.pending()
        if pending is not None:
            self.state.commit(pending, await asyncio.to_thread(self.state.write, pending))

    def reload_soon(self) -> None:
        """SIGHUP: reload, tell the outcome in the log."""
        spawn(self.reload(), "reload")

    async def reload(self) -> Reload:
        """Read the configuration anew; a bad one leaves the running one in place."""
        try:
            settings = config.load(self.path, self.machine.environ) if self.path else defaults()
            self.server.renew()
        except config.ConfigError as error:
            for mistake in error.mistakes:
                log.error("configuration not taken", extra={"error": mistake})
            return Reload(str(error))
        fixed = [
            name
            for name in ("listen", "web_config_file", "state_dir")
            if getattr(settings.core, name) != getattr(self.settings.core, name)
        ]
        if fixed:
            log.warning("takes effect after a restart", extra={"keys": ",".join(fixed)})
        self.settings = _named(settings)
        self._tell_warnings()
        await self.forward.reload(self.settings)
        await self._replan()
        log.info("configuration reloaded", extra={"instances": len(self.scheduler.runs)})
        return Reload()


def _named(settings: AgentSettings) -> AgentSettings:
    """The settings with the host name for an instance that has no name."""
    site = settings.core.site
    if site.instance:
        return settings
    fields = {name: getattr(site, name) for name in site.__struct_fields__}
    named = type(site)(**{**fields, "instance": socket.gethostname()})
    core_fields = {name: getattr(settings.core, name) for name in settings.core.__struct_fields__}
    return replace(settings, core=type(settings.core)(**{**core_fields, "site": named}))
