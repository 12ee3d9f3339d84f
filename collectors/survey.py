"""survey: what the coverage surveys in the agent's state directory found, so that Prometheus and Grafana show it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason, gauge
from collectors.site import Context, Settings, seconds
from collectors.wire.survey_file import Visit, latest, read
from collectors.wire.units import Duration

SERIES = ("zone", "ssid", "band")
SIGNAL = gauge(
    "commune_survey_signal_dbm", "Signal of the site's network at the last survey: median of the zone's spots.", *SERIES
)
TIMESTAMP = gauge("commune_survey_timestamp_seconds", "When the zone was last surveyed for the network.", *SERIES)
METRICS = (SIGNAL, TIMESTAMP)
_MAX_BYTES = 32 * 2**20


class SurveySettings(Settings, frozen=True):
    """Section `survey`; without a directory, `surveys` in the agent's state directory."""

    interval: Duration = seconds(60)
    directory: str | None = None


class SurveyCollector(Collector):
    """All survey files of one folder, read again only when one of them changed."""

    kind = "survey"

    def __init__(self, settings: SurveySettings, folder: Path | None, machine: Machine) -> None:
        super().__init__("", interval=settings.interval, identity=(settings, folder))
        self._folder = folder
        self._machine = machine
        self._seen: tuple[tuple[str, int, int], ...] | None = None
        self._found = Observations()
        self._detail = ""

    async def collect(self) -> Reading:
        """Look for changed files."""
        now = self._machine.clock.monotonic()
        files = await asyncio.to_thread(self._files)
        if not files:
            self._seen = None
            return Reading(self.kind, self.target, now, (), Reason.NOT_SUPPORTED, "no survey was recorded here")
        if files != self._seen:
            self._found, self._detail = await asyncio.to_thread(self._read, [name for name, _, _ in files])
            self._seen = files
        reason = Reason.MALFORMED if self._detail else None
        return Reading(self.kind, self.target, now, self._found.items, reason, self._detail)

    def _files(self) -> tuple[tuple[str, int, int], ...]:
        if self._folder is None or not self._folder.is_dir():
            return ()
        stats = [(str(file), file.stat()) for file in sorted(self._folder.glob("*.jsonl"))]
        return tuple((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats if stat.st_size <= _MAX_BYTES)

    @staticmethod
    def _read(names: list[str]) -> tuple[Observations, str]:
        visits: list[Visit] = []
        details = []
        for name in names:
            try:
                visits += read(Path(name).read_text(encoding="utf-8-sig", errors="replace"), name)
            except (OSError, ValueError) as error:
                details.append(str(error))
        return observations(visits), "; ".join(details)


def observations(visits: list[Visit]) -> Observations:
    """The series of a survey; where a network was not heard in a band, or nobody knows how well, there is a time and no signal."""
    signals: dict[tuple[str, str, str], list[float]] = {}
    times: dict[tuple[str, str, str], float] = {}
    spots = latest(visits)
    heard_bands = {(heard.ssid, heard.band) for visit in spots for heard in visit.heard if heard.band}
    for visit in spots:
        for ssid, band in heard_bands:
            if ssid not in visit.ssids:
                continue
            key = (visit.zone, ssid, band)
            times[key] = max(times.get(key, 0.0), visit.time)
            best = visit.best(ssid, band)
            if best is not None and best.signal_dbm is not None:
                signals.setdefault(key, []).append(best.signal_dbm)
    from statistics import median  # noqa: PLC0415  where there is no survey, 0.3 MiB

    found = Observations()
    for key in sorted(times):
        found.set(SIGNAL, median(signals[key]) if key in signals else None, *key)
        found.set(TIMESTAMP, times[key], *key)
    return found


def build(settings: SurveySettings, context: Context) -> list[Collector]:
    """One instance for the folder of this agent's surveys."""
    folder = Path(settings.directory) if settings.directory else context.state_dir / "surveys" if context.state_dir else None
    return [SurveyCollector(settings, folder, context.machine)]
