"""A stream's books, without a network: every outcome of a probe, told by its clocks."""

import pytest

from collectors.model import Reason
from collectors.probe.icmp_stream import Stream
from collectors.wire.roundtrip import RTT_BUCKETS

SECOND = 1_000_000_000
WALL = 1_700_000_000 * SECOND


class Story:
    """A stream with one probe a second; moments in seconds."""

    def __init__(self, timeout: float = 3.0, start: int = 0, interval: float = 1.0) -> None:
        self.stream = Stream("10.0.0.1", None, interval, timeout)
        self.stream.next = self.start = start
        self.turns: list[bool | None] = []
        self.stream.changed.append(lambda: self.turns.append(self.stream.up))

    def send(self, at: float) -> int:
        number = self.stream.next
        self.stream.sending(WALL + int(at * SECOND), int(at * SECOND))
        return number

    def reply(self, number: int, came: float, read: float | None = None) -> None:
        read = came if read is None else read
        self.stream.answered(number, WALL + int(came * SECOND), WALL + int(read * SECOND), int(read * SECOND))


def test_answers_are_counted_and_timed_by_when_they_came_not_when_they_were_read() -> None:
    story = Story()
    for second in range(4):
        story.reply(story.send(second), second + 0.020, second + 0.9)
    stream = story.stream
    assert (stream.sent, stream.received, stream.errors) == (4, 4, {})
    assert stream.rtt_sum == pytest.approx(0.080)
    assert stream.buckets[RTT_BUCKETS.index(0.02)] == 4
    assert stream.jitter == pytest.approx(0.0, abs=1e-9)
    assert story.turns == [True]


def test_down_after_three_probes_without_an_answer_and_up_at_the_first_one() -> None:
    story = Story()
    story.reply(story.send(0), 0.02)
    for second in (1, 2, 3):
        story.send(second)
    assert story.stream.up is True  # the third has not had its second yet
    last = story.send(4)
    assert story.stream.up is False
    story.reply(last, 4.02)
    assert story.turns == [True, False, True]


def test_a_path_longer_than_the_interval_is_not_down() -> None:
    story = Story()
    for second in range(20):
        story.send(second)
        if second >= 2:
            story.reply(second - 2, second + 0.5)
    assert story.stream.up is True
    assert False not in story.turns[1:]


def test_unknown_until_the_third_probe_has_had_its_time() -> None:
    story = Story()
    for second in range(3):
        story.send(second)
    assert story.stream.up is None
    story.send(3)
    assert story.stream.up is False


def test_late_duplicate_and_unknown_replies_count_as_what_they_are() -> None:
    story = Story(timeout=1.0)
    first, second = story.send(0), story.send(1)
    story.reply(first, 1.5)
    story.reply(second, 1.1)
    story.reply(second, 1.2)
    story.reply(77, 1.3)
    assert story.stream.errors == {"late": 2, "duplicate": 1}
    assert story.stream.received == 1


def test_sequence_numbers_wrap() -> None:
    story = Story(start=0xFFFFFFFE)
    for second in range(5):
        story.reply(story.send(second), second + 0.01)
    assert story.stream.received == 5
    assert story.stream.recent(60, 5 * SECOND).received == 5


def test_look_back_leaves_out_what_is_under_way() -> None:
    story = Story()
    for second in range(10):
        number = story.send(second)
        if second % 2:
            story.reply(number, second + 0.010 * second)
    window = story.stream.recent(60, 10 * SECOND)  # the probe at 8 s may still be answered
    assert (window.sent, window.received) == (9, 5)
    assert window.loss == pytest.approx(4 / 9)
    assert window.rtt == pytest.approx(0.05)
    assert window.jitter == pytest.approx(0.02)
    assert story.stream.recent(4.5, 10 * SECOND).sent == 3
    assert story.stream.recent(60, 12 * SECOND).sent == 10


def test_icmp_errors_lose_the_probe_once() -> None:
    story = Story(start=70_000)
    number = story.send(0)
    assert story.stream.failed(number & 0xFFFF, "host_unreachable")
    assert not story.stream.failed(number & 0xFFFF, "host_unreachable")
    assert not story.stream.failed(5, "host_unreachable")
    assert story.stream.errors == {"host_unreachable": 1}
    assert story.stream.recent(9, 0).loss == 1.0


def test_the_clock_set_in_flight_changes_nothing() -> None:
    story = Story()
    for second in range(6):
        number = story.send(second)
        ahead = 3600 * SECOND  # set ahead while the probe was under way
        story.stream.answered(
            number,
            WALL + int((second + 0.02) * SECOND) + ahead,
            WALL + int((second + 0.5) * SECOND) + ahead,
            int((second + 0.5) * SECOND),
        )
    assert story.stream.rtt_sum == pytest.approx(6 * 0.02)


def test_no_permission_is_not_down() -> None:
    story = Story()
    story.stream.silent(Reason.NO_PERMISSION, "…")
    assert story.stream.up is None
    story.stream.silent(Reason.NO_ADDRESS, "…")
    assert story.turns == [None, False]
