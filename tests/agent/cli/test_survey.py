"""Stories of `agent survey` as a technician lives them: commands, files, exit statuses."""

import json
import os
import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from agent.cli import main
from agent.cli import survey as survey_cli
from agent.survey import record as record_module
from agent.survey import store
from collectors.machine import Machine
from collectors.probe.station import Station
from collectors.wire.ieee80211 import Bss
from tests.agent.survey import tapped
from tests.agent.survey.samples import visits
from tests.namespaces import needs_namespaces
from tests.shared import shared

ROOT = Path(__file__).parents[3]
STATION = Station("wlan0", 3, up=True, ssid="CSC-Free", bssid="aa:00:00:00:00:01")


def run(*arguments: str | Path, **environ: str) -> Result:
    return CliRunner(env={"LANG": "C", "LC_ALL": None, **environ}).invoke(main, ["survey", *map(str, arguments)])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures go to the current folder where no other is named."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def hall(monkeypatch: pytest.MonkeyPatch) -> list[Bss]:
    """What the radio of this computer hears; a test changes the list."""
    heard = [Bss("aa:00:00:00:00:01", "CSC-Free", 5180, -61.0), Bss("bb:00:00:00:00:09", "Quán", 2437, -50.0)]

    async def record(
        machine: Machine, scans: int, progress: record_module.Progress, interface: str = "auto"
    ) -> tuple[Station, list[list[Bss]], bool]:
        assert machine.is_real
        assert interface == "auto"
        for number in range(scans):
            progress(number + 1, heard)
        return STATION, [heard] * scans, True

    monkeypatch.setattr(survey_cli, "record", record)
    return heard


def test_a_spot_is_recorded_judged_and_kept(tmp_path: Path, hall: list[Bss]) -> None:
    file = tmp_path / "s.jsonl"
    done = run("--zone", "Sảnh", "--file", file, "--x", "3", "--y", "4", "--ssid", "CSC-Free", "--scans", "3")
    assert done.exit_code == 0, done.output
    assert "good" in done.stdout
    (visit,) = store.load([file])
    assert (visit.zone, visit.x, visit.y, visit.scans, visit.source) == ("Sảnh", 3, 4, 3, "scan")
    assert "Quán" not in file.read_text()
    hall[0] = Bss("aa:00:00:00:00:01", "CSC-Free", 5180, -80.0)
    assert run("--zone", "Kho", "--file", file, "--ssid", "CSC-Free").exit_code == 1
    assert len(store.load([file])) == 2


def test_a_spot_whose_radio_tells_no_signal_is_unknown_and_two_spots_of_a_walk_both_count(
    tmp_path: Path, hall: list[Bss]
) -> None:
    spot = ("--zone", "Sảnh", "--file", tmp_path / "s.jsonl", "--ssid", "CSC-Free", "--scans", "1")
    hall[0] = Bss("aa:00:00:00:00:01", "CSC-Free", 5180)
    done = run(*spot)
    assert (done.exit_code, "unknown" in done.stdout) == (0, True), done.output
    for signal in (-80.0, -50.0):
        hall[0] = Bss("aa:00:00:00:00:01", "CSC-Free", 5180, signal)
        run(*spot)
    done = run("report", tmp_path / "s.jsonl")
    assert done.exit_code == 1, "the weak corner is not forgotten for the strong one"
    assert ["Sảnh", "CSC-Free", "-65", "dBm", "-80", "dBm", "3", "dead"] in [line.split() for line in done.stdout.splitlines()]


def test_the_networks_come_from_the_configuration_and_the_file_goes_to_the_state(tmp_path: Path, hall: list[Bss]) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(f"state_dir: {tmp_path / 'state'}\nwifi: {{ssids: [CSC-Staff], dead_zone_dbm: -70}}\n")
    done = run("--zone", "Hall", "-c", config, "--lang", "vi")
    assert done.exit_code == 1, "an unheard network leaves a dead zone"
    assert "không bắt được" in done.stdout
    (file,) = (tmp_path / "state/surveys").glob("*.jsonl")
    assert json.loads(file.read_text())["ssids"] == ["CSC-Staff"]


def test_without_a_radio_and_without_a_zone_it_says_what_to_do() -> None:
    assert "--zone NAME" in run().stderr
    assert run().exit_code == 2


