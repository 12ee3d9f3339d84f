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


LAYOUTS = {
    "French": (
        "Type de réseau",
        "Authentification",
        "WPA2 - Personnel",
        "Chiffrement",
        "Signal",
        "Type de radio",
        "Canal",
        " : ",
    ),
    "German": ("Netzwerktyp", "Authentifizierung", "WPA2-Personal", "Verschlüsselung", "Signal", "Funktyp", "Kanal", ": "),
    "Chinese": ("网络类型", "身份验证", "WPA2 - 个人", "加密", "信号", "无线电类型", "频道", " : "),
    "Chinese, wide colons": ("网络类型", "身份验证", "WPA2 - 个人", "加密", "信号", "无线电类型", "频道", "\uff1a"),
    "Vietnamese": ("Loại mạng", "Xác thực", "WPA2-Cá nhân", "Mã hóa", "Tín hiệu", "Loại sóng vô tuyến", "Kênh", " : "),
}
"""Labels as several languages have them: network type, authentication and its value, cipher, signal, radio, channel; the colon."""


@pytest.mark.parametrize("language", LAYOUTS)
def test_networks_are_read_in_the_layout_of_each_language(language: str) -> None:
    network, authentication, personal, cipher, signal, radio, channel, colon = LAYOUTS[language]
    text = f"""
SSID 1{colon}Một cửa
    {network}{colon}Infrastructure
    {authentication}{colon}{personal}
    {cipher}{colon}CCMP
    BSSID 1{colon}02:00:00:00:00:01
         {signal}{colon}84%
         {radio}{colon}802.11ac
         {channel}{colon}36
         Rates (Mbps){colon}6 12 24
    BSSID 2{colon}02:00:00:00:00:02
         {signal}{colon}30%
         {radio}{colon}802.11n
         {channel}{colon}11
"""
    told = [(bss.ssid, bss.bssid, bss.channel, bss.band, bss.signal_dbm, bss.security) for bss in parse(text)]
    assert told == [
        ("Một cửa", "02:00:00:00:00:01", 36, "5", -58.0, "wpa2"),
        ("Một cửa", "02:00:00:00:00:02", 11, "2.4", -85.0, "wpa2"),
    ]


@pytest.mark.parametrize("language", LAYOUTS)
def test_the_interface_joined_is_read_in_the_layout_of_each_language(language: str) -> None:
    network, authentication, personal, cipher, signal, radio, channel, colon = LAYOUTS[language]
    text = f"""
    GUID{colon}6f2b0a4e-0000-0000-0000-000000000000
    Address{colon}06:00:00:00:00:99
    State{colon}connected
    SSID{colon}Một cửa
    BSSID{colon}02:00:00:00:00:01
    {network}{colon}Infrastructure
    {radio}{colon}802.11ac
    {authentication}{colon}{personal}
    {cipher}{colon}CCMP
    {channel}{colon}149
    Rate (Mbps){colon}300
    {signal}{colon}70%
"""
    (bss,) = parse(text)
    told = (bss.ssid, bss.bssid, bss.channel, bss.signal_dbm, bss.security, bss.associated)
    assert told == ("Một cửa", "02:00:00:00:00:01", 149, -65.0, "wpa2", True)


ELSEWHERE = {
    "Japanese": (
        "ネットワークの種類",
        "認証",
        "オープン",
        "暗号化",
        "なし",
        "シグナル",
        "83%",
        "無線の種類",
        "バンド",
        "5 GHz",
        "チャネル",
    ),
    "Korean": ("네트워크 종류", "인증", "개방형", "암호화", "없음", "신호", "83%", "라디오 종류", "대역", "5GHz", "채널"),
    "Russian": (
        "Тип сети",
        "Проверка подлинности",
        "Открыть",
        "Шифрование",
        "Нет",
        "Сигнал",
        "83%",
        "Тип радио",
        "Диапазон",
        "5 ГГц",
        "Канал",
    ),
    "Turkish": (
        "Ağ türü",
        "Kimlik denetimi",
        "Serbest",
        "Şifreleme",
        "Yok",
        "Sinyal",
        "%83",
        "Radyo türü",
        "Bant",
        "5 GHz",
        "Kanal",
    ),
    "Arabic": ("نوع الشبكة", "المصادقة", "مفتوح", "التشفير", "بلا", "الإشارة", "٨٣٪", "نوع الراديو", "النطاق", "5 GHz", "القناة"),
    "Chinese": ("网络类型", "身份验证", "开放式", "加密", "无", "信号", "83%", "无线电类型", "波段", "5 GHz", "通道"),
}
"""Labels and translated values of an open network, as these languages have them or might."""


@pytest.mark.parametrize("language", ELSEWHERE)
def test_an_open_network_and_its_load_are_told_without_knowing_a_word_of_the_language(language: str) -> None:
    kind, authentication, opened, cipher, none, signal, percent, radio, band, unit, channel = ELSEWHERE[language]
    text = f"""
SSID 12 : Sảnh 📶
    {kind} : Infrastructure
    {authentication} : {opened}
    {cipher} : {none}
    BSSID 1 : 02:00:00:00:00:0A
         {signal} : {percent}
         {radio} : 802.11ax
         {band} : {unit}
         {channel} : 44
         {kind}:
             {kind}:  7
             {kind}:  51 (20 %)
             {kind}:  0 (0 us/s)
         {kind} (Mbps) : 6 12 24
"""
    (bss,) = parse(text)
    told = (bss.ssid, bss.bssid, bss.band, bss.channel, bss.signal_dbm, bss.security, bss.stations, bss.load)
    assert told == ("Sảnh 📶", "02:00:00:00:00:0a", "5", 44, -58.5, "open", 7, 0.2)


