"""Speech quality from delay and loss: the E-model of ITU-T G.107 (06/2015) at its default parameters.

R = 93.2 - Id - Ie,eff: the basic signal-to-noise ratio with all defaults, less the impairment by delay (echo to
talker and listener and absolute delay, clauses 7.4) and by the codec under packet loss (clause 7.5). The codec is
G.711 with packet loss concealment: Ie = 0, Bpl = 25.1 (ITU-T G.113 Appendix I).
"""

from __future__ import annotations

import math

R_DEFAULT = 93.2
IE_G711 = 0.0
BPL_G711_PLC = 25.1
PACKETIZATION_SECONDS = 0.020
BUFFER_JITTERS = 2.0

# G.107, table 2: default values that enter the delay impairment.
_NO = -61.18  # sum of all noise, dBm0p
_RO = 15 - 1.5 * (8 + _NO)  # send loudness rating 8 dB
_RLR = 2.0
_TELR = 65.0
_WEPL = 110.0


def mouth_to_ear(rtt: float, jitter: float) -> float:
    """One-way delay in seconds of a call over a path: half the round trip, a packet of speech, a jitter buffer of twice the jitter."""
    return rtt / 2 + PACKETIZATION_SECONDS + BUFFER_JITTERS * jitter


def delay_impairment(delay: float) -> float:
    """Id of G.107 (equations 7-16 to 7-28) for a one-way delay in seconds, echo paths at their defaults."""
    t = delay * 1000.0
    if t <= 0:
        return 0.0
    # Talker echo (Idte).
    roe = -1.5 * (_NO - _RLR)
    terv = _TELR - 40 * math.log10((1 + t / 10) / (1 + t / 150)) + 6 * math.exp(-0.3 * t * t)
    difference = (roe - (80 + 2.5 * (terv - 14))) / 2
    talker = max(0.0, (difference + math.hypot(difference, 10) - 1) * (1 - math.exp(-t)))
    # Listener echo (Idle), over the whole round.
    difference = (_RO - 10.5 * (_WEPL + 7) * (2 * t + 1) ** -0.25) / 2
    listener = difference + math.hypot(difference, 13)
    # Too long a delay even without echo (Idd).
    absolute = 0.0
    if t > 100:
        x = math.log2(t / 100)
        absolute = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return float(talker + listener + absolute)


def equipment_impairment(loss: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff of G.107 (equation 7-29) for a share of lost packets; `burst_ratio` is 1 for independent losses."""
    percent = 100 * loss
    return IE_G711 + (95 - IE_G711) * percent / (percent / burst_ratio + BPL_G711_PLC)


def rating(rtt: float, jitter: float, loss: float) -> float:
    """The transmission rating factor R for round trip and jitter in seconds and loss as a ratio."""
    return R_DEFAULT - delay_impairment(mouth_to_ear(rtt, jitter)) - equipment_impairment(loss)


def mos(r: float) -> float:
    """Mean opinion score, 1 to 4.5, of a rating factor (G.107, Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return min(4.5, max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6))
