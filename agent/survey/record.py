"""Records a spot with this computer's own radio: repeated scans, the median of each access point."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.locale import N_
from agent.survey.trouble import SurveyError
from collectors.machine import Machine
from collectors.probe.radio import Radio, has_wireless, open_radio
from collectors.probe.station import Station
from collectors.wire.ieee80211 import Bss

PAUSE = 2.0
"""Seconds between readings of others' scan results, where this process may not start a scan."""
ATTEMPTS = 3


class RecordError(SurveyError):
    """No spot can be recorded here; says why and what to do."""


Progress = Callable[[int, list[Bss]], None]


async def record(
    machine: Machine, scans: int, progress: Progress, interface: str = "auto", radio: Radio | None = None
) -> tuple[Station, list[list[Bss]], bool]:
    """Scan `scans` times.

    Returns:
        The radio used, what each scan heard, and whether the scans were started here (else: others' results were read).

    Raises:
        RecordError: there is no client radio, it is off, or it does not answer.
    """
    if radio is None:
        if not has_wireless(machine):
            raise RecordError(N_("this computer has no Wi-Fi interface; survey with one that has, or use `agent survey import`"))
        radio = open_radio(machine)
    try:
        stations = [one for one in await radio.stations() if interface in {"auto", one.interface}]
        station = max(stations, key=lambda one: (one.up, bool(one.ssid)), default=None)
        if station is None:
            raise RecordError(N_("there is no such Wi-Fi interface in client mode; see `iw dev`"))
        if not station.up:
            raise RecordError(
                N_("{interface} is switched off; switch it on (`rfkill unblock wifi`, `ip link set {interface} up`)"),
                interface=station.interface,
            )
        found = []
        may_scan = True
        for number in range(1, scans + 1):
            heard, may_scan = await _once(radio, station, may_scan=may_scan)
            found.append(heard)
            progress(number, heard)
    except OSError as error:
        raise RecordError(N_("the radio does not answer: {why}"), why=error.strerror or str(error)) from error
    else:
        return station, found, may_scan
    finally:
        await radio.close()


async def _once(radio: Radio, station: Station, *, may_scan: bool) -> tuple[list[Bss], bool]:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    earlier: float | None = None
    for attempt in range(ATTEMPTS if may_scan else 0):
        try:
            earlier = await radio.scan(station)
            break
        except PermissionError:
            may_scan = False
            break
        except OSError:
            if attempt + 1 == ATTEMPTS:
                raise
            await asyncio.sleep(PAUSE)
    if earlier is None:
        await asyncio.sleep(PAUSE)
        return await radio.heard(station), may_scan
    limit = loop.time() - begin + earlier + 0.5
    heard = await radio.heard(station)
    return [bss for bss in heard if bss.age <= limit], may_scan
