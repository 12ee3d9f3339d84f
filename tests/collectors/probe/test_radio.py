from pathlib import Path

from collectors.machine import Machine
from collectors.probe.nl80211 import Nl80211
from collectors.probe.radio import has_wireless, open_radio
from tests.wifi_replay import computer


def test_a_wifi_interface_is_told_by_its_files_alone(tmp_path: Path) -> None:
    assert not has_wireless(Machine(tmp_path, platform="linux"))
    assert has_wireless(Machine(computer(tmp_path), platform="linux"))
    assert has_wireless(Machine(tmp_path / "none", platform="win32")), "there the service is asked"


def test_linux_is_asked_by_nl80211(tmp_path: Path) -> None:
    assert isinstance(open_radio(Machine(tmp_path)), Nl80211)
