"""Linux's TCP_INFO: what the kernel knows of a connection (struct tcp_info of linux/tcp.h, grown over the years)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

TCP_INFO = 11
LENGTH = 256
"""Room to ask for; the kernel fills what it knows."""
_HEAD = struct.Struct("@8B24I")
_RATES = struct.Struct("@QQQQ")
_RATES_AT = 104
_MIN_RTT_AT = 148
_SEGMENTS_AT = 136
_DATA_SEGMENTS_IN_AT = 152
_SENT_AT = 200
_MICRO = 1e-6
HEADERS = 66
"""Octets of a segment besides its payload: Ethernet 14, IPv4 20, TCP with time stamps 32."""


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """The figures in use, None where the kernel is too old to tell.

    Attributes:
        rtt, rttvar: smoothed round trip and its variation, in seconds.
        min_rtt: smallest round trip seen, in seconds.
        retransmits: segments sent again since the beginning.
        mtu: path MTU as the connection believes it, in bytes.
        sacked: payload bytes, in whole segments, that arrived behind a gap and wait for it to be filled.
        bytes_acked, bytes_received: payload bytes that the peer has confirmed, and that came in.
        bytes_sent: payload bytes given to the line, those sent again included.
        segments_out, segments_in, data_segments_in: segments of any kind, and those with payload.
        segment_in: payload bytes of the peer's segments, as the kernel believes.
        receive_rtt: round trip in seconds as who receives sees it, 0 where nothing has come in.
    """

    rtt: float
    rttvar: float
    retransmits: int
    mtu: int
    bytes_acked: int | None = None
    bytes_received: int | None = None
    min_rtt: float | None = None
    sacked: int = 0
    bytes_sent: int | None = None
    segments_out: int = 0
    segments_in: int = 0
    data_segments_in: int = 0
    segment_in: int = 0
    receive_rtt: float = 0.0

    @property
    def delivered(self) -> int | None:
        """Payload bytes that have arrived, those behind a gap included: confirmations alone jump when a gap closes."""
        return None if self.bytes_acked is None else self.bytes_acked + self.sacked

    @property
    def carried(self) -> tuple[int, int] | None:
        """Octets on the wire, received and sent, with headers and what was sent again; None where the kernel is too old to tell."""
        if self.bytes_sent is None:
            return None
        # Segments, since what arrives behind a gap is on the line but not yet received for TCP.
        into = max(self.data_segments_in * self.segment_in, self.bytes_received or 0) + HEADERS * self.segments_in
        return into, self.bytes_sent + HEADERS * self.segments_out


def parse_tcp_info(data: bytes) -> TcpInfo | None:
    """The value of the socket option TCP_INFO; None when it is too short."""
    if len(data) < _HEAD.size:
        return None
    words = _HEAD.unpack_from(data)[8:]
    acked = received = sent = None
    min_rtt = None
    out = into = data_in = 0
    if len(data) >= _RATES_AT + _RATES.size:
        _, _, acked, received = _RATES.unpack_from(data, _RATES_AT)
    if len(data) >= _MIN_RTT_AT + 4:
        (lowest,) = struct.unpack_from("@I", data, _MIN_RTT_AT)
        min_rtt = lowest * _MICRO if lowest != 0xFFFFFFFF else None
    if len(data) >= _SENT_AT + 8:
        out, into = struct.unpack_from("@II", data, _SEGMENTS_AT)
        (data_in,) = struct.unpack_from("@I", data, _DATA_SEGMENTS_IN_AT)
        (sent,) = struct.unpack_from("@Q", data, _SENT_AT)
    return TcpInfo(
        words[15] * _MICRO,
        words[16] * _MICRO,
        words[23],
        words[13],
        acked,
        received,
        min_rtt,
        words[5] * words[2],
        sent,
        out,
        into,
        data_in,
        words[3],
        words[21] * _MICRO,
    )
