"""The Wi-Fi collector on a real kernel with real access points; one boot for all cases of `story.coverage`."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from agent.survey import capture
from collectors.wire.iw_scan import parse
from collectors.wire.survey_file import read
from tests.wifilab import lab

SSID = "CSC-Free"
Results = dict[str, Any]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wifilab")


@pytest.fixture(scope="session")
def results(folder: Path) -> Results:
    why = lab.missing()
    if why:
        pytest.skip(why)
    lab.build()
    return lab.stories(folder, "coverage", "clock")


def value(results: Results, step: str, metric: str, *labels: str) -> float | None:
    found: float | None = results[step]["series"].get(f"commune_wifi_{metric}{list(labels)}")
    return found


def link(results: Results, step: str, metric: str) -> float | None:
    return value(results, step, f"link_{metric}", "wlan1", SSID)


def zone(results: Results, step: str, metric: str = "dead") -> float | None:
    return value(results, step, f"zone_{metric}", "hall", SSID)


def said(text: str, pattern: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, pattern
    return float(found[1])


def test_an_unheard_network_is_dead_before_any_access_point_is_there(results: Results) -> None:
    step = "nothing on the air"
    assert zone(results, step) == 1
    assert zone(results, step, "signal_dbm") is None
    assert link(results, step, "up") == 0


def test_the_link_equals_what_iw_says_at_the_same_moment(results: Results) -> None:
    step = "associated, next interval"
    told, before = results[step]["iw"], results[step]["before"]

    def either(pattern: str) -> set[float]:
        """What iw said just before or just after: frames go on arriving."""
        return {said(before, pattern), said(told["link"], pattern)}

    assert link(results, step, "up") == 1
    assert link(results, step, "signal_dbm") in either(r"signal: (-\d+) dBm")
    assert link(results, step, "receive_bytes_per_second") in {rate * 125_000 for rate in either(r"rx bitrate: ([\d.]+)")}
    assert link(results, step, "transmit_bytes_per_second") in {rate * 125_000 for rate in either(r"tx bitrate: ([\d.]+)")}
    assert link(results, step, "retries_total") == said(told["station dump"], r"tx retries:\s+(\d+)")
    assert link(results, step, "beacon_losses_total") == said(told["station dump"], r"beacon loss:\s+(\d+)")


def test_every_network_of_iw_scan_has_the_same_signal_and_channel(results: Results) -> None:
    listed = parse(results["associated"]["iw"]["scan dump"])
    assert len(listed) == 2
    for bss in listed:
        labels = (bss.ssid, bss.bssid, bss.band)
        assert value(results, "associated", "bss_signal_dbm", *labels) == bss.signal_dbm
        assert value(results, "associated", "bss_channel", *labels) == bss.channel
        assert value(results, "associated", "bss_width_hertz", *labels) == (bss.width_mhz and bss.width_mhz * 1e6)
        assert value(results, "associated", "bss_overlapping", *labels) == 0
        assert value(results, "associated", "bss_info", *labels, bss.security) == 1
    for channel in ("6", "11"):
        assert value(results, "associated", "channel_bss", "2.4", channel) == 1
    assert zone(results, "associated", "signal_dbm") == -55


def test_a_spot_is_surveyed_with_the_real_radio(results: Results) -> None:
    (visit,) = read(results["survey"]["line"], "survey")
    assert results["survey"]["progress"] == [1, 2]
    assert results["survey"]["started"]
    assert {(one.ssid, one.channel, one.signal_dbm) for one in visit.heard} == {(SSID, 6, -55.0), (SSID, 11, -55.0)}
    assert visit.channels == ()


def test_frames_from_the_air_tell_the_same_access_point(results: Results, folder: Path) -> None:
    """A capture of the kernel's own radiotap headers; `results` is asked for first, since the boot writes the capture."""
    assert results
    found = capture.read(str(folder / "air.pcap"))
    sender = next(one for one in found.senders if one.ssid == SSID)
    bss = sender.bss()
    assert (bss.channel, bss.signal_dbm, bss.security) in {(6, -55.0, "wpa2"), (11, -55.0, "wpa2")}
    assert sender.beacons >= 5
    assert found.damaged == 0


def test_a_faded_signal_makes_the_zone_dead_and_hysteresis_brings_it_back(results: Results) -> None:
    assert zone(results, "below the threshold") == 1
    assert results["below the threshold"]["intervals"] <= 2
    assert zone(results, "within the hysteresis") == 1
    assert zone(results, "within the hysteresis", "signal_dbm") == -74
    assert zone(results, "above the hysteresis") == 0
    assert results["above the hysteresis"]["intervals"] <= 2


def test_a_change_of_the_access_point_counts_as_one_roam(results: Results) -> None:
    assert link(results, "above the hysteresis", "roams_total") == 0
    assert link(results, "roamed", "roams_total") == 1


