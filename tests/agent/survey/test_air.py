"""Frames of a real capture (../shared/data/wifi/pcap), and frames made with scapy for what was not captured."""

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.survey.air import Packet, Sender, analyse, evil_twins, main, of_file
from collectors.wire.frames80211 import RADIOTAP
from tests.shared import shared

AP, CLIENT = "02:00:00:00:00:01", "06:00:00:00:00:99"


@pytest.fixture(scope="module")
def scapy() -> Any:
    from scapy.layers import dot11

    return dot11


def beacon(
    dot11: Any, ssid: bytes = b"CSC-Free", bssid: str = AP, signal: int = -61, *, subtype: int = 8, channel: int = 6
) -> Packet:
    radio = dot11.RadioTap(
        present="Channel+dBm_AntSignal", ChannelFrequency=2407 + 5 * channel, ChannelFlags=0x80, dBm_AntSignal=signal
    )
    frame = dot11.Dot11(type=0, subtype=subtype, addr1="ff:ff:ff:ff:ff:ff", addr2=bssid, addr3=bssid)
    body = dot11.Dot11Beacon(cap=0x0401) if subtype == 8 else dot11.Dot11ProbeResp(cap=0x0401)
    elements = dot11.Dot11Elt(ID=0, info=ssid) / dot11.Dot11Elt(ID=3, info=bytes([channel]))
    return heard(radio / frame / body / elements)


def heard(packet: Any, when: float = 1000.0) -> Packet:
    """As it would be read from a capture."""
    return RADIOTAP, when, bytes(packet)


def test_every_beacon_of_a_real_capture_has_the_signal_and_channel_that_scapy_reads(scapy: Any) -> None:
    from scapy.utils import rdpcap

    file = shared("data/wifi/pcap/wltrace_trace.pcap")
    packets = rdpcap(str(file))
    told = [packet for packet in packets if packet.haslayer(scapy.Dot11Beacon) or packet.haslayer(scapy.Dot11ProbeResp)]
    expected = [packet[scapy.RadioTap].dBm_AntSignal for packet in told]
    assert {packet[scapy.RadioTap].ChannelFrequency for packet in told} == {5200}
    found = analyse(of_file(str(file)))
    (sender,) = found.senders.values()
    assert (sender.ssid, sender.bssid, sender.bss().channel) == ("AP4-5", "10:fe:ed:e5:8c:97", 40)
    assert (found.frames, found.damaged, sender.beacons) == (318, 0, 213)
    assert sender.signals == expected


def test_the_process_prints_what_was_found(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agent.survey.air"]
    done = subprocess.run(
        [*command, shared("data/wifi/pcap/wltrace_trace.pcap")], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout)["frames"] == 318
    (tmp_path / "no.pcap").write_bytes(b"no capture at all, but long enough to hold a header")
    failed = subprocess.run([*command, tmp_path / "no.pcap"], capture_output=True, text=True, check=False, timeout=60)
    assert failed.returncode == 2
    assert failed.stderr == "Not a supported capture file\n", "`capture` names the file"


def test_a_hidden_name_is_learned_from_the_answer_to_a_probe(scapy: Any) -> None:
    found = analyse([beacon(scapy, b""), beacon(scapy, b"CSC-Staff", subtype=5), beacon(scapy, bytes(9))])
    (sender,) = found.senders.values()
    assert (sender.is_hidden, sender.ssid, sender.beacons) == (True, "CSC-Staff", 2)


def test_a_beacon_heard_on_the_next_channel_belongs_to_its_own(scapy: Any) -> None:
    link, when, data = beacon(scapy, channel=6)
    packet = scapy.RadioTap(data)
    packet.ChannelFrequency = 2432
    (sender,) = analyse([(link, when, bytes(packet))]).senders.values()
    assert sender.bss().channel == 6


def test_the_median_signal_counts(scapy: Any) -> None:
    (sender,) = analyse([beacon(scapy, signal=signal) for signal in (-50, -61, -90)]).senders.values()
    assert sender.bss().signal_dbm == -61


def test_retries_are_counted_by_cell_in_both_directions(scapy: Any) -> None:
    def data(flags: int, first: str, second: str) -> Packet:
        packet = scapy.RadioTap() / scapy.Dot11(type=2, subtype=0, FCfield=flags, addr1=first, addr2=second, addr3=AP)
        return heard(packet / scapy.LLC() / b"x")

    packets = [beacon(scapy), data(0x01 | 0x08, AP, CLIENT), data(0x02, CLIENT, AP), data(0x02 | 0x08, CLIENT, AP)]
    found = analyse(packets)
    assert (found.senders[AP].frames, found.senders[AP].retries) == (4, 2)
    assert CLIENT not in json.dumps(found.result()), "citizens' devices are not kept"


def test_a_deauthentication_flood_is_told_from_an_ordinary_leave(scapy: Any) -> None:
    def leave(when: float, bssid: str) -> Packet:
        packet = scapy.RadioTap() / scapy.Dot11(type=0, subtype=12, addr1=CLIENT, addr2=bssid, addr3=bssid) / scapy.Dot11Deauth()
        return heard(packet, when)

    other = "02:00:00:00:00:02"
    flood = [leave(1000 + index * 0.05, AP) for index in range(30)]
    slow = [leave(1000 + index * 60, other) for index in range(30)]
    (found,) = analyse([*flood, *slow]).floods()
    assert (found.bssid, found.frames) == (AP, 30)
    assert 18 <= found.peak <= 21


def test_damaged_frames_are_counted_and_passed_over(scapy: Any) -> None:
    found = analyse([(RADIOTAP, 0.0, b"\x00" * 5), beacon(scapy)])
    assert (found.frames, found.damaged, len(found.senders)) == (2, 1, 1)


def test_a_frame_cut_off_does_not_make_an_access_point_look_open(scapy: Any) -> None:
    rsn = b"\x30\x14\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x04\x01\x00\x00\x0f\xac\x02\x00\x00"
    link, when, data = beacon(scapy)
    (sender,) = analyse([(link, when, data + rsn), (link, when, (data + rsn)[:-9])]).senders.values()
    assert (sender.security, sender.beacons) == ("wpa2", 2)


def of_packets(file: Path, link: int, *packets: bytes) -> Path:
    """A capture file of these packets, one a second."""
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link)
    file.write_bytes(
        head + b"".join(struct.pack("<IIII", at, 500_000, len(one), len(one)) + one for at, one in enumerate(packets))
    )
    return file


