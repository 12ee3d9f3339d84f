from pathlib import Path

import pytest

from agent.survey import capture
from agent.survey.trouble import SurveyError
from tests.shared import shared


def test_a_capture_is_read_in_a_process_of_its_own() -> None:
    found = capture.read(str(shared("data/wifi/pcap/wltrace_trace.pcap")))
    assert (found.frames, found.damaged, len(found.senders), found.floods) == (318, 0, 1, ())


def test_what_stands_against_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match=r"missing\.pcap: cannot be read: No such file or directory; name a file"):
        capture.read(str(tmp_path / "missing.pcap"))
    (tmp_path / "hello.pcap").write_text("hello")
    with pytest.raises(
        capture.CaptureError, match=r"hello\.pcap: Not a supported capture file\. Understood are captures of 802\.11"
    ):
        capture.read(str(tmp_path / "hello.pcap"))


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(capture.CaptureError, match="not read within"):
        capture.read(str(shared("data/wifi/pcap/wltrace_trace.pcap")), within=0.01)
