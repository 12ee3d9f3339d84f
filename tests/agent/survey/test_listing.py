"""What the screen shows of a capture or a saved scan."""

from agent.locale import translator
from agent.survey import listing
from agent.survey.air import Flood, Sender
from agent.survey.importer import Imported
from collectors.wire.ieee80211 import Bss

OWN = Sender(
    "02:00:00:00:00:01", "CSC-Free", is_hidden=True, frequency_mhz=2437, security="wpa2", beacons=10, frames=20, retries=5
)
TWIN = Sender("02:00:00:00:00:66", "CSC-Free", frequency_mhz=2462, security="open", beacons=3)


def test_networks_stand_in_the_order_of_their_strength_and_the_sites_own_are_marked() -> None:
    found = [Bss("a", "CSC-Free", 2437, -70.0), Bss("b", "", 2437, -50.0), Bss("c", "Old", 2437)]
    lines = [line.split() for line in listing.networks(found, ["CSC-Free"], translator("en")).splitlines()[2:]]
    assert lines == [
        ["(hidden)", "b", "2.4", "6", "-50", "dBm"],
        ["CSC-Free", "a", "2.4", "6", "-70", "dBm", "own"],
        ["Old", "c", "2.4", "6", "unknown"],
    ]


def test_a_capture_tells_of_hidden_names_retries_floods_and_twins_in_both_languages() -> None:
    found = Imported("pcap", (OWN.bss(), TWIN.bss()), (OWN, TWIN), (Flood(OWN.bssid, 40, 20),))
    text = listing.air(found, ["CSC-Free"], [(TWIN, "wpa2")], translator("en"))
    assert "02:00:00:00:00:01: 10 beacons, 20 frames, 25% sent again, name hidden" in text
    assert "Deauthentication flood in the name of 02:00:00:00:00:01: 40 frames, up to 20 a second" in text
    assert "02:00:00:00:00:66 uses the site's name CSC-Free on channel 11 with open instead of wpa2" in text
    address = listing.air(found, ["CSC-Free"], [(TWIN, "")], translator("vi"))
    assert "02:00:00:00:00:66 dùng tên mạng CSC-Free của trung tâm trên kênh 11 nhưng địa chỉ không thuộc trung tâm" in address
