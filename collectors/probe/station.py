"""A client radio as every operating system tells it; apart from `radio`, which loads the systems' own modules."""

from __future__ import annotations

from dataclasses import dataclass

WAIT_FOR_SCAN = 20.0
"""Seconds that a scan may take; all channels of three bands need up to 8 s on real hardware."""


@dataclass(frozen=True, slots=True)
class Station:
    """One client radio and its association, rates as physical rates of the last frames.

    Attributes:
        interface: its name.
        index: the kernel's number of it.
        up: switched on (neither taken down nor stopped by rfkill).
        ssid: the network that it may send data in; empty where there is none, with all that follows unknown.
        bssid: the access point's address.
        signal_dbm: signal of the access point's last frame.
        receive_rate: bytes per second.
        transmit_rate: bytes per second.
        retries: frames sent again, since the association.
        beacon_losses: times that beacons were missed, since the association.
        octets: payload received and sent since the association.
    """

    interface: str
    index: int
    up: bool
    ssid: str = ""
    bssid: str = ""
    signal_dbm: float | None = None
    receive_rate: float | None = None
    transmit_rate: float | None = None
    retries: int | None = None
    beacon_losses: int | None = None
    octets: int | None = None
