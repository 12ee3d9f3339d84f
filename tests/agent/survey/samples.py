"""A small survey of a service centre, before and after an access point was moved."""

from collectors.wire.survey_file import ChannelUse, Heard, Visit

NEAR, FAR = "02:00:00:00:00:01", "02:00:00:00:00:11"
SPOTS = (
    ("Quầy tiếp nhận", 200.0, 170.0, -48.0),
    ("Phòng chờ", 560.0, 180.0, -61.0),
    ("Phòng họp trực tuyến", 840.0, 170.0, -70.0),
    ("Kho lưu trữ", 160.0, 500.0, -79.0),
    ("Sân trước", 800.0, 500.0, None),
)
NEIGHBOURS = (ChannelUse("2.4", 6, 4, -60.0), ChannelUse("2.4", 1, 1, -80.0))


def visits(gain: float = 0.0, *, placed: bool = True, ssid: str = "CSC-Free") -> list[Visit]:
    found = []
    for number, (zone, x, y, signal) in enumerate(SPOTS):
        heard: tuple[Heard, ...] = ()
        if signal is not None:
            heard = (
                Heard(ssid, NEAR, "5", 36, signal + gain, 80, "wpa2", 0.3),
                Heard(ssid, FAR, "2.4", 4, signal + gain - 5, 20, "wpa2", 0.62),
            )
        found.append(
            Visit(
                1.79e9 + number * 60, zone, (ssid,), heard, NEIGHBOURS, x=x if placed else None, y=y if placed else None, scans=5
            )
        )
    return found
