"""Against recordings of real `iw` (../shared/data/wifi); their JSON beside them is another program's reading."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.wire.iw_scan import parse
from tests.shared import shared

SAMPLE = """BSS 02:00:00:00:00:00(on wlan1) -- associated
\tfreq: 5180
\tcapability: ESS Privacy (0x0011)
\tsignal: -55.00 dBm
\tlast seen: 1136 ms ago
\tSSID: M\\xe1\\xbb\\x99t c\\xe1\\xbb\\xada
\tHT operation:
\t\t * primary channel: 36
\t\t * secondary channel offset: above
\tVHT operation:
\t\t * channel width: 1 (80 MHz)
\tBSS Load:
\t\t * station count: 7
\t\t * channel utilisation: 51/255
\tRSN:\t * Version: 1
\t\t * Authentication suites: SAE
BSS 02:00:00:00:00:01(on wlan1)
\tfreq: 2412.0
\tsignal: -80.00 dBm
\tSSID: \\x00\\x00
"""


def test_a_scan_is_read_whole() -> None:
    one, other = parse(SAMPLE)
    assert (one.bssid, one.ssid, one.channel, one.band, one.associated) == ("02:00:00:00:00:00", "Một cửa", 36, "5", True)
    assert (one.signal_dbm, one.width_mhz, one.security, one.stations) == (-55.0, 80, "wpa3", 7)
    assert one.load == pytest.approx(0.2)
    assert one.age == pytest.approx(1.136)
    assert (other.ssid, other.channel, other.security, other.associated) == ("", 1, "open", False)


SIX_GHZ = """BSS 02:00:00:00:00:02(on wlan0) -- associated
\tlast seen: 88231.441s [boottime]
\tfreq: 6135.0
\tcapability: ESS Privacy (0x0011)
\tsignal: -49.00 dBm
\tlast seen: 24 ms ago
\tInformation elements from Probe Response frame:
\tSSID: \\x20Ph\\xc3\\xb2ng h\\xe1\\xbb\\x8dp \\xf0\\x9f\\x93\\xb6 \\x5c
\tCountry: VN\tEnvironment: Indoor only
\tRSN:\t * Version: 1
\t\t * Pairwise ciphers: CCMP GCMP-256
\t\t * Authentication suites: SAE 00-0f-ac:24
\tReduced Neighbor Report:
\t\t * BSSID: 02:00:00:00:00:77
\t\t * Short SSID: 0x12345678
\tHE Operation:
\t\tHE Operation Parameters: (0x023ff4)
\t\t6 Ghz Operation Information: 0x2503271f00
\t\t\tPrimary Channel: 37
\t\t\tChannel Width: 80+80 or 160 MHz
\tEHT Operation:
\t\tEHT Operation Info: 0x041f3f
\t\t\tChannel Width: 320 MHz
\tMulti-Link:
\t\tMLD MAC: 02:00:00:00:00:f0
BSS 02:00:00:00:00:03(on wlan0)
\tfreq: 5745
\tsignal: -72.00 dBm
\tSSID: \\x00\\x00\\x00
\tRSN:\t * Version: 1
\t\t * Authentication suites: OWE
\tVHT operation:
\t\t * channel width: 1 (80 MHz)
\t\t * center freq segment 1: 155
\t\t * center freq segment 2: 163
\tOWE Transition Mode:
\t\tBSSID: 02:00:00:00:00:04
\t\tSSID: other
BSS 02:00:00:00:00:05(on wlan0)
\tfreq: 2437
\tsignal: 62/100
\tcapability: ESS Privacy (0x0011)
\tSSID: Qu\\xe1n c\\xe0 ph\\xea
\tHT operation:
\t\t * primary channel: 6
\t\t * secondary channel offset: above
\t\t * STA channel width: 20 MHz
\tWPA:\t * Version: 1
\t\t * Authentication suites: IEEE 802.1X
BSS 02:00:00:00:00:06(on wlan0)
\tfreq: 2462
\tsignal: -80.00 dBm
\tSSID: B
\tHT operation:
\t\t * secondary channel offset: below
\t\t * STA channel width: any
\tRSN:\t * Version: 1
\t\t * Authentication suites: IEEE 802.1X/SUITE-B-192
"""


def test_newer_bands_links_and_suites_are_read() -> None:
    six, hidden, latin, enterprise = parse(SIX_GHZ)
    assert (six.ssid, six.band, six.channel, six.width_mhz) == (" Phòng họp 📶 \\", "6", 37, 320)
    assert (six.security, six.signal_dbm, six.age, six.associated) == ("wpa3", -49.0, 0.024, True)
    assert (hidden.ssid, hidden.channel, hidden.width_mhz, hidden.security) == ("", 149, 160, "owe")
    assert (latin.ssid, latin.signal_dbm, latin.width_mhz, latin.security) == (
        "Qu\\xe1n c\\xe0 ph\\xea",
        None,
        20,
        "wpa-enterprise",
    )
    assert (enterprise.width_mhz, enterprise.security) == (40, "wpa3-enterprise")


def reference(path: Path) -> list[dict[str, object]]:
    """Address, frequency, signal and name of each network as the JSON beside a recording gives them (jc moves their keys)."""

    def value(row: dict[str, object], key: str) -> object:
        return next((row[name] for name in row if name == key or name.endswith(f"_{key}")), None)

    def number(found: object) -> float | None:
        match = re.search(r"-?\d+(\.\d+)?", str(found))
        return float(match[0]) if match else None

    rows = json.loads(path.read_text())
    return [
        {
            "bssid": row["bssid"],
            "frequency": number(value(row, "freq")),
            "signal": number(value(row, "signal_dbm") or value(row, "signal")),
            "ssid": value(row, "ssid"),
        }
        for row in rows
    ]


@pytest.mark.parametrize("name", ["iw-scan0", "iw-scan1", "iw-scan2"])
def test_every_recorded_network_is_reported_as_the_reference_has_it(name: str) -> None:
    folder = shared("data/wifi/iw")
    found = parse((folder / f"{name}.out").read_text())
    expected = reference(folder / f"{name}.json")
    assert [bss.bssid for bss in found] == [row["bssid"] for row in expected]
    for bss, row in zip(found, expected, strict=True):
        assert (bss.frequency_mhz, bss.signal_dbm) == (row["frequency"], row["signal"])
        assert bss.ssid == str(row["ssid"] or "").replace("\\x00", "")  # octets of zero are a hidden name


@given(st.text(max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parse(text)


@given(st.lists(st.sampled_from(SAMPLE.splitlines()), max_size=40), st.text(max_size=8))
def test_lines_in_any_order_are_read_without_an_error(lines: list[str], noise: str) -> None:
    for bss in parse("\n".join(line + noise for line in lines)):
        assert bss.load is None or 0 <= bss.load <= 1
