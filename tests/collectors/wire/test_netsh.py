"""Against recordings of real Windows (../shared/data/wifi/netsh) and the forms that other releases are known to print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.netsh import parse, quality_to_dbm
from tests.shared import shared

VIETNAMESE = """
Tên giao diện : Wi-Fi
Hiện có 2 mạng đang hiển thị.

SSID 1 : CSC-Free
    Loại mạng               : Cơ sở hạ tầng
    Xác thực                : Mở
    Mã hóa                  : Không có
    BSSID 1                 : 02:00:00:00:00:01
         Tín hiệu           : 40%
         Loại sóng vô tuyến : 802.11ac
         Kênh               : 149
         Tốc độ cơ bản (Mbps) : 6 12 24
SSID 2 :
    Loại mạng               : Cơ sở hạ tầng
    Xác thực                : WPA3-Personal
    Mã hóa                  : CCMP
    BSSID 1                 : 02:00:00:00:00:02
         Tín hiệu           : 90%
         Rssi               : -52
         Loại sóng vô tuyến : 802.11ax
         Băng tần           : 6 GHz
         Kênh               : 5
"""


def test_a_language_that_was_never_seen_is_read() -> None:
    one, other = parse(VIETNAMESE)
    assert (one.ssid, one.bssid, one.channel, one.band, one.signal_dbm) == ("CSC-Free", "02:00:00:00:00:01", 149, "5", -80)
    assert one.security == "open"
    assert (other.ssid, other.channel, other.band, other.security) == ("", 5, "6", "wpa3")


def test_dbm_printed_by_newer_windows_is_preferred_to_the_percentage() -> None:
    assert parse(VIETNAMESE)[1].signal_dbm == -52
    swapped = VIETNAMESE.replace("Tín hiệu           : 90%\n         Rssi               : -52", "Rssi : -52\n Tín hiệu : 90%")
    assert parse(swapped)[1].signal_dbm == -52


def test_the_recorded_german_scan_equals_what_one_reads_in_it() -> None:
    found = parse((shared("data/wifi/netsh") / "win-netsh-networks-de.txt").read_text())
    told = [(bss.ssid, bss.band, bss.channel, bss.signal_dbm, bss.stations) for bss in found]
    assert told == [
        ("SSID-1", "2.4", 6, -93.5, 1),
        ("SSID-2", "5", 149, -78.5, 0),
        ("SSID-2", "5", 44, -56.5, None),
        ("SSID-2", "5", 144, -91.0, 0),
        ("SSID-3", "2.4", 11, -88.0, 0),
        ("SSID-4", "2.4", 6, -56.0, 6),
        ("SSID-4", "2.4", 6, -78.5, 0),
        ("SSID-4", "2.4", 11, -61.0, 3),
        ("SSID-5", "2.4", 4, -56.5, None),
    ]
    assert found[4].load == pytest.approx(199 / 255)
    assert {bss.security for bss in found} == {"wpa2", "open"}


def test_the_recorded_english_scan_is_read_whole() -> None:
    found = parse((shared("data/wifi/netsh") / "win-netsh-networks-en.txt").read_text())
    assert [bss.bssid[-2:] for bss in found] == [f"{number:02}" for number in range(1, 9)]
    assert [bss.channel for bss in found] == [1, 6, 6, 11, 149, 144, 44, 4]
    assert [bss.ssid for bss in found] == ["SSID-1"] * 4 + ["SSID-2"] * 3 + ["SSID-3"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("de", (5580, 116, -78.5, "wpa2-enterprise")), ("es", (2462, 11, -59.5, "open"))],
)
def test_recorded_interfaces_give_the_network_joined(name: str, expected: tuple[int, int, float, str]) -> None:
    (bss,) = parse((shared("data/wifi/netsh") / f"win-netsh-interfaces-{name}.txt").read_text())
    assert (bss.frequency_mhz, bss.channel, bss.signal_dbm, bss.security) == expected
    assert (bss.ssid, bss.bssid, bss.associated) == ("SSID-1", "fe:dc:ba:09:87:02", True)


def test_quality_is_linear_between_its_documented_ends() -> None:
    assert [quality_to_dbm(percent) for percent in (0, 50, 100, 120, -3)] == [-100, -75, -50, -50, -100]


@given(st.text(max_size=500))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse(text)


@given(st.lists(st.sampled_from(VIETNAMESE.splitlines()), max_size=40), st.text(max_size=8))
def test_lines_in_any_order_are_read_without_an_error(lines: list[str], noise: str) -> None:
    for bss in parse("\n".join(line + noise for line in lines)):
        assert bss.load is None or 0 <= bss.load <= 1
