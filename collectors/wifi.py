"""wifi: the link, the networks heard, and whether the zone where this computer stands is covered."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from collectors.families import ZONE_DEAD, ZONE_SIGNAL, ZONES
from collectors.machine import Machine
from collectors.model import VALIDITY, Collector, Observations, Reading, Reason, counter, gauge, info
from collectors.probe.radio import Radio, has_wireless, open_radio
from collectors.probe.station import WAIT_FOR_SCAN, Station
from collectors.probe.wifi_known import known_ssids
from collectors.site import Context, Settings, seconds
from collectors.wire.ieee80211 import Bss, overlaps
from collectors.wire.units import Duration

log = logging.getLogger(__name__)

BSS = ("ssid", "bssid", "band")
BSS_SIGNAL = gauge("commune_wifi_bss_signal_dbm", "Signal of one of the site's own access points here.", *BSS)
BSS_CHANNEL = gauge("commune_wifi_bss_channel", "Primary channel of one of the site's own access points.", *BSS)
BSS_LOAD = gauge("commune_wifi_bss_load_ratio", "Channel utilization as the access point reports it (BSS Load element).", *BSS)
BSS_WIDTH = gauge("commune_wifi_bss_width_hertz", "Channel width that one of the site's own access points announces.", *BSS)
BSS_OVERLAPPING = gauge("commune_wifi_bss_overlapping", "Other networks heard on frequencies of one of the site's own.", *BSS)
BSS_INFO = info(
    "commune_wifi_bss_info", "Security of one of the site's own access points, such as open, wpa2 or wpa3.", *BSS, "security"
)
CHANNEL_BSS = gauge("commune_wifi_channel_bss", "Networks heard on the channel.", "band", "channel")
LINK = ("interface", "ssid")
LINK_UP = gauge("commune_wifi_link_up", "1 while associated and let in by the access point.", *LINK, urgent=True)
LINK_SIGNAL = gauge("commune_wifi_link_signal_dbm", "Signal of the associated access point.", *LINK)
LINK_RECEIVE_RATE = gauge("commune_wifi_link_receive_bytes_per_second", "Physical rate of the last received frame.", *LINK)
LINK_TRANSMIT_RATE = gauge("commune_wifi_link_transmit_bytes_per_second", "Physical rate of the last sent frame.", *LINK)
LINK_RETRIES = counter("commune_wifi_link_retries_total", "Frames that were sent again.", *LINK)
LINK_BEACON_LOSSES = counter("commune_wifi_link_beacon_losses_total", "Times that beacons were missed.", *LINK)
LINK_ROAMS = counter("commune_wifi_link_roams_total", "Changes of the access point within the network.", *LINK)
METRICS = (
    BSS_SIGNAL,
    BSS_CHANNEL,
    BSS_LOAD,
    BSS_WIDTH,
    BSS_OVERLAPPING,
    BSS_INFO,
    CHANNEL_BSS,
    *ZONES,
    LINK_UP,
    LINK_SIGNAL,
    LINK_RECEIVE_RATE,
    LINK_TRANSMIT_RATE,
    LINK_RETRIES,
    LINK_BEACON_LOSSES,
    LINK_ROAMS,
)


class WifiSettings(Settings, frozen=True):
    """Section `wifi`; without `ssids`, the networks that this host knows."""

    interval: Duration = seconds(60)
    scan_interval: Duration = seconds(300)
    interface: str = "auto"
    ssids: tuple[str, ...] = ()
    dead_zone_dbm: float = -75.0
    hysteresis_db: float = 3.0


BUSY_RATIO = 0.1
"""A link that carries more than this share of its physical rate is left alone: a scan takes the radio off its channel."""

SLACK = 0.5
"""Seconds by which the clocks of the system's scan results may differ from ours."""


