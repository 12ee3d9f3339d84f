from pathlib import Path

import pytest

from agent.survey.importer import ImportFileError, decode, load
from tests.shared import shared


@pytest.mark.parametrize(
    ("name", "source", "networks"),
    [
        ("iw/iw-scan1.out", "iw", 26),
        ("netsh/win-netsh-networks-de.txt", "netsh", 9),
        ("netsh/win-netsh-interfaces-es.txt", "netsh", 1),
        ("pcap/wltrace_trace.pcap", "pcap", 1),
    ],
)
def test_each_recording_is_recognised_by_itself(name: str, source: str, networks: int) -> None:
    found = load(shared(f"data/wifi/{name}"))
    assert (found.source, len(found.networks)) == (source, networks)


def test_text_is_read_in_every_form_that_windows_saves() -> None:
    text = "Tín hiệu : 80%\r\n"
    assert decode(text.encode("utf-16")) == decode(text.encode("utf-8-sig")) == text
    long = text * 20
    assert decode(long.encode("utf-16-le")) == long, "as PowerShell's and cmd's pipes leave it, without a mark"
    assert "80%" in decode("Empfangsstärke : 80%".encode("cp850"))


def test_a_console_code_page_does_not_hide_the_values(tmp_path: Path) -> None:
    text = shared("data/wifi/netsh/win-netsh-networks-de.txt").read_text()
    file = tmp_path / "saved.txt"
    file.write_bytes(text.replace("\n", "\r\n").encode("cp850"))
    assert [bss.channel for bss in load(file).networks] == [6, 149, 44, 144, 11, 6, 6, 11, 4]


@pytest.mark.parametrize(
    ("name", "page"), [("Bürgerbüro", "cp850"), ("受付", "cp932"), ("接待处", "cp936"), ("Приёмная", "cp866")]
)
def test_a_name_of_the_site_tells_the_code_page(tmp_path: Path, name: str, page: str) -> None:
    file = tmp_path / "saved.txt"
    file.write_bytes(f"SSID 1 : {name}\r\n    BSSID 1 : 02:00:00:00:00:01\r\n         A : 60%\r\n".encode(page))
    assert [bss.ssid for bss in load(file, ["CSC-Free", name]).networks] == [name]
    (unnamed,) = load(file).networks
    assert (unnamed.bssid, unnamed.signal_dbm) == ("02:00:00:00:00:01", -70.0)


def test_vietnamese_marks_of_the_console_are_put_together() -> None:
    assert "Một cửa" in decode(b"SSID 1 : M\xf4\xf2t c\xfd\xd2a", ["Một cửa"])


def test_windows_that_tells_nothing_for_want_of_location_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "saved.txt"
    file.write_text("Lệnh cần quyền vị trí: ms-settings:privacy-location\n", encoding="utf-16")
    with pytest.raises(ImportFileError, match="switch on Location"):
        load(file)


def test_another_file_is_refused_with_what_would_be_understood(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("hello")
    with pytest.raises(ImportFileError, match="netsh wlan show networks"):
        load(file)
