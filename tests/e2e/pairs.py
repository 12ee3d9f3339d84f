"""Two faults at once: the deeper cause is the verdict, the other is found beside it or told as what the first explains."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import chain

from tests.e2e.captured import CAPTURED
from tests.e2e.faults import FAULTS, Bench, Fault
from tests.e2e.unseen import UNSEEN


def _both(first: Fault, second: Fault) -> Callable[[Bench], AbstractContextManager[None]]:
    @contextlib.contextmanager
    def inject(bench: Bench) -> Iterator[None]:
        with first.inject(bench), second.inject(bench):
            yield

    return inject


_NAMED = {fault.name: fault for fault in chain(FAULTS, CAPTURED, UNSEEN)}


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
)
"""Each pair: the deeper first. What the first hides altogether (a dead gateway all that lies beyond) is no pair."""
