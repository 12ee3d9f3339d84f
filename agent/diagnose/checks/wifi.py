"""Layer 1 in the air: is the radio joined, how well does it hear the access point, and how full is the channel.

Only what the system knows already is read: no scan is started, so that the check is cheap and needs no privilege.
"""

from __future__ import annotations

from functools import partial

from agent.diagnose.codes import Severity
from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.judge import WIFI_BUSY_RATIO
from agent.diagnose.words import percent
from collectors.probe import nics
from collectors.probe.radio import Radio, open_radio
from collectors.probe.station import Station
from collectors.probe.wifi_known import known_ssids
from collectors.wire.ieee80211 import Bss


def build(ground: Ground) -> list[Check]:
    """A check for each Wi-Fi interface that matters; none without a radio."""
    names = [name for name in ground.interfaces() if nics.is_wireless(ground.machine, name)]
    return [Check(f"wifi:{name}", 1, partial(_wifi, ground, name), symptoms=("wifi.no_signal",)) for name in names]


async def _wifi(ground: Ground, name: str, _: Results) -> Outcome:
    radio = open_radio(ground.machine)
    try:
        return await look(radio, name, dead_dbm=ground.settings.kinds["wifi"].dead_zone_dbm, missed=_is_missed(ground, name))
    except OSError as error:
        return Outcome(Status.ERROR, f"{type(error).__name__}: {error}", holds=True)
    finally:
        await radio.close()


def _is_missed(ground: Ground, name: str) -> bool:
    """Is this radio meant to be joined: it knows a network, or there is nothing else to work with?"""
    return bool(known_ssids(ground.machine)) or ground.interfaces() == (name,)


async def look(radio: Radio, name: str, *, dead_dbm: float, missed: bool = True) -> Outcome:
    """Judge one radio.

    Args:
        radio: whom to ask.
        name: its interface.
        dead_dbm: the signal below which a zone counts as dead.
        missed: an unused radio is a fault.

    Raises:
        OSError: the system refuses.
    """
    station = next((one for one in await radio.stations() if one.interface == name), None)
    if station is None:
        return Outcome(Status.SKIP, "no client radio", holds=True)
    if not station.bssid:
        detail = "not connected" if station.up else "switched off"
        if not missed:
            return Outcome(Status.SKIP, f"{detail}, no network known")
        return Outcome(Status.FAIL, detail, {"up": station.up}, (Suspect("wifi.no_signal", name),))
    return judge_link(name, station, await radio.heard(station), dead_dbm)


def judge_link(name: str, station: Station, heard: list[Bss], dead_dbm: float) -> Outcome:
    """What the link and the air around it say: a weak signal, a channel that others fill."""
    own = next((bss for bss in heard if bss.bssid == station.bssid), None)
    signal = station.signal_dbm if station.signal_dbm is not None else own.signal_dbm if own else None
    networks = [bss for bss in heard if own is not None and bss.frequency_mhz == own.frequency_mhz and bss.bssid != own.bssid]
    details = [station.ssid or station.bssid]
    data = {"ssid": station.ssid, "bssid": station.bssid, "signal_dbm": signal, "networks_on_channel": len(networks)}
    suspects = []
    if signal is not None:
        details.append(f"{signal:.0f} dBm")
        if signal < dead_dbm:
            severity: Severity = "critical" if signal < dead_dbm - 10 else "warning"
            suspects.append(Suspect("wifi.weak", name, {"signal": f"{signal:.0f}"}, severity))
    if own is not None and own.load is not None:
        details.append(f"{percent(own.load)} busy")
        data["load"] = own.load
        if own.load >= WIFI_BUSY_RATIO:
            facts = {"share": percent(own.load), "networks": str(len(networks))}
            suspects.append(Suspect("wifi.interference", name, facts))
    return Outcome(Status.WARN if suspects else Status.PASS, ", ".join(details), data, tuple(suspects))
