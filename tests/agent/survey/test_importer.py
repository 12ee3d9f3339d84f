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
    assert "80%" in decode("Empfangsstärke : 80%".encode("cp850"))


def test_a_console_code_page_does_not_hide_the_values(tmp_path: Path) -> None:
    text = shared("data/wifi/netsh/win-netsh-networks-de.txt").read_text()
    file = tmp_path / "saved.txt"
    file.write_bytes(text.replace("\n", "\r\n").encode("cp850"))
    assert [bss.channel for bss in load(file).networks] == [6, 149, 44, 144, 11, 6, 6, 11, 4]


def test_another_file_is_refused_with_what_would_be_understood(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("hello")
    with pytest.raises(ImportFileError, match="netsh wlan show networks"):
        load(file)
