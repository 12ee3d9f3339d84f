import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.ieee80211 import (
    Bss,
    band_of,
    channel_of,
    elements,
    frequency_of,
    overlaps,
    parse_elements,
    ssid_text,
)


def element(kind: int, *octets: int) -> bytes:
    return bytes([kind, len(octets), *octets])


def rsn(*suites: int) -> bytes:
    body = b"\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04" + len(suites).to_bytes(2, "little")
    body += b"".join(b"\x00\x0f\xac" + bytes([suite]) for suite in suites) + b"\x00\x00"
    return element(48, *body)


@pytest.mark.parametrize(
    ("frequency", "band", "channel"),
    [(2412, "2.4", 1), (2472, "2.4", 13), (2484, "2.4", 14), (5180, "5", 36), (5825, "5", 165), (5955, "6", 1), (7115, "6", 233)],
)
def test_a_frequency_is_a_channel_of_a_band_and_back(frequency: int, band: str, channel: int) -> None:
    assert (band_of(frequency), channel_of(frequency)) == (band, channel)
    assert frequency_of(channel, band) == frequency


@given(st.integers(0, 10_000))
def test_every_channel_leads_back_to_its_frequency(frequency: int) -> None:
    channel, band = channel_of(frequency), band_of(frequency)
    if channel and band:
        back = frequency_of(channel, band)
        assert 0 <= frequency - back < 5 or 4910 <= frequency <= 4980 or back == 5935, "two plans number from elsewhere"


def test_channel_without_a_band_is_taken_by_its_number() -> None:
    assert frequency_of(6, "") == 2437
    assert frequency_of(149, "") == 5745
    assert (frequency_of(37, ""), frequency_of(36, ""), frequency_of(233, "")) == (6135, 5180, 7115)
    assert frequency_of(200, "") == 0


@pytest.mark.parametrize(
    ("suites", "security"),
    [
        ([2], "wpa2"),
        ([6], "wpa2"),
        ([8], "wpa3"),
        ([2, 8], "wpa3"),
        ([1], "wpa2-enterprise"),
        ([12], "wpa3-enterprise"),
        ([18], "owe"),
    ],
)
def test_security_is_read_from_the_key_management_suites(suites: list[int], security: str) -> None:
    assert parse_elements(rsn(*suites), 0x0011).security == security


def test_networks_without_rsn_are_told_by_capability_and_vendor_element() -> None:
    assert parse_elements(b"", 0x0001).security == "open"
    assert parse_elements(b"", 0x0011).security == "wep"
    assert parse_elements(element(221, 0x00, 0x50, 0xF2, 1, 1, 0), 0x0011).security == "wpa"


def test_bss_load_tells_stations_and_utilization() -> None:
    told = parse_elements(element(11, 4, 0, 109, 0, 0))
    assert told.stations == 4
    assert told.load == pytest.approx(109 / 255)


@pytest.mark.parametrize(
    ("octets", "width"),
    [
        (element(61, 6, 0x00), 20),
        (element(61, 6, 0x05), 40),
        (element(61, 36, 0x05) + element(192, 1, 42, 0, 0, 0), 80),
        (element(61, 36, 0x05) + element(192, 1, 42, 50, 0, 0), 160),
        (element(61, 36, 0x05) + element(192, 1, 42, 155, 0, 0), 160),
        (element(255, 36, 0, 0, 2, 0, 0, 0, 1, 2, 7, 0, 0), 80),
    ],
)
def test_width_follows_the_operation_elements(octets: bytes, width: int) -> None:
    assert parse_elements(octets).width_mhz == width


def test_names_are_utf8_else_escaped_and_hidden_ones_empty() -> None:
    assert ssid_text("Một cửa, Sảnh chính".encode()) == "Một cửa, Sảnh chính"
    assert ssid_text(b"caf\xe9") == "caf\\xe9"
    assert ssid_text("Trung tâm phục vụ".encode()[:-2]) == "Trung tâm phục v\\xe1"
    assert ssid_text(b"a\nb") == "a\\x0ab"
    assert ssid_text(bytes(8)) == ssid_text(b"") == ""


def test_wide_channels_overlap_their_neighbours() -> None:
    def bss(frequency: int, width: int) -> Bss:
        return Bss("", "", frequency, width_mhz=width)

    assert overlaps(bss(2412, 20), bss(2427, 20))
    assert not overlaps(bss(2412, 20), bss(2437, 20))
    assert overlaps(bss(5180, 80), bss(5240, 20))
    assert not overlaps(bss(5180, 80), bss(5260, 20))
    assert not overlaps(bss(0, 20), bss(0, 20))


@given(st.binary(max_size=600), st.integers(0, 65535))
def test_any_octets_are_read_without_an_error(data: bytes, capability: int) -> None:
    told = parse_elements(data, capability)
    assert told.width_mhz in {None, 20, 40, 80, 160, 320}
    assert told.load is None or 0 <= told.load <= 1
    assert sum(len(body) + 2 for _, body in elements(data)) <= len(data)
