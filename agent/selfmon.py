"""The agent about itself: who it is, that it lives, how its collectors, its clock and its spool do; and the site's hours."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from agent import __version__
from agent.hours import parse_hours
from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, counter, gauge, info
from collectors.site import Site

AGENT_INFO = info("commune_agent_info", "The agent that runs here.", "version", "python", "platform", "role")
HEARTBEAT = gauge("commune_agent_heartbeat_timestamp_seconds", "When the agent last said that it lives.", urgent=True)
COLLECTOR_SUCCESS = gauge(
    "commune_agent_collector_success",
    "1 when every instance of the kind ran to an answer (an unreachable target is one).",
    "collector",
)
COLLECTOR_DURATION = gauge("commune_agent_collector_duration_seconds", "Time of the slowest last run of the kind.", "collector")
COLLECTOR_LAST_SUCCESS = gauge(
    "commune_agent_collector_last_success_timestamp_seconds", "When the kind last ran to an answer everywhere.", "collector"
)
CLOCK_OFFSET = gauge("commune_agent_clock_offset_seconds", "This computer's clock minus true time.", "source")
SPOOL_BYTES = gauge("commune_agent_spool_bytes", "Size of the spool on disk.")
SPOOL_PENDING = gauge("commune_agent_spool_pending_samples", "Samples that the province does not have yet.")
SPOOL_OLDEST = gauge("commune_agent_spool_oldest_timestamp_seconds", "Time of the oldest sample that is still to be sent.")
REMOTE_WRITE_SAMPLES = counter("commune_agent_remote_write_samples_total", "Samples that left the spool, by result.", "result")
REMOTE_WRITE_RETRIES = counter("commune_agent_remote_write_retries_total", "Requests that had to be sent again.")
GAP_SECONDS = counter("commune_agent_gap_seconds_total", "Time without data, by reason.", "reason")
SITE_INFO = info("commune_site_info", "The site's name and the zone where this computer stands.", "name", "zone")
SITE_OPEN = gauge("commune_site_open", "1 during the centre's service hours.")
METRICS = (
    AGENT_INFO,
    HEARTBEAT,
    COLLECTOR_SUCCESS,
    COLLECTOR_DURATION,
    COLLECTOR_LAST_SUCCESS,
    CLOCK_OFFSET,
    SPOOL_BYTES,
    SPOOL_PENDING,
    SPOOL_OLDEST,
    REMOTE_WRITE_SAMPLES,
    REMOTE_WRITE_RETRIES,
    GAP_SECONDS,
    SITE_INFO,
    SITE_OPEN,
)
HEARTBEAT_INTERVAL = 20.0

Report = Callable[[Observations], None]
"""Adds a part's own observations (scheduler, clock, spool, remote write) to the agent's reading."""


class SelfMonitor(Collector):
    """The one instance of kind `agent`: the heartbeat, and what the agent's parts report of themselves."""

    kind = "agent"

    def __init__(self, machine: Machine, site: Site, reports: list[Report]) -> None:
        super().__init__("", interval=HEARTBEAT_INTERVAL, identity=site)
        self._machine = machine
        self._site = site
        hours = site.service_hours
        self._hours = parse_hours(hours.week, hours.closed, hours.open, hours.timezone)
        self._reports = reports
        self._facts: tuple[Any, ...] = (__version__, platform.python_version(), platform.system().lower(), site.role)

    async def collect(self) -> Reading:
        """Say what is known now."""
        found = Observations()
        now = self._machine.clock.true()
        found.set(AGENT_INFO, 1.0, *self._facts)
        found.set(HEARTBEAT, now)
        found.set(SITE_INFO, 1.0, self._site.name, self._site.zone)
        found.set(SITE_OPEN, float(self._hours.is_open(now)))
        for report in self._reports:
            report(found)
        return Reading(self.kind, self.target, self._machine.clock.monotonic(), found.items)