def test_access_points_that_go_leave_a_dead_zone_and_returning_ends_it(results: Results) -> None:
    assert (zone(results, "access points gone"), link(results, "access points gone", "up")) == (1, 0)
    assert results["access points gone"]["intervals"] <= 2
    assert zone(results, "access points gone", "signal_dbm") is None
    assert (zone(results, "access point returned"), link(results, "access point returned", "up")) == (0, 1)
    assert results["access point returned"]["intervals"] <= 2


def test_a_wrong_passphrase_is_no_link_though_the_zone_is_covered(results: Results) -> None:
    assert link(results, "wrong passphrase", "up") == 0
    assert zone(results, "wrong passphrase") == 0


def test_without_privilege_the_link_and_cached_results_remain(results: Results) -> None:
    step = "without privilege"
    assert results[step]["reason"] is None
    assert link(results, step, "up") == 1
    assert zone(results, step) == 0


def test_a_radio_that_is_off_tells_nothing_of_the_zone(results: Results) -> None:
    assert results["radio off"]["series"] == {}
    assert results["radio off"]["reason"] is None


def diagnosed(results: Results, step: str) -> Results:
    """What `agent diagnose --json` said at a step, the last time that it was asked."""
    told: Results = results[step]["diagnoses"][-1]
    assert told["document"] is not None, told
    document: Results = told["document"]
    assert told["status"] == (0 if document["healthy"] else 1), told
    return document


def status_of(document: Results, kind: str) -> set[str]:
    """How the checks of a kind ended."""
    return {check["status"] for check in document["checks"] if check["id"].partition(":")[0] == kind}


def assert_healthy(told: Results) -> None:
    """No finding, and not for want of looking: every floor was judged, and holds."""
    document = told["document"]
    assert (told["status"], document["findings"], document["verdict"], document["healthy"]) == (0, [], None, True), told
    for kind in ("wifi", "interface", "address", "route", "gateway", "uplink", "dns", "service"):
        assert status_of(document, kind) == {"pass"}, (kind, document["checks"])


def test_a_site_with_nothing_but_wifi_is_healthy(results: Results) -> None:
    told = results["associated, next interval"]["diagnoses"]
    assert len(told) == 2
    for one in told:
        assert_healthy(one)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        ("below the threshold", "wifi.weak"),
        ("access points gone", "wifi.no_signal"),
        ("access point returned", "wifi.interference"),
        ("wrong passphrase", "wifi.no_signal"),
        ("radio off", "wifi.no_signal"),
    ],
)
def test_the_diagnosis_names_what_is_wrong_with_the_wifi(results: Results, step: str, code: str) -> None:
    document = diagnosed(results, step)
    told = [(finding["code"], finding["subject"], finding["root"]) for finding in document["findings"]]
    assert document["verdict"] == code, (told, document["checks"])
    assert told == [(code, "wlan1", True)], document["checks"]


def test_a_full_channel_is_told_by_the_access_point_itself(results: Results) -> None:
    bss = "02:00:00:00:00:00"
    assert value(results, "access point returned", "bss_load_ratio", SSID, bss, "2.4") == pytest.approx(230 / 255)
    assert value(results, "associated", "bss_load_ratio", SSID, bss, "2.4") is None
    (finding,) = diagnosed(results, "access point returned")["findings"]
    assert "90%" in finding["summary"], finding


@pytest.mark.parametrize("years", ["+3", "-3"])
@pytest.mark.parametrize("source", ["ntp", "http"])
def test_a_date_set_wrong_moves_no_sample_by_a_second(results: Results, source: str, years: str) -> None:
    """`date -s` by years before the agent knows the time, by two hours to and fro afterwards."""
    found = results[f"clock {source} {years}"]
    assert found["source"] == source
    assert found["first_offset"] == pytest.approx(int(years) * 365.25 * 86400, abs=1.0)
    assert found["offset"] == pytest.approx(-7200, abs=1.0)
    assert len(found["stored"]) == 5
    for stored, taken in zip(found["stored"], found["taken"], strict=True):
        assert abs(stored - taken) < 1.0


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a second boot of the laboratory; SOAK=1 (make soak) runs it")
def test_a_crowded_building_is_counted_by_channel(tmp_path: Path) -> None:
    why = lab.missing()
    if why:
        pytest.skip(why)
    lab.build()
    found = lab.stories(tmp_path, "crowd")
    assert value(found, "crowd", "channel_bss", "2.4", "1") == 20
    assert value(found, "crowd", "channel_bss", "5", "149") == 20
    assert not any("Neighbour" in series for series in found["crowd"]["series"])


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("SOAK"), reason="a boot of its own; SOAK=1 (make soak) runs it")
def test_a_healthy_site_with_nothing_but_wifi_has_no_finding_in_twenty_runs(tmp_path: Path) -> None:
    why = lab.missing()
    if why:
        pytest.skip(why)
    lab.build()
    told = lab.stories(tmp_path, "healthy", timeout=900, further=lab.SCAPY)["healthy"]["diagnoses"]
    assert len(told) == 20
    for one in told:
        assert_healthy(one)
    whole = told[0]["document"]
    assert status_of(whole, "quality") == status_of(whole, "duplicate") == {"pass"}, whole["checks"]
