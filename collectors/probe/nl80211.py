"""The Linux Wi-Fi stack asked in its own language, nl80211 (include/uapi/linux/nl80211.h), instead of parsing `iw`.

The message class names only the attributes in use: decoding is lazy by attribute, and the elements of a beacon are left
to `wire.ieee80211`.
"""

from __future__ import annotations

import asyncio
import errno
import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from collectors.machine import Machine
from collectors.probe.netlink import NLM_ACK, NLM_DUMP, GenericNetlink, NetlinkSocket, Wire, load_core
from collectors.probe.station import WAIT_FOR_SCAN, Station
from collectors.wire.ieee80211 import BROADCAST, Bss, mac_text, parse_elements, ssid_text

GET_INTERFACE, GET_STATION, GET_SCAN, TRIGGER_SCAN, NEW_SCAN_RESULTS, SCAN_ABORTED = 5, 17, 32, 33, 34, 35
STATION_MODE = 2
_ASSOCIATED = 1
_AUTHORIZED = 1 << 1
_IFF_UP = 0x1
_ANSWER_WITHIN = 5.0
_JOINED_LATE = 5.0


@cache
def message_class() -> Any:
    """The nl80211 message with the attributes in use; made at first use, since its base costs an import."""
    core: Any = load_core()

    class Rate(core.nla):  # type: ignore[misc]  # pyroute2 has no types
        nla_map = ((1, "RATE_BITRATE", "uint16"), (5, "RATE_BITRATE32", "uint32"))

    class StationInfo(core.nla):  # type: ignore[misc]
        nla_map = (
            (2, "STA_RX_BYTES", "uint32"),
            (3, "STA_TX_BYTES", "uint32"),
            (7, "STA_SIGNAL", "int8"),
            (8, "STA_TX_BITRATE", "rate"),
            (11, "STA_TX_RETRIES", "uint32"),
            (14, "STA_RX_BITRATE", "rate"),
            (16, "STA_CONNECTED_TIME", "uint32"),
            (17, "STA_FLAGS", "cdata"),
            (18, "STA_BEACON_LOSS", "uint32"),
            (23, "STA_RX_BYTES64", "uint64"),
            (24, "STA_TX_BYTES64", "uint64"),
        )
        rate = Rate

    class BssInfo(core.nla):  # type: ignore[misc]
        nla_map = (
            (1, "BSS_BSSID", "cdata"),
            (2, "BSS_FREQUENCY", "uint32"),
            (5, "BSS_CAPABILITY", "uint16"),
            (6, "BSS_INFORMATION_ELEMENTS", "cdata"),
            (7, "BSS_SIGNAL_MBM", "int32"),
            (9, "BSS_STATUS", "uint32"),
            (10, "BSS_SEEN_MS_AGO", "uint32"),
            (11, "BSS_BEACON_IES", "cdata"),
        )

    class ScanSsids(core.nla):  # type: ignore[misc]
        nla_map = ((1, "SCAN_SSID", "cdata"),)

    class Nl80211Message(core.genlmsg):  # type: ignore[misc]
        nla_map = (
            (3, "IFINDEX", "uint32"),
            (4, "IFNAME", "asciiz"),
            (5, "IFTYPE", "uint32"),
            (6, "MAC", "cdata"),
            (21, "STA_INFO", "station_info"),
            (45, "SCAN_SSIDS", "scan_ssids"),
            (47, "BSS", "bss_info"),
            (52, "SSID", "cdata"),
        )
        station_info = StationInfo
        bss_info = BssInfo
        scan_ssids = ScanSsids

    return Nl80211Message


def decode(octets: bytes) -> Any:
    """One message of the family."""
    message = message_class()(octets)
    message.decode()
    return message


def _request(command: int, *attributes: tuple[str, Any]) -> Any:
    message = message_class()()
    message["cmd"], message["version"] = command, 0
    message["attrs"] = [list(attribute) for attribute in attributes]
    return message


def bss_of(message: Any) -> Bss | None:
    """The network of one GET_SCAN answer; None for an answer that holds none."""
    found = message.get_attr("BSS")
    address = found.get_attr("BSS_BSSID") if found is not None else None
    if address is None:
        return None
    # A beacon's SSID may be hidden while a probe response told it: the kernel gives the fuller one as INFORMATION_ELEMENTS.
    octets = found.get_attr("BSS_INFORMATION_ELEMENTS") or found.get_attr("BSS_BEACON_IES") or b""
    told = parse_elements(bytes(octets), found.get_attr("BSS_CAPABILITY") or 0)
    signal = found.get_attr("BSS_SIGNAL_MBM")
    return Bss(
        mac_text(bytes(address)),
        told.ssid or "",
        found.get_attr("BSS_FREQUENCY") or 0,
        None if signal is None else signal / 100,
        told.width_mhz,
        told.security,
        told.load,
        told.stations,
        (found.get_attr("BSS_SEEN_MS_AGO") or 0) / 1000,
        found.get_attr("BSS_STATUS") == _ASSOCIATED,
    )


def _rate(info: Any, name: str) -> float | None:
    nested = info.get_attr(name)
    if nested is None:
        return None
    hundreds = nested.get_attr("RATE_BITRATE32") or nested.get_attr("RATE_BITRATE")
    return None if hundreds is None else hundreds * 100_000 / 8


def is_authorized(message: Any) -> bool:
    """The access point lets data through: association alone also precedes a wrong passphrase. True where a driver is silent."""
    flags = message.get_attr("STA_INFO").get_attr("STA_FLAGS")
    if flags is None or len(flags) < 8:
        return True
    mask, value = struct.unpack_from("=II", bytes(flags))
    return not mask & _AUTHORIZED or bool(value & _AUTHORIZED)


