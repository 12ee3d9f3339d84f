"""The Windows Native Wifi API (wlanapi.dll) by ctypes, as `Radio`; loaded on Windows only.

Structures follow Microsoft's wlanapi.h and windot11.h as documented; they are plain ctypes and can be laid out and read
on any system, which is how they are tested. Windows 11 24H2 and later give BSSIDs only to programs that may use the
location service: ERROR_ACCESS_DENIED then becomes PermissionError, and the link's own values remain.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref, c_int32, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p, sizeof
from typing import Any, Protocol

from collectors.probe.station import WAIT_FOR_SCAN, Station
from collectors.wire.ieee80211 import Bss, mac_text, parse_elements, ssid_text

SUCCESS, ACCESS_DENIED, NOT_SUPPORTED, SERVICE_NOT_ACTIVE, INVALID_STATE = 0, 5, 50, 1062, 5023
CLIENT_VERSION = 2
CONNECTED = 1
OPCODE_RADIO_STATE, OPCODE_CURRENT_CONNECTION, OPCODE_STATISTICS, OPCODE_RSSI = 4, 7, 0x10000101, 0x10000102
BSS_TYPE_ANY = 3
RADIO_ON = 1


class Guid(ctypes.Structure):
    """GUID."""

    _fields_ = (("data", c_uint8 * 16),)


class Dot11Ssid(ctypes.Structure):
    """DOT11_SSID."""

    _fields_ = (("length", c_uint32), ("octets", c_uint8 * 32))

    def raw(self) -> bytes:
        """The octets in use."""
        return bytes(self.octets[: min(self.length, 32)])


class InterfaceInfo(ctypes.Structure):
    """WLAN_INTERFACE_INFO."""

    _fields_ = (("guid", Guid), ("text", c_uint16 * 256), ("state", c_uint32))

    @property
    def description(self) -> str:
        """The adapter's name; Windows characters are UTF-16, whatever `wchar_t` is where this is read."""
        return bytes(self.text).decode("utf-16-le", errors="replace").partition("\0")[0]


class AssociationAttributes(ctypes.Structure):
    """WLAN_ASSOCIATION_ATTRIBUTES; rates in kbit/s."""

    _fields_ = (
        ("ssid", Dot11Ssid),
        ("bss_type", c_uint32),
        ("bssid", c_uint8 * 6),
        ("phy_type", c_uint32),
        ("phy_index", c_uint32),
        ("signal_quality", c_uint32),
        ("receive_rate", c_uint32),
        ("transmit_rate", c_uint32),
    )


class SecurityAttributes(ctypes.Structure):
    """WLAN_SECURITY_ATTRIBUTES."""

    _fields_ = (("enabled", c_int32), ("onex", c_int32), ("authentication", c_uint32), ("cipher", c_uint32))


class ConnectionAttributes(ctypes.Structure):
    """WLAN_CONNECTION_ATTRIBUTES."""

    _fields_ = (
        ("state", c_uint32),
        ("mode", c_uint32),
        ("profile", c_uint16 * 256),
        ("association", AssociationAttributes),
        ("security", SecurityAttributes),
    )


class PhyRadioState(ctypes.Structure):
    """WLAN_PHY_RADIO_STATE."""

    _fields_ = (("index", c_uint32), ("software", c_uint32), ("hardware", c_uint32))


class RadioState(ctypes.Structure):
    """WLAN_RADIO_STATE."""

    _fields_ = (("count", c_uint32), ("phys", PhyRadioState * 64))


class RateSet(ctypes.Structure):
    """WLAN_RATE_SET."""

    _fields_ = (("length", c_uint32), ("rates", c_uint16 * 126))


class BssEntry(ctypes.Structure):
    """WLAN_BSS_ENTRY; frequency in kHz, elements at an offset from the entry's own begin."""

    _fields_ = (
        ("ssid", Dot11Ssid),
        ("phy_id", c_uint32),
        ("bssid", c_uint8 * 6),
        ("bss_type", c_uint32),
        ("phy_type", c_uint32),
        ("rssi", c_int32),
        ("link_quality", c_uint32),
        ("in_domain", c_uint8),
        ("beacon_period", c_uint16),
        ("timestamp", c_uint64),
        ("host_timestamp", c_uint64),
        ("capability", c_uint16),
        ("frequency", c_uint32),
        ("rates", RateSet),
        ("elements_offset", c_uint32),
        ("elements_size", c_uint32),
    )


