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
