"""Other exporters of the site: scraped as Prometheus would, carried through the same spool.

A windows_exporter or an application on the PC is read in the text format or OpenMetrics, its series get `job` and
`instance` of the target (a scraped label of that name becomes `exported_…`: honor_labels is off), `up` and the four
`scrape_…` series are added, and series that disappear get staleness markers, as do all of them when the target does not
answer. A target that says too much is refused as a whole.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from agent.forward.intake import WAITS, Intake, describe, external_labels
from agent.forward.packing import STALE
from agent.forward.samples import Description
from agent.forward.tls import client_context
from agent.settings import BasicAuth, Core, ScrapeTarget
from agent.tasks import spawn

if TYPE_CHECKING:
    from agent.clock import TrueClock

log = logging.getLogger(__name__)
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
FIRST_WITHIN = 2.0
_JUST_AFTER = 0.001


class ScrapeError(Exception):
    """The target could not be scraped; the message says why."""


class Sample(NamedTuple):
    """One scraped sample and what its family says of it."""

    name: str
    labels: dict[str, str]
    value: float
    type: str
    family: str
    help: str
    unit: str


def parse(text: str, content_type: str) -> Iterator[Sample]:
    """Samples of a scrape, in the format that the content type names.

    Raises:
        ValueError: not that format.
    """
    if content_type.startswith("application/openmetrics-text"):
        from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: PLC0415  only where needed
    else:
        from prometheus_client.parser import text_string_to_metric_families  # noqa: PLC0415
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        kind = "" if family.type in {"unknown", "untyped"} else family.type
        for sample in family.samples:
            if not sample.name.endswith("_created") or not kind:
                name = f"{family.name}_total" if kind == "counter" else family.name
                yield Sample(sample.name, sample.labels, float(sample.value), kind, name, family.documentation, family.unit)


class Target:
    """One exporter."""

    def __init__(self, settings: ScrapeTarget, core: Core, file: Callable[[str], Path], clock: TrueClock, intake: Intake) -> None:
        self._settings = settings
        self._file = file
        self._clock = clock
        self._intake = intake
        address = urllib.parse.urlsplit(settings.url)
        self.instance = f"{address.hostname}:{address.port or (443 if address.scheme == 'https' else 80)}"
        own = {"job": settings.job, "instance": self.instance, **settings.labels}
        self._external = {**external_labels(core), **own}
        self._own = own
        self._seen: dict[Description, float] = {}
        self._last = float("-inf")
        self._told = False

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Scrape for ever, on a grid that is this target's own."""
        loop = asyncio.get_running_loop()
        interval = self._settings.interval
        phase = zlib.crc32(f"{self._external}/{self._settings.url}".encode()) / 2**32
        due = loop.time() + phase * min(interval, FIRST_WITHIN)
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            due = max(due + interval, loop.time())
            await self.scrape(session)

    async def scrape(self, session: aiohttp.ClientSession) -> None:
        """Scrape once and hand the result to the spool."""
        moment = max(self._clock.monotonic(), self._last + _JUST_AFTER)
        begin = time.perf_counter()
        found: dict[Description, float] = {}
        try:
            async with asyncio.timeout(self._settings.timeout):
                samples = parse(*await self._get(session))
            found = self._take(samples)
            up = 1.0
            self._told = False
        except (aiohttp.ClientError, OSError, ValueError, ScrapeError) as error:
            up = 0.0
            if not self._told:
                self._told = True
                facts = {"job": self._settings.job, "url": _bare(self._settings.url)}
                log.warning("not scraped", extra={**facts, "error": str(error) or type(error).__name__})
        scraped = len(found)
        new = sum(description not in self._seen for description in found)
        gone = [description for description in self._seen if description not in found]
        report = {
            "up": up,
            "scrape_duration_seconds": time.perf_counter() - begin,
            "scrape_samples_scraped": float(scraped),
            "scrape_samples_post_metric_relabeling": float(scraped),
            "scrape_series_added": float(new),
        }
        own = [(describe(name, {}, self._external, type="gauge"), value) for name, value in report.items()]
        self._intake.put(WAITS, moment, [*found.items(), *own, *((description, STALE) for description in gone)])
        self._seen, self._last = found, moment

    async def _get(self, session: aiohttp.ClientSession) -> tuple[str, str]:
        settings = self._settings
        headers = {"Accept": ACCEPT, "X-Prometheus-Scrape-Timeout-Seconds": f"{settings.timeout:g}"}
        auth = self._auth(settings.basic_auth)
        context = client_context(settings.tls, self._file) if settings.tls is not None else True
        async with session.get(settings.url, headers=headers, auth=auth, ssl=context) as response:
            if response.status != 200:
                message = f"HTTP {response.status}"
                raise ScrapeError(message)
            body = bytearray()
            async for chunk in response.content.iter_chunked(65536):
                body += chunk
                if len(body) > settings.max_bytes:
                    message = f"more than {int(settings.max_bytes)} bytes (max_bytes)"
                    raise ScrapeError(message)
            return body.decode("utf-8"), response.headers.get("Content-Type", "")

    def _auth(self, basic: BasicAuth | None) -> aiohttp.BasicAuth | None:
        if basic is None:
            return None
        if basic.password is not None:
            return aiohttp.BasicAuth(basic.username, str(basic.password), "utf-8")
        return aiohttp.BasicAuth(
            basic.username, self._file(basic.password_file or "").read_text(encoding="utf-8").strip(), "utf-8"
        )

    def _take(self, samples: Iterable[Sample]) -> dict[Description, float]:
        found: dict[Description, float] = {}
        for sample in samples:
            labels = {(f"exported_{name}" if name in self._own else name): value for name, value in sample.labels.items()}
            metadata = {"type": sample.type, "family": sample.family, "help": sample.help, "unit": sample.unit}
            found[describe(sample.name, labels, self._external, **metadata)] = sample.value
            if len(found) > self._settings.max_series:
                message = f"more than {self._settings.max_series} series (max_series)"
                raise ScrapeError(message)
        return found

    def end(self) -> None:
        """The markers of a clean stop, after every value once more."""
        if self._seen:
            now = max(self._clock.monotonic(), self._last + _JUST_AFTER)
            self._intake.put(WAITS, now, list(self._seen.items()))
            self._intake.put(WAITS, now + _JUST_AFTER, [(description, STALE) for description in self._seen])


class Scraper:
    """All targets of the section `scrape`."""

    def __init__(self, core: Core, file: Callable[[str], Path], clock: TrueClock, intake: Intake) -> None:
        self._targets = [Target(settings, core, file, clock, intake) for settings in core.scrape.targets]
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Begin scraping."""
        self._session = aiohttp.ClientSession(trust_env=True)
        self._tasks = [spawn(target.run(self._session), f"scrape {target.instance}") for target in self._targets]

    async def stop(self) -> None:
        """End, with staleness markers for what was scraped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for target in self._targets:
            target.end()
        if self._session is not None:
            await self._session.close()


def _bare(url: str) -> str:
    """A URL without user, password and query."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
