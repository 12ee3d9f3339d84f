"""What the agent says of itself and of the site's hours."""

import datetime

from agent import __version__, selfmon
from agent.selfmon import SelfMonitor
from collectors.machine import Machine, SystemClock
from collectors.model import Observations
from collectors.site import Site


class Tuesday(SystemClock):
    """Nine o'clock in Da Lat."""

    def true(self) -> float:
        return datetime.datetime(2026, 9, 1, 2, 0, tzinfo=datetime.UTC).timestamp()


async def test_heartbeat_hours_and_the_reports_of_the_parts() -> None:
    def report(found: Observations) -> None:
        found.set(selfmon.CLOCK_OFFSET, 0.25, "pool.ntp.org")

    site = Site(name="Phường Xuân Hương", zone="Quầy 1", role="sensor")
    reading = await SelfMonitor(Machine(clock=Tuesday()), site, [report]).collect()
    values = {(item.metric.name, *item.labels): item.value for item in reading.observations}
    info = next(key for key in values if key[0] == "commune_agent_info")
    assert (info[1], info[4]) == (__version__, "sensor")
    assert values["commune_agent_heartbeat_timestamp_seconds",] == Tuesday().true()
    assert values["commune_site_info", "Phường Xuân Hương", "Quầy 1"] == 1
    assert values["commune_site_open",] == 1
    assert values["commune_agent_clock_offset_seconds", "pool.ntp.org"] == 0.25
