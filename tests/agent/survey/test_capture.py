from pathlib import Path

import pytest

from agent.survey import capture
from tests.shared import shared


def test_a_capture_is_read_in_a_process_of_its_own() -> None:
    found = capture.read(str(shared("data/wifi/pcap/wltrace_trace.pcap")))
    assert (found.frames, found.damaged, len(found.senders), found.floods) == (318, 0, 1, ())


def test_what_stands_against_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(capture.CaptureError, match="missing"):
        capture.read(str(tmp_path / "missing.pcap"))


def test_a_process_that_takes_too_long_is_ended() -> None:
    with pytest.raises(capture.CaptureError, match="not read within"):
        capture.read(str(shared("data/wifi/pcap/wltrace_trace.pcap")), within=0.01)
