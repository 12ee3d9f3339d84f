"""Two faults at once: the deeper cause is the verdict, the other is found beside it or told as what the first explains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain

from tests.e2e.captured import CAPTURED
from tests.e2e.corners import CORNERS
from tests.e2e.devices import DEVICES
from tests.e2e.faults import FAULTS, Bench, Fault
from tests.e2e.liars import LIARS
from tests.e2e.magnitudes import MAGNITUDES
from tests.e2e.unseen import UNSEEN
from tests.e2e.variations import VARIATIONS


def _both(first: Fault, second: Fault) -> Callable[[Bench], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with first.inject(bench), second.inject(bench):
            yield

    return inject


_NAMED = {fault.name: fault for fault in chain(FAULTS, CAPTURED, DEVICES, UNSEEN, VARIATIONS, MAGNITUDES, LIARS, CORNERS)}


def _pair(deeper: str, other: str) -> Fault:
    first, second = _NAMED[deeper], _NAMED[other]
    beside = tuple(str(code) for code in second.verdicts[:1])
    return Fault(f"{deeper} + {other}", first.verdicts, _both(first, second), {**first.site, **second.site}, beside=beside)


PAIRS = (
    _pair("captured: disk full", "portal 500"),
    _pair("captured: memory exhausted", "10 % loss"),
    _pair("captured: clock off by a day", "resolver slow"),
    _pair("captured: interface errors", "gateway lossy"),
    _pair("captured: 10 Mbit/s half duplex", "certificate expired"),
    _pair("captured: interface errors", "ISP dead beyond the gateway"),
    _pair("duplicate address", "portal 500"),
    _pair("duplicate address", "300 ms delay"),
    _pair("rogue DHCP", "10 % loss"),
    _pair("rogue DHCP", "portal down"),
    _pair("wrong mask", "portal 500"),
    _pair("10 % loss", "portal 500"),
    _pair("10 % loss", "certificate untrusted"),
    _pair("300 ms delay", "resolver dead"),
    _pair("MTU black hole", "resolver lying"),
    _pair("jitter", "certificate expired"),
    _pair("second uplink down", "portal 500"),
    _pair("second uplink down", "resolver dead"),
    _pair("resolver slow", "portal 500"),
    _pair("resolver slow", "certificate expired"),
    _pair("ISP dead beyond the gateway", "resolver dead"),
    _pair("disk of the agent's state full", "resolver lies about one portal of several"),
    _pair("clock a day behind", "160 ms delay"),
    _pair("clock ten minutes ahead", "one portal of several 500"),
    _pair("mask too wide", "UPS on battery"),
    _pair("duplicate address", "resolver answers with nothing"),
    _pair("second DHCP, same gateway", "intermediate certificate expired"),
    _pair("8 % loss in the LAN", "portal 503"),
    _pair("30 % loss one way", "intermediate certificate not sent"),
    _pair("250 ms delay", "certificate of another name"),
    _pair("8 Mbit/s with a short queue, filled", "portal 500"),
    _pair("jitter, normal, 30 ms", "one portal of several 500"),
    _pair("MTU hole at 1300", "UPS with a depleted battery"),
    _pair("first uplink down", "second of two resolvers dead"),
    _pair("delay on the second of two lines", "portal 502"),
    _pair("loss in the second LAN", "certificate expired yesterday"),
    _pair("plain HTTP led to a login page, the rest open", "one portal of several 500"),
    _pair("names after 2 s", "UPS low: on battery and depleted"),
    _pair("resolver sends all to 0.0.0.0", "SNMP device gone"),
    _pair("IPv6 not forwarded", "printer without paper"),
    _pair("portal 500 behind a proxy", "SNMP device gone"),
)
"""Each pair: the deeper first. What the first hides altogether (a dead gateway all that lies beyond) is no pair."""
