from pathlib import Path

from collectors.machine import Machine
from collectors.probe.wifi_known import known_ssids

FILES = {
    "etc/wpa_supplicant/wpa_supplicant-wlan0.conf": 'network={\n ssid="Một cửa"\n psk="ssid=trap"\n}\nnetwork={\n\tssid=43534332\n}\n',
    "etc/NetworkManager/system-connections/a.nmconnection": "[connection]\nid=x\n[wifi]\nmode=infrastructure\nssid=CSC-Free\n[wifi-security]\npsk=k\n",
    "run/NetworkManager/system-connections/b.nmconnection": "[wifi]\nssid=67;195;160;\n",
    "etc/NetworkManager/system-connections/wired.nmconnection": "[ethernet]\nssid=nothing\n",
    "var/lib/iwd/Hall.psk": "[Security]\n",
    "var/lib/iwd/=c3a0.open": "",
    "etc/config/wireless": "config wifi-device 'radio0'\n\nconfig wifi-iface 'a'\n\toption mode 'ap'\n\toption ssid 'Own AP'\n"
    "\nconfig wifi-iface 'b'\n\toption mode 'sta'\n\toption ssid 'Uplink'\n",
}


def test_names_come_from_every_network_service(tmp_path: Path) -> None:
    for name, text in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert known_ssids(Machine(tmp_path)) == tuple(sorted(["Một cửa", "CSC2", "CSC-Free", "Cà", "Hall", "à", "Uplink"]))


def test_a_computer_that_knows_none_has_none(tmp_path: Path) -> None:
    assert known_ssids(Machine(tmp_path)) == ()
