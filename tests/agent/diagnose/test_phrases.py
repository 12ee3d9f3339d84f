"""Details of checks in the reader's language."""

import pytest

from agent.diagnose.phrases import PHRASES, phrased
from agent.locale import translator


@pytest.mark.parametrize(
    ("detail", "told"),
    [
        ("no carrier", "không có tín hiệu"),
        ("11% loss, 12 ms ±0.9 ms", "11% mất gói, 12 ms ±0.9 ms"),
        ("up, 10 Mbit/s, half duplex, 2% errors", "có tín hiệu, 10 Mbit/s, bán song công, 2% gói lỗi"),
        ("192.168.1.1: no answer within 2 s", "192.168.1.1: không trả lời trong 2 s"),
        ("status 500", "mã 500"),
        ("no paper, low toner", "hết giấy, sắp hết mực"),
        ("1 d", "1 ngày"),
        ("https://up.open.vn/status/none: certificate has expired", "https://up.open.vn/status/none: chứng thư số đã hết hạn"),
        ("ocsp.down.vn", "ocsp.down.vn"),
    ],
)
def test_known_phrases_are_told_in_vietnamese_and_names_stay(detail: str, told: str) -> None:
    assert phrased(detail, translator("vi")) == told
    assert phrased(detail, translator("en")) == detail


def test_the_longer_phrase_goes_first() -> None:
    vietnamese = translator("vi")
    assert all(phrased(phrase, vietnamese) == vietnamese(phrase) for phrase in PHRASES)