def station_of(name: str, index: int, ssid: bytes, message: Any) -> Station:
    """A client radio's association from a GET_STATION answer."""
    info = message.get_attr("STA_INFO")
    received = info.get_attr("STA_RX_BYTES64") or info.get_attr("STA_RX_BYTES")
    sent = info.get_attr("STA_TX_BYTES64") or info.get_attr("STA_TX_BYTES")
    return Station(
        name,
        index,
        up=True,
        ssid=ssid_text(ssid),
        bssid=mac_text(bytes(message.get_attr("MAC"))),
        signal_dbm=info.get_attr("STA_SIGNAL") or None,
        receive_rate=_rate(info, "STA_RX_BITRATE"),
        transmit_rate=_rate(info, "STA_TX_BITRATE"),
        retries=info.get_attr("STA_TX_RETRIES"),
        beacon_losses=info.get_attr("STA_BEACON_LOSS"),
        octets=None if received is None or sent is None else received + sent,
    )


class _Joined(NamedTuple):
    bssid: bytes
    seconds: int
    ssid: bytes


class Nl80211:
    """`Radio` on Linux; reading needs no privilege, starting a scan needs CAP_NET_ADMIN."""

    def __init__(self, machine: Machine, wire: Callable[[], Wire] = NetlinkSocket) -> None:
        self._machine = machine
        self._wire = wire
        self._netlink: GenericNetlink | None = None
        self._names: dict[int, _Joined] = {}

    async def _open(self) -> GenericNetlink:
        netlink = GenericNetlink("nl80211", decode, self._wire())
        await asyncio.wait_for(netlink.open(), _ANSWER_WITHIN)
        return netlink

    async def _ask(self, message: Any, flags: int = NLM_DUMP) -> list[Any]:
        if self._netlink is None:
            self._netlink = await self._open()
        return await asyncio.wait_for(self._netlink.request(message, flags=flags), _ANSWER_WITHIN)

    def _is_up(self, name: str) -> bool:
        flags = self._machine.read_or_none(f"/sys/class/net/{name}/flags")
        return flags is not None and bool(int(flags, 16) & _IFF_UP)

    async def stations(self) -> list[Station]:
        """Client interfaces with their link; none where the kernel has no Wi-Fi."""
        try:
            interfaces = await self._ask(_request(GET_INTERFACE))
        except FileNotFoundError:
            return []
        found = []
        for message in interfaces:
            name, index = message.get_attr("IFNAME"), message.get_attr("IFINDEX")
            if name is None or index is None or message.get_attr("IFTYPE") != STATION_MODE:
                continue
            found.append(await self._station(name, index, message.get_attr("SSID")))
        return sorted(found, key=lambda station: station.interface)

    async def _station(self, name: str, index: int, ssid: bytes | None) -> Station:
        if not self._is_up(name):
            return Station(name, index, up=False)
        links = await self._ask(_request(GET_STATION, ("IFINDEX", index)))
        links = [link for link in links if link.get_attr("STA_INFO") is not None and is_authorized(link)]
        if not links:
            return Station(name, index, up=True)
        return station_of(name, index, await self._ssid(index, ssid, links[0]), links[0])

    async def _ssid(self, index: int, told: bytes | None, link: Any) -> bytes:
        """The name of the network joined: from the interface where the kernel tells it, else from the scan results.

        These are many messages; they are read once for each association, which a growing connected time tells.
        """
        if told:
            return bytes(told)
        bssid, seconds = bytes(link.get_attr("MAC")), link.get_attr("STA_INFO").get_attr("STA_CONNECTED_TIME") or 0
        last = self._names.get(index)
        if last is None or last.bssid != bssid or last.seconds > seconds or not last.ssid:
            answers = await self._ask(_request(GET_SCAN, ("IFINDEX", index)))
            joined = (bss_of(answer) for answer in answers)
            ssid = next((bss.ssid.encode() for bss in joined if bss is not None and bss.bssid == mac_text(bssid)), b"")
        else:
            ssid = last.ssid
        self._names[index] = _Joined(bssid, seconds, ssid)
        return ssid

    async def scan(self, station: Station, wait: float = WAIT_FOR_SCAN) -> float:
        """Trigger a scan with a wildcard SSID and wait for its end; joins one that is already under way."""
        listener = await self._open()
        try:
            listener.subscribe("scan")
            trigger = _request(TRIGGER_SCAN, ("IFINDEX", station.index), ("SCAN_SSIDS", {"attrs": [["SCAN_SSID", b""]]}))
            earlier = 0.0
            try:
                await self._ask(trigger, flags=NLM_ACK)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                earlier = _JOINED_LATE
            async with asyncio.timeout(wait):
                while True:
                    for event in await listener.event():
                        if event.get_attr("IFINDEX") == station.index and event["cmd"] in {NEW_SCAN_RESULTS, SCAN_ABORTED}:
                            return earlier
        finally:
            listener.close()

    async def heard(self, station: Station) -> list[Bss]:
        """The kernel's scan results of the last 30 seconds, and the network associated with."""
        answers = await self._ask(_request(GET_SCAN, ("IFINDEX", station.index)))
        found = [bss_of(answer) for answer in answers]
        return [bss for bss in found if bss is not None and bss.bssid != BROADCAST]

    async def close(self) -> None:
        """Close the socket."""
        if self._netlink is not None:
            self._netlink.close()
            self._netlink = None