class WifiCollector(Collector):
    """The client radios of this computer.

    The link is read at every run. The networks around come from a scan every `scan_interval`, at once when the link
    changes (once more when it is lost) or fades below the threshold, and every run while a network that was there before is not heard and no link could be disturbed. Between
    scans the associated access point counts with its present signal.
    """

    kind = "wifi"

    def __init__(self, settings: WifiSettings, zone: str, machine: Machine, radio: Radio | None = None) -> None:
        super().__init__("", interval=settings.interval, identity=(settings, zone))
        self._settings = settings
        self._zone = zone
        self._machine = machine
        self._radio = radio
        self._may_scan = True
        self._heard: list[Bss] = []
        self._scanned: float | None = None
        self._complete = False
        self._dead: dict[str, bool] = {}
        self._met: set[str] = set()
        self._lost = False
        self._last: dict[str, Station] = {}
        self._joined: dict[str, str] = {}
        self._read_at = 0.0

    async def collect(self) -> Reading:
        """Read the links, scan when it is time, judge the zone."""
        now = self._machine.clock.monotonic()
        found = Observations()
        try:
            reason, detail = await self._measure(found, now)
        except OSError as error:
            reason = Reason.NO_PERMISSION if isinstance(error, PermissionError) else Reason.INTERNAL
            detail = error.strerror or str(error)
        return Reading(self.kind, self.target, self._machine.clock.monotonic(), found.items, reason, detail)

    async def stop(self) -> None:
        """Close what talks to the radio."""
        if self._radio is not None:
            await self._radio.close()

    async def _measure(self, found: Observations, now: float) -> tuple[Reason | None, str]:
        if self._radio is None:
            if not has_wireless(self._machine):
                return Reason.NOT_SUPPORTED, "this computer has no Wi-Fi interface"
            self._radio = open_radio(self._machine)
        wanted = self._settings.interface
        stations = [one for one in await self._radio.stations() if wanted in {"auto", one.interface}]
        if not stations:
            which = "no Wi-Fi interface is a client" if wanted == "auto" else f"{wanted} is no Wi-Fi interface in client mode"
            return Reason.NOT_SUPPORTED, which
        own = self._own(stations)
        for station in stations:
            self._link(found, station, own)
        station = max(stations, key=lambda one: (bool(one.ssid), one.up))
        detail = "" if station.up else f"{station.interface} is switched off"
        if station.up:
            if self._is_due(station, now):
                detail = await self._look(self._radio, station, now)
            untold = self._networks(found, station, own, now)
            detail = detail or (f"{', '.join(untold)}: heard, but the driver tells no signal in dBm" if untold else "")
        else:
            self._heard, self._scanned, self._complete = [], None, False
        last = self._last.get(station.interface)
        self._lost = station.up and not station.ssid and last is not None and bool(last.ssid)
        self._last = {one.interface: one for one in stations if one.up}
        self._read_at = now
        return None, detail

    def _own(self, stations: Sequence[Station]) -> tuple[str, ...]:
        self._joined |= {one.interface: one.ssid for one in stations if one.ssid}
        if self._settings.ssids:
            return self._settings.ssids
        return tuple(sorted({*self._joined.values(), *known_ssids(self._machine)}))

    def _link(self, found: Observations, station: Station, own: tuple[str, ...]) -> None:
        if not station.up:
            return
        last = self._last.get(station.interface)
        if not station.ssid:
            expected = self._joined.get(station.interface) or next(iter(own), "")
            if expected:
                found.set(LINK_UP, 0.0, station.interface, expected)
            return
        series = (station.interface, station.ssid)
        found.set(LINK_UP, 1.0, *series)
        found.set(LINK_SIGNAL, station.signal_dbm, *series)
        found.set(LINK_RECEIVE_RATE, station.receive_rate, *series)
        found.set(LINK_TRANSMIT_RATE, station.transmit_rate, *series)
        found.set(LINK_RETRIES, station.retries, *series)
        found.set(LINK_BEACON_LOSSES, station.beacon_losses, *series)
        roamed = last is not None and last.ssid == station.ssid and last.bssid != station.bssid
        found.add(LINK_ROAMS, float(roamed), *series)

    def _is_due(self, station: Station, now: float) -> bool:
        last = self._last.get(station.interface)
        changed = last is not None and last.bssid != station.bssid
        faded = last is not None and self._is_strong(last) and not self._is_strong(station)
        missing = not station.ssid and any(self._dead.get(ssid) for ssid in self._met)
        # The scan at the loss of a link may still have heard the last beacons of an access point that went: look once more.
        if self._scanned is None or changed or faded or missing or self._lost or not self._may_scan:
            return True
        return now - self._scanned >= self._settings.scan_interval - self.interval / 2 and not self._is_busy(station, now)

    def _is_strong(self, station: Station) -> bool:
        return station.signal_dbm is None or station.signal_dbm >= self._settings.dead_zone_dbm

    def _is_busy(self, station: Station, now: float) -> bool:
        last = self._last.get(station.interface)
        if last is None or last.bssid != station.bssid or last.octets is None or station.octets is None:
            return False
        rate = station.transmit_rate or station.receive_rate
        carried = (station.octets - last.octets) / max(now - self._read_at, 1e-3)
        return bool(rate) and carried > BUSY_RATIO * (rate or 0.0)

    async def _look(self, radio: Radio, station: Station, now: float) -> str:
        """Scan, or read what others' scans left; returns what hindered."""
        detail = ""
        earlier: float | None = None
        begin = self._machine.clock.monotonic()
        if self._may_scan:
            try:
                earlier = await radio.scan(station, min(WAIT_FOR_SCAN, self.deadline * 0.8))
            except PermissionError:
                self._may_scan = False
                log.info("reading the system's scan results only: starting a scan needs CAP_NET_ADMIN")
            except OSError as error:  # TimeoutError is one
                detail = f"scan on {station.interface}: {error.strerror or 'not done in time'}"
        heard = await radio.heard(station)
        if earlier is not None:
            # The system remembers longer than the scan took: who was not heard in it may be gone.
            limit = self._machine.clock.monotonic() - begin + earlier + SLACK
            self._keep([bss for bss in heard if bss.age <= limit], now, complete=True)
        elif not self._may_scan and any(not bss.associated for bss in heard):
            # Somebody else's scan, since it shows networks that this computer is not associated with.
            self._keep(heard, now, complete=True)
        elif self._scanned is None or now - self._scanned > VALIDITY * self._settings.scan_interval:
            self._keep(heard, now, complete=False)
        return detail

    def _keep(self, heard: list[Bss], now: float, *, complete: bool) -> None:
        self._heard, self._scanned, self._complete = heard, now, complete

    def _networks(self, found: Observations, station: Station, own: tuple[str, ...], now: float) -> list[str]:
        """Tell the networks and judge the zone; returns those of the site's that cannot be judged."""
        untold = []
        fresh = self._scanned is not None and now - self._scanned < VALIDITY * self._settings.scan_interval
        heard = [self._present(bss, station) for bss in self._heard] if fresh else []
        if station.ssid and not any(bss.bssid == station.bssid for bss in heard):
            heard.append(Bss(station.bssid, station.ssid, 0, station.signal_dbm, associated=True))
        if fresh and self._complete:
            for (band, channel), count in Counter((bss.band, bss.channel) for bss in heard if bss.band).items():
                found.set(CHANNEL_BSS, float(count), band, str(channel))
        for ssid in own:
            mine = [bss for bss in heard if bss.ssid == ssid]
            for bss in mine:
                if bss.band:
                    self._access_point(found, bss, heard)
            signals = [bss.signal_dbm for bss in mine if bss.signal_dbm is not None]
            if signals:
                self._judge(found, ssid, max(signals))
            elif mine:
                untold.append(ssid)  # heard is not dead, and nobody knows how well
            elif fresh and self._complete:
                self._dead[ssid] = True
                found.set(ZONE_DEAD, 1.0, self._zone, ssid)
        return untold

    def _access_point(self, found: Observations, bss: Bss, heard: Sequence[Bss]) -> None:
        series = (bss.ssid, bss.bssid, bss.band)
        found.set(BSS_SIGNAL, bss.signal_dbm, *series)
        found.set(BSS_CHANNEL, float(bss.channel), *series)
        found.set(BSS_LOAD, bss.load, *series)
        found.set(BSS_WIDTH, None if bss.width_mhz is None else bss.width_mhz * 1e6, *series)
        if self._complete:
            found.set(BSS_OVERLAPPING, float(sum(other is not bss and overlaps(bss, other) for other in heard)), *series)
        if bss.security:
            found.set(BSS_INFO, 1.0, *series, bss.security)

    @staticmethod
    def _present(bss: Bss, station: Station) -> Bss:
        """The associated access point with its signal of now instead of the last scan's."""
        if bss.bssid != station.bssid or not station.ssid:
            return replace(bss, associated=False) if bss.associated else bss
        return replace(bss, ssid=station.ssid, signal_dbm=station.signal_dbm or bss.signal_dbm, associated=True)

    def _judge(self, found: Observations, ssid: str, signal: float) -> None:
        limit = self._settings.dead_zone_dbm + (self._settings.hysteresis_db if self._dead.get(ssid) else 0.0)
        self._dead[ssid] = signal < limit
        self._met.add(ssid)
        found.set(ZONE_SIGNAL, signal, self._zone, ssid)
        found.set(ZONE_DEAD, float(self._dead[ssid]), self._zone, ssid)


def build(settings: WifiSettings, context: Context) -> list[Collector]:
    """One instance for all client radios of this computer."""
    return [WifiCollector(settings, context.site.zone, context.machine)]
