"""Sends the spool to the province by Prometheus remote write: live data first, the backlog beside it, nothing twice at once.

One request is under way at a time. What needs no haste goes every few minutes, urgent changes and the heartbeat at
once; what is older is the backlog and goes in between, oldest first, at a bounded rate. A receiver that takes no late
samples is noticed, and then gets everything in order. Rows leave the spool when their fate is known: accepted, or
refused by a receiver that can never take them (docs/adr/043-remote-write.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent import selfmon
from agent.clock import TrueClock
from agent.forward.gaps import Ledger
from agent.forward.intake import WAITS, Intake
from agent.forward.remote.client import AgainError, Answer, Client, Outcome
from agent.forward.remote.split import Columns, Splitter, pieces, samples_of
from agent.forward.samples import Description, Exemplar
from agent.forward.spool import Parcel, Spool
from agent.settings import RemoteWriteSettings
from collectors.model import Observations

if TYPE_CHECKING:
    from agent.forward.scrape import Scraper

log = logging.getLogger(__name__)
FIRST_BATCHES = (4.0, 20.0)
"""Seconds after the start when the first batches go, so that a new site shows up at once."""
BACKOFF, BACKOFF_MAX = 0.5, 30.0
WRONG_ADDRESS_WAIT = 60.0
UNPROVEN_WAIT = 10.0
TIME_WAIT = 4.0
DATELESS_WAIT = 1800.0
"""Seconds for which a receiver without a usable `Date` is not sent to while no time server answers."""
NO_LANES_BELOW = 20.0
"""Where batches are as frequent as heartbeats, an urgent request takes along what waits: fewer requests, all in order of time."""
LIVE_BATCHES = 2.0
SHORTEST_LIVE = 60.0
"""What is older than two batches, and than these seconds, is the backlog."""
LAST_WORDS = 0.6
DESCRIBE_EVERY = 3600.0
MOST_DESCRIBED = 5000
"""Series come and go over months: which ones were described is forgotten when there are more."""
TELL_REFUSED_EVERY = 600.0
SAME_SCRAPE = 500
"""Milliseconds by which the estimate of true time may have moved since a scrape: exemplars go with the samples of theirs."""
STRICT = "receiver_takes_no_late_samples"
STRICT_FOR = 7 * 86400.0


@dataclass(slots=True)
class Counts:
    """What became of samples and requests since the start."""

    accepted: int = 0
    rejected: int = 0
    expired: int = 0
    retries: int = 0


@dataclass(slots=True)
class _Due:
    """When to send what: moments of the loop's clock."""

    batch: float
    lane: int | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class RemoteWriter:
    """Sends one spool to one receiver."""

    def __init__(
        self,
        spool: Spool,
        intake: Intake,
        clock: TrueClock,
        ledger: Ledger,
        *,
        settings: RemoteWriteSettings,
        client: Client,
        seed: str,
    ) -> None:
        self._spool = spool
        self._intake = intake
        self._clock = clock
        self._ledger = ledger
        self._settings = settings
        self._client = client
        self._splitter = Splitter(self._post)
        self._phase = zlib.crc32(seed.encode()) / 2**32
        self._first = [min(wait, settings.interval) for wait in FIRST_BATCHES]
        self._due = _Due(asyncio.get_running_loop().time() + self._first.pop(0))
        self._backlog_at = self._due.batch
        self._late: Parcel | None = None
        self._late_pieces: list[Columns] = []
        """What is left to send of `_late`, from the last one on: live data goes between."""
        self._failures = 0
        self._described: dict[Description, float] = {}
        self._proven = False
        self._told: str | None = None
        self._told_refused = float("-inf")
        self._untold = 0
        self._strict = False
        self._noted_strict: str | None = None
        """When that was noted before the start, in seconds since 1970: told apart from long ago once the time is known."""
        self._dateless_since: float | None = None
        self.counts = Counts()
        self.scraper: Scraper | None = None
        """Knows what the spool does not keep of other exporters: start times, and the newest exemplars."""

    def wake(self, lane: int) -> None:
        """Something that must not wait was taken: its lane."""
        due = self._due
        due.lane = lane if due.lane is None else min(due.lane, lane)
        due.wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        with contextlib.suppress(sqlite3.Error):
            self._noted_strict = await self._spool.note(STRICT)
        while True:
            try:
                busy = await self._step()
            except AgainError as again:
                self._let_go()
                await self._pause(again)
                continue
            except Exception:
                log.exception("sending failed")
                self._let_go()
                await self._pause(AgainError("a mistake of the agent's own"))
                continue
            if not busy:
                await self._sleep()

    def _let_go(self) -> None:
        self._spool.let_go()
        self._late_pieces.clear()

    async def _sleep(self) -> None:
        loop = asyncio.get_running_loop()
        until = self._due.batch
        if self._backlog_waits():
            until = min(until, max(self._backlog_at, loop.time() + 0.05))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._due.wake.wait()
        self._due.wake.clear()

    def _backlog_waits(self) -> bool:
        oldest = self._spool.totals.oldest
        return oldest is not None and oldest < self._live_since()

    def _live_since(self) -> int:
        return round((self._clock.true() - max(SHORTEST_LIVE, LIVE_BATCHES * self._settings.interval)) * 1000)

    async def _pause(self, again: AgainError) -> None:
        """Wait out a failure; nothing that happens meanwhile shortens it."""
        self._failures += 1
        self.counts.retries += again.counts
        delay = min(BACKOFF_MAX, BACKOFF * 2 ** min(self._failures - 1, 10)) * random.uniform(0.9, 1.1)  # noqa: S311  not a secret
        if again.wait is not None:
            delay = max(again.wait, BACKOFF)
        if self._told != again.why:
            self._told = again.why
            log.warning(
                "province not reached, keeping samples", extra={"reason": again.why, "pending": self._spool.totals.samples}
            )
        await asyncio.sleep(delay)

    async def _step(self) -> bool:
        """Do the most urgent thing; tell whether there was one."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now < self._due.batch and self._due.lane is None and not self._backlog_waits():
            return False
        if self._clock.base is None and not await self._learn_time():
            return False
        if self._noted_strict is not None:
            self._strict = self._clock.true() - float(self._noted_strict) < STRICT_FOR
            self._noted_strict = None
        if now >= self._due.batch:
            self._intake.repeat(min(30.0, self._settings.interval / 2))
            self._plan_batch(now)
            self._due.lane = WAITS
        if self._strict and self._late_pieces:  # begun before that was known: what is left of them must not go twice
            return await self._send_backlog()
        lane = self._due.lane
        if lane is not None or (self._strict and self._backlog_waits()):
            return await self._send_lane(WAITS if lane is None else lane)
        if self._backlog_waits() and now >= self._backlog_at:
            return await self._send_backlog()
        return False

    async def _send_lane(self, lane: int) -> bool:
        """Send the oldest of what is due; of the live data, or of everything where the receiver wants it in order."""
        self._due.lane = None
        lane = WAITS if self._settings.interval < NO_LANES_BELOW else lane
        since, lane = (None, WAITS) if self._strict else (self._live_since(), lane)
        parcel = await self._spool.fetch(since=since, lane=lane, limit=self._client.chunk, hold=True)
        if parcel is None:
            if self._strict:
                await self._spool.maintain(self._clock.true())
            return not self._strict
        try:
            for piece in reversed(pieces(parcel.batch.columns, self._client.chunk)):
                await self._send(piece)
            await self._spool.delivered(parcel)
        finally:
            self.wake(lane)  # there may be more, and what could not be sent is still due
        return True

    async def _send_backlog(self) -> bool:
        """Send a piece of the oldest rows; one that a thin line carries in seconds, since live data waits meanwhile."""
        rate = self._settings.backlog_samples_per_second
        now = asyncio.get_running_loop().time()
        most = min(self._client.chunk, rate)
        if not self._late_pieces:
            self._late = await self._spool.fetch(before=self._live_since(), limit=most, hold=True)
            self._late_pieces = [] if self._late is None else pieces(self._late.batch.columns, self._client.chunk)
        busy = bool(self._late_pieces)
        if busy:
            await self._send(self._late_pieces[-1], late=True)
            self._backlog_at = max(self._backlog_at, now) + samples_of(self._late_pieces.pop()) / rate
        if busy and self._late is not None and not self._late_pieces:
            await self._spool.delivered(self._late)
        await self._spool.maintain(self._clock.true())
        return busy

    def _plan_batch(self, now: float) -> None:
        """The next batch: twice soon after the start, then on a grid of true time that is this agent's own."""
        if self._first:
            self._due.batch = now + self._first.pop(0)
            return
        interval = self._settings.interval
        offset = (self._clock.true() / interval - self._phase) % 1.0
        self._due.batch = now + interval * (1.0 - offset if offset < 0.75 else 2.0 - offset)

    async def _learn_time(self) -> bool:
        """Before anything is sent, hear the time from the receiver if nobody else told it; True when samples may go."""
        answered = await self._client.hear_time(self._clock)
        if answered:
            self._clock.trust_gateways()
        if self._clock.base is not None:
            await asyncio.sleep(0)  # the spool corrects its rows first: its thread is asked before this task asks it
            return True
        now = self._clock.monotonic()
        if answered and self._dateless_since is None:
            self._dateless_since = now
        if answered and self._dateless_since is not None and now - self._dateless_since > DATELESS_WAIT:
            log.warning("nobody tells the time: trusting this computer's clock")
            self._clock.set_base(self._clock.wall_base, "none")
            return True
        raise AgainError("the time is not known yet", wait=TIME_WAIT, counts=0)

    async def _send(self, columns: Columns, *, late: bool = False) -> None:
        answer = await self._post(columns)
        accepted = answer.accepted
        if answer.outcome is Outcome.REFUSED:
            if not self._proven:
                self._proven = True  # next time it is searched; until then the address itself may be wrong
                raise AgainError("refused: " + answer.detail, wait=UNPROVEN_WAIT)
            split = await self._splitter.search(columns, answer.detail, in_order=self._strict)
            accepted = split.accepted
            await self._tell_refused(split.rejected, split.span, split.detail, late=late)
        elif answer.accepted < (samples := samples_of(columns)):
            times = [time for column, _ in columns.values() for time in (column[0], column[-1])]
            await self._tell_refused(samples - accepted, (min(times), max(times)), answer.detail, late=late)
        self.counts.accepted += accepted
        self._proven = self._proven or accepted > 0
        self._failures = 0
        if self._told is not None and accepted:
            self._told = None
            totals = await self._spool.maintain(self._clock.true())
            log.info("province reached", extra={"pending": totals.samples})

    async def _tell_refused(self, samples: int, span: tuple[int, int], why: str, *, late: bool) -> None:
        self.counts.rejected += samples
        if not samples:
            return
        now = asyncio.get_running_loop().time()
        self._untold += samples
        if now - self._told_refused >= TELL_REFUSED_EVERY:  # a receiver may refuse something of every batch, for months
            log.warning("samples refused by the province", extra={"samples": self._untold, "reason": why})
            self._told_refused, self._untold = now, 0
        self._ledger.lost("refused", span[0] / 1000, span[1] / 1000, why)
        lowered = why.lower()
        if late and not self._strict and ("out of order" in lowered or "out of bounds" in lowered):
            self._strict = True
            log.error(
                "the province takes no late samples: set storage.tsdb.out_of_order_time_window there (30d); sending in order until then",
                extra={"reason": why},
            )
            await self._spool.set_note(STRICT, str(self._clock.true()))

    async def _post(self, columns: Columns) -> Answer:
        """One request; returns what the receiver took or refused.

        Raises:
            AgainError: it must be sent again later.
        """
        now = asyncio.get_running_loop().time()
        describe = {one for one in columns if now - self._described.get(one, float("-inf")) >= DESCRIBE_EVERY}
        created = self._intake.created()
        exemplars: dict[Description, Exemplar] = {}
        if self.scraper is not None:
            created |= self.scraper.created()
            found = self.scraper.exemplars().items()
            exemplars = {one: what for one, (at, what) in found if one in columns and columns[one][0][-1] > at - SAME_SCRAPE}
        answer = await self._client.post(columns, created, describe=describe, exemplars=exemplars)
        self._clock.hear_date(answer.date, answer.sent, answer.received)
        if answer.outcome is Outcome.AGAIN:
            raise AgainError(answer.detail, wait=answer.wait)
        if answer.outcome is Outcome.HELD:
            raise AgainError(answer.detail, wait=WRONG_ADDRESS_WAIT)
        if answer.outcome is Outcome.TAKEN:
            if len(self._described) > MOST_DESCRIBED:
                self._described.clear()
            self._described.update(dict.fromkeys(describe, now))
        return answer

    async def flush(self) -> None:
        """At a clean stop: send what is waiting now, within `LAST_WORDS` seconds; where that fails, it is not tried again."""
        self._due.lane = WAITS
        self._due.batch = float("inf")
        try:
            async with asyncio.timeout(LAST_WORDS):
                while self._clock.base is not None and self._due.lane is not None and not self._failures:
                    await self._step()
        except (TimeoutError, AgainError):
            self._failures += 1

    async def finish(self) -> None:
        """The last words, and the end."""
        await self.flush()
        await self._client.close()

    def report(self, found: Observations) -> None:
        """The agent's own metrics about sending."""
        counts = self.counts
        for result in ("accepted", "rejected", "expired"):
            found.set(selfmon.REMOTE_WRITE_SAMPLES, float(getattr(counts, result)), result)
        found.set(selfmon.REMOTE_WRITE_RETRIES, float(counts.retries))
