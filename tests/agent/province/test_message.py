"""The texts of the bridge: what they say, when, and how they keep within Zalo's limit."""

import unicodedata
import zoneinfo
from typing import Any

from agent.province.message import LIMIT, compose, length

ZONE = zoneinfo.ZoneInfo("Asia/Ho_Chi_Minh")


def incident(status: str = "firing", count: int = 1, text: str = "Xã A mất hoàn toàn.") -> dict[str, Any]:
    return {
        "version": "4",
        "groupKey": '{}:{alertname="SiteDark"}',
        "status": status,
        "alerts": [
            {
                "status": status,
                "startsAt": "2026-11-26T07:05:10.123456789Z",
                "endsAt": "2026-11-26T07:32:10.5Z" if status == "resolved" else "0001-01-01T00:00:00Z",
                "labels": {"alertname": "SiteDark"},
                "annotations": {
                    "summary_vi": f"{text} {number}",
                    "action_vi": "Gọi đầu mối.",
                    "summary_en": "A is dark.",
                    "action_en": "Call.",
                    "dashboard_url": "http://g/d/commune-commune",
                },
            }
            for number in range(count)
        ],
    }


def test_a_message_says_when_and_for_how_long() -> None:
    """Nanoseconds as Go writes them; local time, since a message may come late and be read later."""
    assert compose(incident(), "vi", ZONE, known=False).startswith("SỰ CỐ lúc 14:05 26/11: Xã A mất hoàn toàn. 0\nViệc cần làm: ")
    assert compose(incident(), "en", ZONE, known=True).startswith("UPDATE at 14:05 26/11: A is dark.")
    ended = compose(incident("resolved"), "vi", ZONE, known=True)
    assert ended == "ĐÃ KHÔI PHỤC lúc 14:32 26/11 sau 27 phút: Xã A mất hoàn toàn. 0\nhttp://g/d/commune-commune"
    longer = incident("resolved")
    longer["alerts"][0]["endsAt"] = "2026-11-26T09:10:00Z"
    assert compose(longer, "vi", ZONE, known=True).startswith("ĐÃ KHÔI PHỤC lúc 16:10 26/11 sau 2 giờ 05 phút: ")
    assert compose(longer, "en", ZONE, known=True).startswith("RECOVERED at 16:10 26/11 after 2 h 05: ")
    bare = {"status": "firing", "alerts": [{"status": "firing", "labels": {"alertname": "X"}}]}
    assert compose(bare, "vi", ZONE, known=False) == "SỰ CỐ: X"


def test_long_incidents_stay_within_the_limit() -> None:
    text = compose(incident(count=60, text="Một điểm mất liên lạc " * 3), "vi", ZONE, known=False)
    assert LIMIT - 250 < len(text) <= LIMIT
    assert text.endswith("http://g/d/commune-commune")
    assert "việc khác" in text
    assert len(compose(incident(text="x" * 5000), "vi", ZONE, known=False)) == LIMIT


def test_one_long_line_ends_with_a_word() -> None:
    text = compose(incident(text="Phường Xuân Hương " * 300), "vi", ZONE, known=False)
    cut = text.removesuffix("\nhttp://g/d/commune-commune")
    assert LIMIT - 20 < len(text) <= LIMIT
    assert cut.endswith(("Phường…", "Xuân…", "Hương…"))


def test_length_is_what_zalo_counts() -> None:
    """Letters written as letter and mark are joined; a picture beyond 16 bits counts twice, and is never cut in half."""
    split = unicodedata.normalize("NFD", "Phường Đà Lạt mất điện. ")
    assert "Phường Đà Lạt mất điện." in compose(incident(text=split), "vi", ZONE, known=False)
    text = compose(incident(text="\U0001f534" * 3000), "vi", ZONE, known=False)
    assert LIMIT - 2 <= length(text) <= LIMIT
    assert len(text) < length(text)