@pytest.mark.parametrize(
    ("authentication", "cipher", "security"),
    [
        ("Mở", "WEP", "wep"),
        ("Chia sẻ", "WEP", "wep"),
        ("WPA2-Doanh nghiệp", "CCMP", "wpa2-enterprise"),
        ("WPA2 - 企业", "CCMP", "wpa2-enterprise"),
        ("WPA3-エンタープライズ", "GCMP-256", "wpa3-enterprise"),
        ("WPA3-Personal  (H2E)", "CCMP", "wpa3"),
        ("OWE", "CCMP", "owe"),
        ("未知", "TKIP", "wpa"),
        ("未知", "CCMP", "wpa2"),
    ],
)
def test_security_is_told_by_authentication_and_cipher_together(authentication: str, cipher: str, security: str) -> None:
    text = f"SSID 1 : A\n a : b\n c : {authentication}\n d : {cipher}\n BSSID 1 : 02:00:00:00:00:01\n e : 60%\n"
    (bss,) = parse(text)
    assert bss.security == security


WINDOWS_11 = """
    Tên                    : Wi-Fi
    Mô tả                  : Bộ điều hợp Wi-Fi 7
    GUID                   : 00000000-1111-2222-3333-444444444444
    Địa chỉ vật lý         : 06:00:00:00:00:99
    Trạng thái             : đã kết nối
    SSID                   : Một cửa
    AP BSSID               : 02:00:00:00:00:01
    Băng tần               : 6 GHz
    Kênh                   : 5
    Connected Akm-cipher   : [ akm = 00-0f-ac:05, cipher = 00-0f-ac:04 ]
    Loại mạng              : Cơ sở hạ tầng
    Loại vô tuyến          : 802.11be
    Xác thực               : WPA3-Tổ chức
    Mật mã                 : CCMP
    Chế độ kết nối         : Tự động
    Tốc độ nhận (Mbps)     : 574
    Tín hiệu               : 78%
    Rssi                   : -63
    Hồ sơ                  : Một cửa
"""


def test_the_layout_of_windows_11_is_read_with_band_before_radio_and_the_key_suite_in_it() -> None:
    (bss,) = parse(WINDOWS_11)
    told = (bss.ssid, bss.bssid, bss.band, bss.channel, bss.signal_dbm, bss.security, bss.associated)
    assert told == ("Một cửa", "02:00:00:00:00:01", "6", 5, -63.0, "wpa3-enterprise", True)


def test_each_link_of_a_computer_joined_by_several_is_an_access_point() -> None:
    links = """    MLD AP BSSID           : 02:00:00:00:00:f0
        LinkID: 0, Local: 06:00:00:00:00:a1, AP: 02:00:00:00:00:f1, RSSI: -53, Channel: 48, Band: 5 GHz, BW: 80
        LinkID: 2, Local: 06:00:00:00:00:a2, AP: 02:00:00:00:00:f2, RSSI: -71, Channel: 37, Band: 6 GHz, BW: 160
"""
    start, rest = WINDOWS_11.split("    AP BSSID               : 02:00:00:00:00:01\n")
    kept = rest.partition("    Loại mạng")
    found = parse(start + links + kept[1] + kept[2].replace("    Rssi                   : -63\n", ""))
    told = [(bss.ssid, bss.bssid, bss.band, bss.channel, bss.signal_dbm, bss.width_mhz, bss.security) for bss in found]
    assert told == [
        ("Một cửa", "02:00:00:00:00:f1", "5", 48, -53.0, 80, "wpa3"),
        ("Một cửa", "02:00:00:00:00:f2", "6", 37, -71.0, 160, "wpa3"),
    ]


def test_an_interface_that_is_joined_to_nothing_gives_nothing_and_its_own_address_never_counts() -> None:
    assert parse("    GUID : 0\n    Địa chỉ vật lý : 06:00:00:00:00:99\n    Trạng thái : đã ngắt kết nối\n    SSID :\n") == []
    assert parse("    Physical address : 06:00:00:00:00:99\n") == []


def test_an_interface_pasted_without_its_first_lines_is_read() -> None:
    (bss,) = parse(WINDOWS_11.partition("Trạng thái")[2])
    assert (bss.ssid, bss.associated) == ("Một cửa", True)


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


def test_a_line_without_end_does_not_hold_the_import_up() -> None:
    assert parse("GUID : x\nSSID : a\n" + "aa:bb:cc:dd:ee:ff " * 20_000) == []


@given(st.text(max_size=500))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse(text)


@given(st.lists(st.sampled_from(VIETNAMESE.splitlines()), max_size=40), st.text(max_size=8))
def test_lines_in_any_order_are_read_without_an_error(lines: list[str], noise: str) -> None:
    for bss in parse("\n".join(line + noise for line in lines)):
        assert bss.load is None or 0 <= bss.load <= 1