class Api(Protocol):
    """The calls of wlanapi.dll in use; each returns the octets of the structure that the call allocated.

    All raise OSError with Windows's error number in `winerror`'s place of the message, ACCESS_DENIED as PermissionError.
    """

    def interfaces(self) -> bytes:
        """WLAN_INTERFACE_INFO_LIST."""

    def query(self, guid: Guid, opcode: int) -> bytes:
        """The value of an interface's property."""

    def bss_list(self, guid: Guid) -> bytes:
        """WLAN_BSS_LIST."""

    def scan(self, guid: Guid) -> None:
        """Start a scan."""

    def close(self) -> None:
        """Close the handle."""


def read_interfaces(data: bytes) -> Iterator[InterfaceInfo]:
    """The entries of a WLAN_INTERFACE_INFO_LIST; what is torn is left out."""
    if len(data) < 8:
        return
    count = int.from_bytes(data[:4], "little")
    for offset in range(8, 8 + count * sizeof(InterfaceInfo), sizeof(InterfaceInfo)):
        if offset + sizeof(InterfaceInfo) > len(data):
            return
        yield InterfaceInfo.from_buffer_copy(data, offset)


def read_bss_list(data: bytes) -> Iterator[Bss]:
    """The networks of a WLAN_BSS_LIST (total size, count, entries, then the elements they point to)."""
    if len(data) < 8:
        return
    count = int.from_bytes(data[4:8], "little")
    for offset in range(8, 8 + count * sizeof(BssEntry), sizeof(BssEntry)):
        if offset + sizeof(BssEntry) > len(data):
            return
        entry = BssEntry.from_buffer_copy(data, offset)
        begin = offset + entry.elements_offset
        told = parse_elements(data[begin : begin + entry.elements_size], entry.capability)
        yield Bss(
            mac_text(bytes(entry.bssid)),
            ssid_text(entry.ssid.raw()) or told.ssid or "",
            round(entry.frequency / 1000),
            float(entry.rssi),
            told.width_mhz,
            told.security,
            told.load,
            told.stations,
        )


def read_connection(data: bytes, name: str, index: int, rssi: float | None) -> Station:
    """A station from WLAN_CONNECTION_ATTRIBUTES; without the driver's RSSI the signal comes from the quality."""
    if len(data) < sizeof(ConnectionAttributes):
        return Station(name, index, up=True)
    found = ConnectionAttributes.from_buffer_copy(data)
    joined = found.association
    if found.state != CONNECTED:
        return Station(name, index, up=True)
    return Station(
        name,
        index,
        up=True,
        ssid=ssid_text(joined.ssid.raw()),
        bssid=mac_text(bytes(joined.bssid)),
        signal_dbm=rssi if rssi is not None else min(joined.signal_quality, 100) / 2 - 100,
        receive_rate=joined.receive_rate * 1000 / 8,
        transmit_rate=joined.transmit_rate * 1000 / 8,
    )


