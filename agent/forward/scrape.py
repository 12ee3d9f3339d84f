"""Other exporters of the site: scraped as Prometheus would, carried through the same spool.

A windows_exporter or an application on the PC is read in the text format or OpenMetrics, its series get `job` and
`instance` of the target (a scraped label of that name becomes `exported_…`: honor_labels is off), `up` and the four
`scrape_…` series are added, and series that disappear get staleness markers, as do all of them when the target does not
answer. A target that says too much is refused as a whole. Times are those of the scrape, not what a target says of its
samples: the clock that it reads is often this PC's. Start times and the newest exemplar of a series ride along with 2.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.forward.expositions import ExemplarOf, Sample, parse
from agent.forward.intake import WAITS, Intake, describe, external_labels
from agent.forward.packing import STALE
from agent.forward.samples import Description, Exemplar
from agent.forward.tls import authorization, client_context, judge_of_dates
from agent.http_client import HttpClient
from agent.settings import Core, ScrapeTarget, TlsClient
from agent.tasks import spawn

if TYPE_CHECKING:
    from agent.clock import TrueClock

log = logging.getLogger(__name__)
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
FIRST_WITHIN = 2.0
LAST_SCRAPE = 0.4
"""Seconds for the scrape at a stop of the agent, so that the end of its data is the end of its life."""
REDIRECTS = 10
_JUST_AFTER = 0.001
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
AT_A_TIME = 500
"""Samples of a page that are read before others of the agent get their turn."""
_TIMES = 2.0**53
"""Seconds on either side of 1970 that a receiver can hold in milliseconds; what a target says may be any number."""


class ScrapeError(Exception):
    """The target could not be scraped; the message says why."""


class Target:
    """One exporter."""

    def __init__(self, settings: ScrapeTarget, core: Core, file: Callable[[str], Path], clock: TrueClock, intake: Intake) -> None:
        self._settings = settings
        self._file = file
        self._clock = clock
        self._intake = intake
        address = urllib.parse.urlsplit(settings.url)
        host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.hostname
        self.instance = f"{host}:{address.port or (443 if address.scheme == 'https' else 80)}"
        labels = {name: value for name, value in settings.labels.items() if value}
        own = {"job": settings.job, "instance": self.instance, **labels}
        self._external = {**external_labels(core), **own}
        self._own = own
        self._seen: dict[Description, float] = {}
        self._own_series: dict[Description, float] = {}
        self._created: dict[Description, int] = {}
        self._exemplars: dict[Description, tuple[ExemplarOf, float]] = {}
        self._last = float("-inf")
        self._scraped = 0
        self._told = False
        self._http = HttpClient(environ={})  # exporters stand in the site: no proxy, which Prometheus asks for none either
        self._trust: tuple[tuple[object, ...], ssl.SSLContext | None] = ((), None)

    async def run(self) -> None:
        """Scrape for ever: at once, so that the first request has it, and then on a grid that is this target's own."""
        loop = asyncio.get_running_loop()
        interval = self._settings.interval
        phase = zlib.crc32(f"{self._external}/{self._settings.url}".encode()) / 2**32
        due = loop.time() + phase * min(interval, FIRST_WITHIN)
        await self.scrape()
        while True:
            due = max(due + interval, loop.time())
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.scrape()

    async def scrape(self, *, last: bool = False) -> None:
        """Scrape once and hand the result to the spool.

        At a stop of the agent (`last`) a failure says nothing: where the computer itself goes down, the exporter may have gone first.
        """
        moment = max(self._clock.monotonic(), self._last + _JUST_AFTER)
        begin = time.perf_counter()
        found: dict[Description, float] = {}
        self._scraped = 0
        try:
            async with asyncio.timeout(self._settings.timeout):
                found = await self._take(parse(*await self._get()), moment)
            up = 1.0
            self._told = False
        except (OSError, ValueError, zlib.error, ScrapeError) as error:
            if last:
                return
            up = 0.0
            if not self._told:
                self._told = True
                facts = {"job": self._settings.job, "url": _bare(self._settings.url)}
                log.warning("not scraped", extra={**facts, "error": str(error) or type(error).__name__})
        new = sum(description not in self._seen for description in found)
        report = {
            "up": up,
            "scrape_duration_seconds": time.perf_counter() - begin,
            "scrape_samples_scraped": float(self._scraped),
            "scrape_samples_post_metric_relabeling": float(self._scraped),
            "scrape_series_added": float(new),
        }
        gone = dict.fromkeys((description for description in self._seen if description not in found), STALE)
        own = {describe(name, {}, self._external, type="gauge"): value for name, value in report.items()}
        self._intake.put(WAITS, moment, list((gone | found | own).items()))  # a page may say `up` too: ours counts
        self._seen, self._own_series, self._last = found, own, moment

    async def _get(self) -> tuple[str, str]:
        """The page and its content type; redirects are followed, with the password only to the same place."""
        settings = self._settings
        url = home = urllib.parse.urlsplit(settings.url)
        for _ in range(REDIRECTS):
            headers = {
                "User-Agent": f"commune-agent/{__version__}",
                "Accept": ACCEPT,
                "Accept-Encoding": "gzip",
                "X-Prometheus-Scrape-Timeout-Seconds": f"{settings.timeout:g}",
            }
            if settings.basic_auth is not None and url[:2] == home[:2]:
                headers |= authorization(settings.basic_auth, self._file)
            limit = int(settings.max_bytes)
            reply = await self._http.request(
                "GET",
                url.geturl(),
                headers,
                context=self._context(url.scheme),
                server_name=settings.tls.server_name if settings.tls is not None else None,
                limit=limit,
            )
            location = reply.head.get("location")
            if reply.status not in _REDIRECTED or location is None:
                break
            url = urllib.parse.urlsplit(urllib.parse.urljoin(url.geturl(), location))
        if reply.status != 200:
            message = f"HTTP {reply.status}"
            raise ScrapeError(message)
        body = reply.body
        if reply.head.get("content-encoding") == "gzip" and not reply.cut:
            body = _unpack(body, limit + 1)
        if reply.cut or len(body) > limit:
            message = f"more than {limit} bytes (max_bytes)"
            raise ScrapeError(message)
        return body.decode("utf-8"), reply.head.get("content-type") or ""

    def _context(self, scheme: str) -> ssl.SSLContext | None:
        """Made anew only when a file of it was, or when the clock came right or went wrong: a trust store is large."""
        if scheme != "https":
            return None
        tls = self._settings.tls or TlsClient()
        now = judge_of_dates(self._clock)
        files = (self._file(name).stat().st_mtime_ns for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        wanted = (now is None, self._clock.base is None, *files)
        if wanted != self._trust[0]:
            self._trust = wanted, client_context(tls, self._file, now)
        return self._trust[1]

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()

    async def _take(self, samples: Iterable[Sample], moment: float) -> dict[Description, float]:
        """Series with their values; a series that is told twice counts twice, and has its first value, as Prometheus has it."""
        found: dict[Description, float] = {}
        created: dict[Description, int] = {}
        exemplars: dict[Description, tuple[ExemplarOf, float]] = {}
        for sample in samples:
            self._scraped += 1
            if self._scraped % AT_A_TIME == 0:
                await asyncio.sleep(0)
            labels = self._exported(sample.labels)
            metadata = {"type": sample.type, "family": sample.family, "help": sample.help, "unit": sample.unit}
            description = describe(sample.name, labels, self._external, **metadata)
            if description in found:
                continue
            found[description] = sample.value
            if sample.created is not None and (start := _milliseconds(sample.created)) is not None:
                created[description] = start
            if sample.exemplar is not None:
                exemplars[description] = (sample.exemplar, moment)
            if len(found) > self._settings.max_series:
                message = f"more than {self._settings.max_series} series (max_series)"
                raise ScrapeError(message)
        self._created, self._exemplars = created, exemplars
        return found

    def _exported(self, labels: dict[str, str]) -> dict[str, str]:
        """The target's labels beside its `job`, `instance` and configured ones, which keep their names."""
        found = {name: value for name, value in labels.items() if name not in self._own}
        for name, value in labels.items():
            if name in self._own:
                other = f"exported_{name}"
                while other in labels or other in self._own or other in found:
                    other = f"exported_{other}"
                found[other] = value
        return found

    def created(self) -> dict[Description, int]:
        """When the present counters began to count, in milliseconds since 1970, as the target says."""
        return self._created

    def exemplars(self) -> dict[Description, tuple[int, Exemplar]]:
        """The last scrape's exemplars and its time, milliseconds since 1970; one without a time of its own has that one."""
        found = {}
        for series, ((labels, value, told), moment) in self._exemplars.items():
            scraped = round(self._clock.true_at(moment) * 1000)
            when = None if told is None else _milliseconds(told)
            found[series] = scraped, Exemplar(tuple(sorted(labels.items())), value, scraped if when is None else when)
        return found

    @property
    def identity(self) -> tuple[str, dict[str, str]]:
        """What makes the series of two settings those of one target."""
        return self._settings.url, self._external

    def end(self) -> None:
        """The markers of a target that is scraped no more."""
        now = max(self._clock.monotonic(), self._last + _JUST_AFTER)
        self._intake.put(WAITS, now, [(description, STALE) for description in self._seen | self._own_series])


class Scraper:
    """All targets of the section `scrape`."""

    def __init__(self, core: Core, file: Callable[[str], Path], clock: TrueClock, intake: Intake) -> None:
        self._parts = file, clock, intake
        self._targets = self._make(core)
        self._tasks: list[asyncio.Task[None]] = []

    def _make(self, core: Core) -> list[Target]:
        return [Target(settings, core, *self._parts) for settings in core.scrape.targets]

    async def start(self) -> None:
        """Begin scraping."""
        self._tasks = [spawn(target.run(), f"scrape {target.instance}") for target in self._targets]

    def exemplars(self) -> dict[Description, tuple[int, Exemplar]]:
        """As `Target.exemplars`, of all targets."""
        return {series: found for target in self._targets for series, found in target.exemplars().items()}

    def created(self) -> dict[Description, int]:
        """As `Target.created`, of all targets."""
        return {series: moment for target in self._targets for series, moment in target.created().items()}

    async def stop(self, following: Core | None) -> None:
        """End, with a last scrape that counts where it succeeds; targets that `following` does not name get their markers.

        A stop of the agent (None) leaves the targets as they are, as a stop of Prometheus does: the exporters go on, and
        will be scraped again.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._tasks:
            return
        if following is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LAST_SCRAPE):
                    await asyncio.gather(*(target.scrape(last=True) for target in self._targets), return_exceptions=True)
        else:
            kept = [target.identity for target in self._make(following)]
            for target in self._targets:
                if target.identity not in kept:
                    target.end()
        await asyncio.gather(*(target.close() for target in self._targets))


def _milliseconds(seconds: float) -> int | None:
    """A time that a target says, None where it is none."""
    return round(seconds * 1000) if abs(seconds) < _TIMES else None


def _unpack(packed: bytes, limit: int) -> bytes:
    """The first `limit` octets of what gzip packed, of all its members.

    Raises:
        ScrapeError: the end of it is missing.
        zlib.error: it is damaged.
    """
    found = b""
    while packed and len(found) < limit:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        found += member.decompress(packed, limit - len(found))
        if not member.eof and len(found) < limit:
            raise ScrapeError("the compressed page is incomplete")
        packed = member.unused_data
    return found


def _bare(url: str) -> str:
    """A URL without user, password and query."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