def test_a_survey_is_imported_and_reported_over_a_plan(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    source = shared("data/wifi/netsh/win-netsh-networks-en.txt")
    for zone, x in (("Hall", "10"), ("Store", "90")):
        done = run("import", source, "--zone", zone, "--x", x, "--y", "20", "--ssid", "SSID-1", "--file", file)
        assert done.exit_code == 0, done.output
    assert "fe:dc:ba:09:87:08" in done.stdout, "neighbours are shown"
    assert "fe:dc:ba:09:87:08" not in file.read_text(), "and not kept"
    Image.new("RGB", (100, 60), "white").save(tmp_path / "plan.png")
    done = run("report", file, "--plan", tmp_path / "plan.png", "--out", tmp_path / "out", LANG="vi_VN.UTF-8")
    assert done.exit_code == 0, done.output
    assert "Khuyến nghị" in done.stdout
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["heatmap.png", "report.html"]


def test_dead_zones_are_status_1_and_a_comparison_shows_the_gain(tmp_path: Path) -> None:
    before, after = tmp_path / "before.jsonl", tmp_path / "after.jsonl"
    for visit in visits(-9):
        store.append(before, visit)
    for visit in visits():
        store.append(after, visit)
    done = run("report", after, "--before", before)
    assert done.exit_code == 1
    assert "+9 dB" in done.stdout
    assert (tmp_path / "report.html").exists(), "spots with positions are drawn"


def test_a_network_joined_is_the_sites_when_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    done = run("import", shared("data/wifi/netsh/win-netsh-interfaces-es.txt"), "--zone", "Hall", "--file", file)
    assert done.exit_code == 0
    assert store.load([file])[0].ssids == ("SSID-1",)


def test_files_of_one_zone_are_one_visit(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    folder = shared("data/wifi/netsh")
    run("import", folder / "win-netsh-networks-de.txt", folder / "win-netsh-interfaces-de.txt", "--zone", "Hall", "--file", file)
    (visit,) = store.load([file])
    assert (visit.ssids, visit.scans, len(visit.heard)) == (("SSID-1",), 2, 2)


def test_a_capture_is_shown_with_what_it_means() -> None:
    done = run("--pcap", shared("data/wifi/pcap/wltrace_trace.pcap"), "--ssid", "AP4-5")
    assert done.exit_code == 0, done.output
    assert "AP4-5" in done.stdout
    assert "213 beacons" in done.stdout


def test_an_attack_in_the_air_is_told_and_is_status_1(tmp_path: Path) -> None:
    from scapy.layers import dot11
    from scapy.utils import wrpcap

    def beacon(bssid: str, *, private: bool) -> Any:
        frame = dot11.Dot11(type=0, subtype=8, addr1="ff:ff:ff:ff:ff:ff", addr2=bssid, addr3=bssid)
        rsn = bytes.fromhex("0100000fac040100000fac040100000fac020000")
        security = dot11.Dot11Elt(ID=48, info=rsn) if private else dot11.Dot11Elt(ID=42, info=b"\0")
        radio = dot11.RadioTap(present="Channel+dBm_AntSignal", ChannelFrequency=2437, ChannelFlags=0x80, dBm_AntSignal=-50)
        body = dot11.Dot11Beacon(cap=0x0411 if private else 0x0401)
        return radio / frame / body / dot11.Dot11Elt(ID=0, info=b"CSC-Free") / security

    own = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
    wrpcap(
        str(tmp_path / "air.pcap"), [*(beacon(bssid, private=True) for bssid in own), beacon("66:00:00:00:00:66", private=False)]
    )
    done = run("--pcap", tmp_path / "air.pcap", "--ssid", "CSC-Free", "--lang", "vi")
    assert done.exit_code == 1, done.output
    assert "66:00:00:00:00:66 dùng tên mạng CSC-Free của trung tâm trên kênh 6 với bảo mật open thay vì wpa2" in done.stdout


def test_without_a_folder_named_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    for visit in visits():
        store.append(tmp_path / "s.jsonl", visit)
    (tmp_path / "report.html").write_text("somebody else's")
    for folder in ("report-2", "report-3"):
        done = run("report", "s.jsonl")
        assert done.exit_code == 1, done.output
        for name in ("heatmap.png", "report.html"):
            assert f"Written: {tmp_path / folder / name}" in done.stderr
            assert (tmp_path / folder / name).stat().st_size > 1000
    assert (tmp_path / "report.html").read_text() == "somebody else's"
    assert not (tmp_path / "heatmap.png").exists()


def test_a_folder_that_is_named_is_renewed_and_that_is_said(tmp_path: Path) -> None:
    for visit in visits():
        store.append(tmp_path / "s.jsonl", visit)
    first = run("report", "s.jsonl", "--out", "out")
    assert "Written: out/report.html" in first.stderr
    (tmp_path / "out/report.html").write_text("old")
    again = run("report", "s.jsonl", "--out", "out", "--lang", "vi")
    assert "Đã ghi đè: out/report.html" in again.stderr
    assert "Đã ghi đè: out/heatmap.png" in again.stderr
    assert "Vùng phủ" in (tmp_path / "out/report.html").read_text() or "vùng phủ" in (tmp_path / "out/report.html").read_text()


@needs_namespaces
@pytest.mark.skipif(not os.access("/dev/net/tun", os.W_OK), reason="needs /dev/net/tun")
def test_a_monitor_interface_tells_what_is_in_the_air_and_no_citizen(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    arguments = [
        "--monitor",
        "mon0",
        "--seconds",
        "3",
        "--ssid",
        "CSC-Free",
        "--zone",
        "Hall",
        "--file",
        str(file),
        "--lang",
        "en",
    ]
    command = ["unshare", "-n", sys.executable, "-m", "tests.agent.survey.tapped", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    shown = [line.split() for line in done.stdout.splitlines()]
    assert ["CSC-Free", tapped.OWN, "2.4", "1", "-61", "dBm", "wpa2", "own"] in shown
    assert ["CSC-Free", tapped.HIDDEN, "2.4", "6", "-70", "dBm", "wpa2", "own"] in shown
    assert ["Quán", tapped.NEIGHBOUR, "2.4", "6", "-80", "dBm", "wpa2"] in shown
    # One of 33 frames of a round is a retry: 3 %, a little more or less where the last round was cut.
    assert re.search(rf"{tapped.OWN}: \d+ beacons, \d+ frames, [2-6]% sent again", done.stdout), done.stdout
    assert re.search(rf"{tapped.HIDDEN}: \d+ beacons, .*, name hidden", done.stdout)
    assert f"Deauthentication flood in the name of {tapped.OWN}" in done.stdout
    assert f"{tapped.TWIN} uses the site's name CSC-Free on channel 11 with open instead of wpa2" in done.stdout
    (visit,) = store.load([file])
    assert visit.source == "monitor"
    kept = file.read_text()
    for stranger in (tapped.NEIGHBOUR, tapped.CITIZEN, "Quán"):
        assert stranger not in kept
    assert tapped.CITIZEN not in done.stdout
    assert {(use.channel, use.networks) for use in visit.channels} == {(6, 1), (11, 1)}, "the false one is a stranger too"
    assert {heard.bssid for heard in visit.heard} == {tapped.OWN, tapped.HIDDEN}


def test_an_interrupted_survey_tells_of_no_dead_zone_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(survey_cli, "record", interrupted)
    assert run("--zone", "Hall", "--ssid", "CSC-Free", "--file", tmp_path / "s.jsonl").exit_code == 130
    assert not (tmp_path / "s.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("report", "missing.jsonl"), "missing.jsonl: cannot be read: No such file or directory; name a file that is there"),
        (("import", "missing.txt"), "missing.txt: cannot be read: No such file or directory; name a file that is there"),
        (("--pcap", "missing.pcap"), "missing.pcap: cannot be read: No such file or directory; name a file that is there"),
        (("--pcap", "."), ".: cannot be read: Is a directory"),
        (("--pcap", "/etc/hostname"), "hostname: Not a supported capture file. Understood are captures of 802.11 frames"),
        (("--zone", "Hall", "--x", "1"), "--x and --y belong together"),
        (("import", "a.txt", "--y", "1"), "--x and --y belong together"),
        (("--monitor", "nosuch0", "--seconds", "1"), "nosuch0: no such interface. Listening needs root and monitor mode"),
    ],
)
def test_what_cannot_be_read_is_named_and_is_status_2(arguments: tuple[str, ...], words: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2, done.output
    assert words in done.stderr


def test_what_cannot_be_read_is_said_in_vietnamese_too(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    (tmp_path / "b.dat").write_bytes(Path(sys.executable).read_bytes()[:4000] + b"\n")
    for arguments, words in (
        (("import", "a.txt"), "a.txt: không thấy mạng nào"),
        (("report", "b.dat"), "b.dat:1: không phải dòng của tệp khảo sát"),
        (("report", "b.dat"), "`agent survey import TỆP --zone TÊN`"),
        (("--pcap", "a.txt"), "a.txt: không phải tệp bắt gói đọc được. Đọc được tệp bắt gói 802.11"),
        (("--monitor", "lo", "--seconds", "1"), "lo: không ở chế độ monitor. Muốn nghe cần quyền root"),
        (("--pcap", "missing.pcap"), "missing.pcap: không đọc được: không có tệp hoặc thư mục này; hãy nêu đúng tên tệp"),
        (("report", "."), ".: không đọc được: đây là thư mục"),
        (("--zone", "Sảnh", "--x", "1"), "phải đi cùng nhau"),
        ((), "hãy nêu tên khu vực"),
    ):
        done = run(*arguments, LANG="vi_VN.UTF-8")
        assert (done.exit_code, words in done.stderr) == (2, True), done.output


def test_a_capture_without_a_whole_frame_measured_nothing(tmp_path: Path) -> None:
    (tmp_path / "e.pcap").write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 127))
    done = run("--pcap", "e.pcap", "--ssid", "CSC-Free", "--zone", "Hall", "--file", tmp_path / "s.jsonl")
    assert (done.exit_code, "e.pcap: no whole 802.11 frame" in done.stderr) == (2, True), done.output
    assert not (tmp_path / "s.jsonl").exists(), "an empty capture makes no dead zone"


def test_a_file_that_is_no_survey_is_named(tmp_path: Path) -> None:
    (tmp_path / "plan.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    done = run("report", "plan.png")
    assert (done.exit_code, "plan.png:1: no line of a survey file" in done.stderr) == (2, True), done.output


def test_an_empty_survey_cannot_be_reported(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("")
    assert run("report", tmp_path / "e.jsonl").exit_code == 2
