"""One device, polled: recognised at the first answer, explored now and then, read every time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from collectors.families import (
    DEVICE_BOOT,
    DEVICE_INFO,
    DEVICE_UP,
    DEVICE_ZONE,
    INTERFACE_SPEED,
    MOBILE_COVERAGE,
    MOBILE_REGISTERED,
    MOBILE_RSRP,
    RECEIVE_BYTES,
    TRANSMIT_BYTES,
)
from collectors.machine import Machine
from collectors.model import Collector, Emit, Observation, Observations, Reading, Reason
from collectors.probe.ports import Count, Ports
from collectors.probe.snmp import Conversation, Limits, SnmpSessions
from collectors.probe.snmp_client import Peer, SnmpError, Value
from collectors.site import Coverage
from collectors.snmp import events, identify
from collectors.snmp.convert import text
from collectors.snmp.identify import Identity
from collectors.snmp.layout import Layout, build, explore, nothing, observe, read_rows
from collectors.snmp.library import Library, library, version
from collectors.snmp.metrics import ERRORS
from collectors.snmp.profile import Table, placed
from collectors.snmp.traps import Switchboard

_asking: set[asyncio.Task[None]] = set()

EXPLORE_EVERY = 60
"""Polls after which a device is explored anew although nothing told of a change."""
BOOT_JITTER = 10.0
"""Seconds by which a start time may wander (rounding, delays) before it is believed to be another start."""
SETTLE = 2.0
"""Seconds after a trap until the device is asked: it may itself need a moment to know."""
RESERVE = 2.0
"""Seconds of the deadline that are kept for handing on what was read."""


class SnmpDeviceCollector(Collector):
    """Polls one device.

    Args:
        target: the device's name.
        peer: how to ask it.
        sessions: what all devices share.
        board: hands over the traps of this device; None where none are received.
        profile: a profile's name, or "auto".
        zone: where the device stands; None where nobody said.
        ports: is told of the interfaces named in `watched`.
        coverage: what the signal of its modem is worth.
    """

    kind: ClassVar[str] = "snmp"

    def __init__(
        self,
        target: str,
        peer: Peer,
        sessions: SnmpSessions,
        machine: Machine,
        *,
        interval: float,
        profile: str = "auto",
        directory: Path | None = None,
        board: Switchboard | None = None,
        zone: str | None = None,
        ports: Ports | None = None,
        watched: frozenset[str] = frozenset(),
        coverage: Coverage = Coverage(),  # noqa: B008  immutable
    ) -> None:
        self._profiles = (directory, version(directory))
        super().__init__(target, interval=interval, identity=(peer, profile, self._profiles, zone, watched, coverage))
        self._peer = peer
        self._sessions = sessions
        self._machine = machine
        self._wanted = profile
        self._zone = zone
        self._ports = ports
        self._watched = watched
        self._coverage = coverage
        self._limits = Limits()
        self._layout: Layout | None = None
        self._device = Identity()
        self._marks: tuple[object, ...] = ()
        self._polls = 0
        self._uptime = 0.0
        self._boot: float | None = None
        self._errors: dict[Reason, float] = {}
        self._board = board
        self._emit: Emit | None = None
        self._last: Reading | None = None
        self._again: asyncio.TimerHandle | None = None
        self._busy = asyncio.Lock()

    async def start(self, emit: Emit) -> None:
        """Be there for traps of this device."""
        self._emit = emit
        if self._board is not None:
            self._board.register(self._peer.address, self.target, self.hear)

    async def stop(self) -> None:
        """Leave."""
        self._emit = None
        if self._again is not None:
            self._again.cancel()
        if self._board is not None:
            self._board.leave(self._peer.address, self.target)

    def hear(self, oid: str, variables: Mapping[str, Value]) -> None:
        """A trap of this device: change at once what it says, and ask the device soon."""
        known = events.effect(oid)
        if known is not None and known.metric is not None and self._last is not None and self._emit is not None:
            index = events.if_index(variables) if known.subject == "interface" else None
            name = self._layout.interface(index) if self._layout is not None and index is not None else None
            if known.subject == "device" or name is not None:
                labels = (self.target,) if name is None else (self.target, name)
                told = [item for item in self._last.observations if item[:2] != (known.metric, labels)]
                told.append(Observation(known.metric, labels, known.value))
                self._last = replace(self._last, taken=self._machine.clock.monotonic(), observations=told)
                self._emit(self._last)
        if self._again is None and self._emit is not None:
            self._again = asyncio.get_running_loop().call_later(SETTLE, self._ask_again)

    def _ask_again(self) -> None:
        self._again = None
        task = asyncio.get_running_loop().create_task(self._ask(), name=f"snmp/{self.target}/after a trap")
        _asking.add(task)
        task.add_done_callback(_asking.discard)

    async def _ask(self) -> None:
        if not self._busy.locked():
            reading = await self.collect()
            if self._emit is not None:
                self._emit(reading)

    async def collect(self) -> Reading:
        """Poll; what was read when time runs out is kept."""
        async with self._busy:
            self._last = await self._collect()
            return self._last

    async def _collect(self) -> Reading:
        taken = self._machine.clock.monotonic()
        found = Observations()
        try:
            async with self._sessions.talk(self._peer, self._limits) as talk:
                reason, detail = await self._poll(talk, found)
                for fault, count in talk.faults.items():
                    self._errors[fault] = self._errors.get(fault, 0.0) + count
        except SnmpError as error:
            return self._silent(taken, error.reason, str(error))
        self._own(found)
        self._cover(found)
        self._tell_ports(taken, found)
        return Reading(self.kind, self.target, taken, found.items, reason, detail)

    def _tell_ports(self, taken: float, found: Observations) -> None:
        """Hand on the counters of the ports that carry an uplink."""
        if self._ports is None or not self._watched:
            return
        wanted = {RECEIVE_BYTES, TRANSMIT_BYTES, INTERFACE_SPEED}
        values = {
            (item.metric, item.labels[1]): item.value
            for item in found.items
            if item.metric in wanted and isinstance(item.value, float)
        }
        for port in self._watched:
            received, sent, speed = (values.get((metric, port)) for metric in (RECEIVE_BYTES, TRANSMIT_BYTES, INTERFACE_SPEED))
            if received is not None or sent is not None:
                self._ports.take(self.target, port, Count(taken, received, sent, speed))

    def _cover(self, found: Observations) -> None:
        """Judge each modem by what was read of it."""
        wanted = {MOBILE_RSRP, MOBILE_REGISTERED}
        told = {item[:2]: item.value for item in found.items if item.metric in wanted and isinstance(item.value, float)}
        for modem in dict.fromkeys(labels for _, labels in told):
            rsrp, registered = told.get((MOBILE_RSRP, modem)), told.get((MOBILE_REGISTERED, modem))
            state = self._coverage.state(rsrp, registered=None if registered is None else bool(registered))
            if state is not None:
                found.set(MOBILE_COVERAGE, 1.0, *modem, state)

    def _own(self, found: Observations) -> None:
        """What is told of a device whether it answers or not."""
        if self._zone:
            found.set(DEVICE_ZONE, 1.0, self.target, self._zone)
        for reason, count in self._errors.items():
            found.set(ERRORS, count, self.target, reason.value)

    def _silent(self, taken: float, reason: Reason, detail: str) -> Reading:
        found = Observations()
        found.set(DEVICE_UP, 0.0, self.target)
        self._errors[reason] = self._errors.get(reason, 0.0) + 1.0
        self._own(found)
        self._marks = ()  # it may be another device, or have another layout, when it is back
        return Reading(self.kind, self.target, taken, found.items, reason, detail)

    async def _poll(self, talk: Conversation, found: Observations) -> tuple[Reason | None, str]:
        answers: dict[str, Value] = {}
        reason: Reason | None = None
        detail = ""
        try:
            async with asyncio.timeout(max(self.deadline - RESERVE, self.deadline / 2)):
                await talk.open()
                about = await identify.system(talk)
                found.set(DEVICE_UP, 1.0, self.target)
                if self._changed(about):
                    self._layout = None
                if self._layout is None or self._polls >= EXPLORE_EVERY:
                    await self._recognise(talk, about)
                self._system(about, found)
                assert self._layout is not None  # noqa: S101  made above
                try:
                    async with asyncio.timeout(self.deadline / 2):
                        await explore(talk, self._layout, self.target)
                except TimeoutError:
                    pass  # the rest at the next poll
                except SnmpError as error:  # a table that it does not answer is no reason not to ask for the others
                    reason, detail = error.reason, str(error)
                # Before the first answers, what a layout asks for may not be there.
                await talk.get(self._layout.objects(), answers, unsure=not self._polls)
                if self._layout.pruned < len(self._layout.cells):
                    self._layout.prune(answers)
                self._polls += 1
                for table in self._layout.rewalked():
                    found.items += await self._changing(talk, table)
        except TimeoutError:
            reason, detail = (
                Reason.DEADLINE,
                f"{self._peer.address}: the poll was not complete after {self.deadline - RESERVE:g} s",
            )
        except SnmpError as error:
            reason, detail = error.reason, str(error)
        if self._layout is not None and answers:
            found.items += observe(self._layout.told(), answers)
        if reason is not None:
            if not found.items:
                raise SnmpError(Reason.TIMEOUT if reason is Reason.DEADLINE else reason, detail)
            talk.fault(reason)
            # The device answers, if not everything: an answer, no failure of ours.
            reason = Reason.TIMEOUT if reason is Reason.DEADLINE else reason
        return reason, detail

    def _changed(self, about: Mapping[str, Value]) -> bool:
        """What is known of the device may be wrong: it never was asked, started anew, or says that something changed."""
        marks = tuple(
            about.get(oid)
            for oid in (
                identify.SYS_DESCR,
                identify.SYS_OBJECT_ID,
                identify.IF_NUMBER,
                identify.IF_LAST_CHANGE,
                identify.ENTITY_LAST_CHANGE,
            )
        )
        uptime = identify.uptime(about) or 0.0
        changed = self._layout is None or marks != self._marks or uptime < self._uptime
        self._marks, self._uptime = marks, uptime
        return changed

    async def _recognise(self, talk: Conversation, about: Mapping[str, Value]) -> None:
        profiles: Library = await asyncio.to_thread(library, *self._profiles)
        # One that is asked for by name may be missing while a file of the site's is broken.
        name = self._wanted if self._wanted in profiles.names() else await identify.choose(talk, profiles, about)
        profile = profiles.get(name)
        self._device = await identify.identify(talk, name, profile, about)
        before = self._layout and Layout(cells=self._layout.told(), changing=self._layout.rewalked())
        tables = placed(profile.tables, text(about.get(identify.SYS_OBJECT_ID)).lstrip("."))
        self._layout = Layout(pending=tables, before=before)
        self._polls = 0

    def _system(self, about: Mapping[str, Value], found: Observations) -> None:
        who = self._device
        sysname = text(about.get(identify.SYS_NAME))
        found.set(DEVICE_INFO, 1.0, self.target, who.vendor, who.model, who.version, who.serial, sysname, who.profile)
        uptime = identify.uptime(about)
        if uptime is not None:
            boot = self._machine.clock.true() - uptime
            if self._boot is None or abs(boot - self._boot) > BOOT_JITTER:
                self._boot = round(boot)
            found.set(DEVICE_BOOT, self._boot, self.target)

    async def _changing(self, talk: Conversation, table: Table) -> list[Observation]:
        rows, present = await read_rows(talk, table)
        if not rows:
            return nothing(table, self.target)
        cells = build(table, rows, self.target, present)
        objects = list(dict.fromkeys(oid for cell in cells for oid in cell.objects.values()))
        return observe(cells, await talk.get(objects, unsure=True))