def is_radio_on(data: bytes) -> bool:
    """Software and hardware switch of at least one PHY are on; unknown counts as on."""
    if len(data) < 4:
        return True
    count = min(int.from_bytes(data[:4], "little"), 64, (len(data) - 4) // sizeof(PhyRadioState))
    phys = [PhyRadioState.from_buffer_copy(data, 4 + index * sizeof(PhyRadioState)) for index in range(count)]
    return not phys or any(phy.software == RADIO_ON and phy.hardware == RADIO_ON for phy in phys)


def check(code: int, what: str) -> None:
    """Turn a Win32 error code into OSError."""
    if code == SUCCESS:
        return
    message = f"{what}: Windows error {code}"
    if code == ACCESS_DENIED:
        raise PermissionError(errno.EACCES, message)
    raise OSError(errno.EIO, message)


class WlanApi:
    """The real `Api`."""

    def __init__(self, load: Callable[[str], Any] | None = None) -> None:
        self._dll = (load or _load)("wlanapi.dll")
        self._dll.WlanFreeMemory.restype = None
        self._dll.WlanFreeMemory.argtypes = [c_void_p]
        self._handle = c_void_p()
        version = c_uint32()
        check(self._dll.WlanOpenHandle(CLIENT_VERSION, None, byref(version), byref(self._handle)), "WlanOpenHandle")

    def _taken(self, pointer: c_void_p, size: int) -> bytes:
        try:
            return ctypes.string_at(pointer.value or 0, size)
        finally:
            self._dll.WlanFreeMemory(pointer)

    def interfaces(self) -> bytes:
        """WlanEnumInterfaces."""
        pointer = c_void_p()
        check(self._dll.WlanEnumInterfaces(self._handle, None, byref(pointer)), "WlanEnumInterfaces")
        count = ctypes.cast(pointer, POINTER(c_uint32)).contents.value
        return self._taken(pointer, 8 + count * sizeof(InterfaceInfo))

    def query(self, guid: Guid, opcode: int) -> bytes:
        """WlanQueryInterface."""
        pointer, size, kind = c_void_p(), c_uint32(), c_uint32()
        code = self._dll.WlanQueryInterface(self._handle, byref(guid), opcode, None, byref(size), byref(pointer), byref(kind))
        check(code, f"WlanQueryInterface {opcode:#x}")
        return self._taken(pointer, size.value)

    def bss_list(self, guid: Guid) -> bytes:
        """WlanGetNetworkBssList of all networks."""
        pointer = c_void_p()
        code = self._dll.WlanGetNetworkBssList(self._handle, byref(guid), None, BSS_TYPE_ANY, 0, None, byref(pointer))
        check(code, "WlanGetNetworkBssList")
        size = ctypes.cast(pointer, POINTER(c_uint32)).contents.value
        return self._taken(pointer, size)

    def scan(self, guid: Guid) -> None:
        """WlanScan."""
        check(self._dll.WlanScan(self._handle, byref(guid), None, None, None), "WlanScan")

    def close(self) -> None:
        """WlanCloseHandle."""
        self._dll.WlanCloseHandle(self._handle, None)


def _load(name: str) -> Any:
    loader: Any = vars(ctypes)["WinDLL"]  # absent from ctypes elsewhere
    return loader(name)


class WlanRadio:
    """`Radio` on Windows."""

    SETTLE = 4.0
    """Seconds after which Windows promises a scan to be done (WlanScan's documentation)."""

    def __init__(self, api: Api | None = None) -> None:
        self._api = api
        self._guids: dict[int, Guid] = {}

    def _opened(self) -> Api:
        if self._api is None:
            self._api = WlanApi()
        return self._api

    async def stations(self) -> list[Station]:
        """Every adapter with its connection; none where the WLAN service does not run."""
        return await asyncio.to_thread(self._stations)

    def _stations(self) -> list[Station]:
        try:
            listed = list(read_interfaces(self._opened().interfaces()))
        except (OSError, AttributeError):
            return []
        found = []
        for index, entry in enumerate(listed):
            self._guids[index] = entry.guid
            found.append(self._station(entry, index))
        return found

    def _station(self, entry: InterfaceInfo, index: int) -> Station:
        api, name = self._opened(), entry.description
        with contextlib.suppress(OSError):  # drivers without the property are taken to be on
            if not is_radio_on(api.query(entry.guid, OPCODE_RADIO_STATE)):
                return Station(name, index, up=False)
        if entry.state != CONNECTED:
            return Station(name, index, up=True)
        rssi = None
        with contextlib.suppress(OSError):
            rssi = float(int.from_bytes(api.query(entry.guid, OPCODE_RSSI)[:4], "little", signed=True))
        return read_connection(api.query(entry.guid, OPCODE_CURRENT_CONNECTION), name, index, rssi)

    async def scan(self, station: Station, wait: float = WAIT_FOR_SCAN) -> float:
        """Start a scan and wait as long as Windows asks for."""
        await asyncio.to_thread(self._opened().scan, self._guids[station.index])
        await asyncio.sleep(min(wait, self.SETTLE))
        return 0.0

    async def heard(self, station: Station) -> list[Bss]:
        """Windows's list of networks."""
        data = await asyncio.to_thread(self._opened().bss_list, self._guids[station.index])
        return list(read_bss_list(data))

    async def close(self) -> None:
        """Close the handle."""
        if self._api is not None:
            self._api.close()
            self._api = None
