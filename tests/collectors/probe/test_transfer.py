"""The rate that samples show, the ramp of TCP left out; and what a transfer cost."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from collectors.machine import SystemClock
from collectors.probe.transfer import Meter, Transfer, acknowledged, arrived, tcp_info
from collectors.wire.tcpinfo import TcpInfo


class Clock(SystemClock):
    now = 0.0

    def monotonic(self) -> float:
        return self.now


def meter(*samples: tuple[float, int]) -> Meter:
    clock = Clock()
    made = Meter(clock)
    for clock.now, total in samples:
        made.sample(total)
    return made


def test_the_ramp_is_left_out() -> None:
    ramping = [(0.1 * step, 1000 * step) for step in range(11)]
    steady = [(1.0 + 0.1 * step, 10_000 + 5000 * step) for step in range(1, 71)]
    made = meter(*ramping, *steady)
    assert made.rate() == pytest.approx(50_000)
    assert made.moved == 360_000
    assert made.seconds == pytest.approx(8.0)


def test_of_a_short_transfer_a_quarter_is_the_ramp() -> None:
    assert meter((0, 0), (1, 0), (2, 1000), (4, 3000)).rate() == pytest.approx(1000)


@pytest.mark.parametrize("samples", [(), ((0.0, 5),), ((0.0, 5), (1.0, 5)), ((0.0, 0), (0.0, 9))])
def test_no_rate_without_two_different_samples(samples: tuple[tuple[float, int], ...]) -> None:
    assert meter(*samples).rate() is None


def test_close_samples_take_one_place() -> None:
    made = meter(*[(number / 1000, number) for number in range(10_000)])
    assert len(made._samples) < 250
    assert made.rate() == pytest.approx(1000, rel=0.01)


def test_a_closed_socket_tells_nothing() -> None:
    channel = socket.socket()
    channel.close()
    assert tcp_info(channel) is None
    assert tcp_info(None) is None
    assert acknowledged(channel, lambda: 42) == 42


def test_what_waited_behind_a_gap_is_not_of_the_time_after_it() -> None:
    steady = [(0.1 * step, 10_000 * step) for step in range(16)]
    burst = [(2.4, 160_000), (2.402, 200_000), (2.404, 240_000)]
    later = [(2.4 + 0.1 * step, 240_000 + 10_000 * step) for step in range(1, 57)]
    assert meter(*steady, *burst, *later).rate() == pytest.approx(100_000, rel=0.01)


KNOWN = TcpInfo(
    0.1,
    0.0,
    3,
    1500,
    bytes_received=900_000,
    bytes_sent=5000,
    segments_out=300,
    segments_in=700,
    data_segments_in=690,
    segment_in=1448,
)


def test_what_a_test_cost_is_what_its_segments_weigh_where_the_kernel_tells() -> None:
    assert Transfer(None, 900_000).carried == 972_000
    assert Transfer(None, 900_000, tcp=KNOWN).carried == 972_000
    assert Transfer(None, 900_000, tcp=replace(KNOWN, bytes_sent=95_000)).carried == 900_000 + 95_000 + 1000 * 66
    assert Transfer(None, 2_000_000, tcp=KNOWN).carried == 2_160_000


def test_what_is_on_its_way_when_we_close_comes_in_too() -> None:
    assert arrived(850_000, None, 1e6) == 850_000
    assert arrived(850_000, KNOWN) == 900_000
    assert arrived(950_000, KNOWN, 1e6) == 1_050_000
    assert arrived(950_000, replace(KNOWN, receive_rtt=0.4), 1e6) == 1_350_000