def test_captures_of_every_form_are_read(scapy: Any, tmp_path: Path) -> None:
    from scapy.utils import PcapNgWriter

    _link, _when, data = beacon(scapy)
    plain = of_packets(tmp_path / "a.pcap", RADIOTAP, data, data)
    assert [(link, when) for link, when, _data in of_file(str(plain))] == [(RADIOTAP, 0.5), (RADIOTAP, 1.5)]
    zipped = tmp_path / "a.pcap.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    newer = tmp_path / "a.pcapng"
    packet = scapy.RadioTap(data)
    packet.time = 1700000000.25
    writer = PcapNgWriter(str(newer))
    writer.write([packet])
    writer.close()
    assert [when for _link, when, _data in of_file(str(newer))] == [pytest.approx(1700000000.25)]
    for file in (plain, zipped, newer):
        (sender,) = analyse(of_file(str(file))).senders.values()
        assert (sender.ssid, sender.bss().signal_dbm, sender.bss().channel) == ("CSC-Free", -61, 6), file


def test_a_capture_of_another_medium_is_refused_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(of_packets(tmp_path / "cable.pcap", 1, bytes(60)))]) == 2
    assert "no capture of 802.11 frames" in (capsys.readouterr().err)


@pytest.mark.parametrize(
    ("others", "trusted", "suspects"),
    [
        ([("aa:bb:cc:00:00:01", "wpa2")], [], []),
        ([("aa:bb:cc:00:00:01", "open")], [], ["aa:bb:cc:00:00:01"]),
        ([("aa:bb:cc:00:00:01", "wpa2")], [AP], ["aa:bb:cc:00:00:01"]),
        ([("00:00:00:00:00:77", "wpa2")], [AP], []),
        ([("00:00:00:00:00:77", "open")], [AP], ["00:00:00:00:00:77"]),
    ],
)
def test_false_access_points_are_told_by_security_and_address(
    others: list[tuple[str, str]], trusted: list[str], suspects: list[str]
) -> None:
    mine = [(AP, "wpa2"), ("02:00:00:00:00:02", "wpa2")]
    senders = [Sender(bssid, "CSC-Free", security=security) for bssid, security in (*mine, *others)]
    senders.append(Sender("ff:00:00:00:00:01", "Quán", security="open"))
    assert [sender.bssid for sender, _ in evil_twins(senders, ["CSC-Free"], trusted)] == suspects


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["/nowhere/x.pcap"]) == 2
    assert capsys.readouterr().err == "No such file or directory\n"
