"""The Windows structures, laid out as Microsoft documents them, and the radio on top of a scripted API."""

import ctypes
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.probe import wlan_windows as windows
from collectors.probe.wlan_windows import Guid, WlanRadio

SSID = "Một cửa".encode()
ELEMENTS = bytes([0, len(SSID)]) + SSID + bytes([11, 5, 3, 0, 51, 0, 0]) + bytes([61, 2, 36, 5])


def dot11_ssid(name: bytes) -> bytes:
    return struct.pack("<I32s", len(name), name)


def interface_list(*states: int) -> bytes:
    entries = b"".join(
        bytes(range(16)) + "Intel(R) Wi-Fi 6".encode("utf-16-le").ljust(512, b"\0") + struct.pack("<I", state) for state in states
    )
    return struct.pack("<II", len(states), 0) + entries


def connection(state: int = 1) -> bytes:
    association = dot11_ssid(SSID) + struct.pack("<I6s2xIIIII", 1, b"\xaa\0\0\0\0\1", 7, 0, 60, 300_000, 144_000)
    return struct.pack("<II512s", state, 0, b"") + association + struct.pack("<IIII", 1, 0, 7, 4)


def bss_list() -> bytes:
    entry = dot11_ssid(b"") + struct.pack(
        "<I6s2xIIiIB1xH4xQQH2xI", 0, b"\xaa\0\0\0\0\1", 1, 7, -58, 80, 1, 100, 1, 2, 0x0401, 5180000
    )
    entry += struct.pack("<I252s", 0, b"")
    size = len(entry) + 8
    entry += struct.pack("<II", size, len(ELEMENTS))
    return struct.pack("<II", 8 + len(entry) + len(ELEMENTS), 1) + entry + ELEMENTS


class Api:
    def __init__(self) -> None:
        self.scans = 0
        self.closed = False
        self.properties = {
            windows.OPCODE_CURRENT_CONNECTION: connection(),
            windows.OPCODE_RSSI: struct.pack("<i", -61),
            windows.OPCODE_RADIO_STATE: struct.pack("<IIII", 1, 0, 1, 1),
        }

    def interfaces(self) -> bytes:
        return interface_list(1)

    def query(self, guid: Guid, opcode: int) -> bytes:
        assert bytes(guid.data) == bytes(range(16))
        windows.check(0 if opcode in self.properties else windows.NOT_SUPPORTED, "WlanQueryInterface")
        return self.properties[opcode]

    def bss_list(self, guid: Guid) -> bytes:
        assert bytes(guid.data) == bytes(range(16))
        return bss_list()

    def scan(self, guid: Guid) -> None:
        assert bytes(guid.data) == bytes(range(16))
        self.scans += 1

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (windows.InterfaceInfo, 532),
        (windows.ConnectionAttributes, 604),
        (windows.AssociationAttributes, 68),
        (windows.BssEntry, 360),
        (windows.RadioState, 772),
        (windows.Dot11Ssid, 36),
    ],
)
def test_structures_have_the_size_that_windows_gives_them(kind: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(kind) == size


async def test_a_connected_adapter_is_a_station() -> None:
    (station,) = await WlanRadio(Api()).stations()
    assert (station.interface, station.ssid, station.bssid) == ("Intel(R) Wi-Fi 6", "Một cửa", "aa:00:00:00:00:01")
    assert (station.signal_dbm, station.receive_rate, station.transmit_rate) == (-61, 37.5e6, 18e6)


async def test_without_the_drivers_rssi_the_quality_is_the_signal() -> None:
    api = Api()
    del api.properties[windows.OPCODE_RSSI]
    (station,) = await WlanRadio(api).stations()
    assert station.signal_dbm == -70


async def test_a_switched_off_radio_is_not_up() -> None:
    api = Api()
    api.properties[windows.OPCODE_RADIO_STATE] = struct.pack("<IIII", 1, 0, 2, 1)
    (station,) = await WlanRadio(api).stations()
    assert not station.up


async def test_the_list_of_networks_is_read_with_its_elements() -> None:
    radio = WlanRadio(Api())
    (station,) = await radio.stations()
    (bss,) = await radio.heard(station)
    assert (bss.ssid, bss.bssid, bss.channel, bss.signal_dbm) == ("Một cửa", "aa:00:00:00:00:01", 36, -58)
    assert (bss.width_mhz, bss.stations, bss.security) == (40, 3, "open")


async def test_a_scan_is_started_and_the_handle_closed() -> None:
    api = Api()
    radio = WlanRadio(api)
    (station,) = await radio.stations()
    assert await radio.scan(station, wait=0.0) == 0
    await radio.close()
    assert (api.scans, api.closed) == (1, True)


async def test_a_computer_without_the_service_has_no_stations() -> None:
    class Stopped(Api):
        def interfaces(self) -> bytes:
            windows.check(windows.SERVICE_NOT_ACTIVE, "WlanEnumInterfaces")
            return b""

    assert await WlanRadio(Stopped()).stations() == []


def test_refused_access_is_a_permission_error() -> None:
    with pytest.raises(PermissionError, match="Windows error 5"):
        windows.check(windows.ACCESS_DENIED, "WlanGetNetworkBssList")


class Dll:
    """wlanapi.dll as far as it is called: writes the result where the caller points, and counts what is freed."""

    def __init__(self) -> None:
        self.kept: list[ctypes.Array[ctypes.c_char]] = []
        self.freed: list[object] = []

        def free(pointer: object) -> None:  # a function, since the caller sets its result and argument types
            self.freed.append(pointer)

        self.WlanFreeMemory = free

    def _give(self, data: bytes, reference: object) -> int:
        buffer = ctypes.create_string_buffer(data, len(data))
        self.kept.append(buffer)
        ctypes.cast(reference, ctypes.POINTER(ctypes.c_void_p))[0] = ctypes.addressof(buffer)  # type: ignore[arg-type]
        return 0

    def WlanOpenHandle(self, *_: object) -> int:  # noqa: N802  Windows's name
        return 0

    def WlanCloseHandle(self, *_: object) -> int:  # noqa: N802
        return 0

    def WlanScan(self, *_: object) -> int:  # noqa: N802
        return windows.INVALID_STATE

    def WlanEnumInterfaces(self, *arguments: object) -> int:  # noqa: N802
        return self._give(interface_list(1, 4), arguments[2])

    def WlanQueryInterface(self, *arguments: object) -> int:  # noqa: N802
        ctypes.cast(arguments[4], ctypes.POINTER(ctypes.c_uint32))[0] = 604  # type: ignore[arg-type]
        return self._give(connection(), arguments[5])

    def WlanGetNetworkBssList(self, *arguments: object) -> int:  # noqa: N802
        return self._give(bss_list(), arguments[6])


def test_the_library_is_called_with_its_own_conventions_and_memory_is_given_back() -> None:
    dll = Dll()
    api = windows.WlanApi(lambda name: dll if name == "wlanapi.dll" else None)
    first, second = windows.read_interfaces(api.interfaces())
    assert (first.state, second.state) == (1, 4)
    assert api.query(first.guid, windows.OPCODE_CURRENT_CONNECTION) == connection()
    assert api.bss_list(first.guid) == bss_list()
    assert len(dll.freed) == 3
    with pytest.raises(OSError, match="WlanScan: Windows error 5023"):
        api.scan(first.guid)
    api.close()


@given(st.binary(max_size=1200))
def test_torn_structures_are_left_out(data: bytes) -> None:
    list(windows.read_bss_list(data))
    list(windows.read_interfaces(data))
    windows.read_connection(data, "x", 0, None)
    windows.is_radio_on(data)
