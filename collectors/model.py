"""The vocabulary of the one data flow: what is declared, what a run says, and who says it.

`Metric` declares a name once. A `Collector` runs and answers with a `Reading`: observations against declared
metrics, and an outcome from the closed vocabulary `Reason`. Everything above (state, exposition, spool,
diagnosis) handles these values and never looks at how they were measured.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

VALIDITY = 2.5
"""A reading stays valid for this many intervals of its collector."""


class MetricType(enum.StrEnum):
    """The Prometheus metric types in use; an info metric is 1 and carries its facts as labels."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """One declared metric family; compared by identity, since each name is declared exactly once.

    Attributes:
        name: the full name as exposed, `_total` of a counter and `_info` of an info metric included.
        help: one sentence, for HELP lines and docs/metrics.md.
        labels: label names, in the order in which observations give their values.
        buckets: upper bounds of a histogram in its base unit, ascending, without +Inf.
        urgent: a change of this value is sent at once instead of with the next batch.
        persisted: the counter survives restarts of the agent.
    """

    name: str
    type: MetricType
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    urgent: bool = False
    persisted: bool = False

    @property
    def unit(self) -> str:
        """The base unit, read from the name; empty where the value has none."""
        stem = self.name.removesuffix("_total")
        return next((unit for unit in _UNITS if stem.endswith(f"_{unit}")), "")


_UNITS = (
    "bytes_per_second",
    "seconds",
    "bytes",
    "ratio",
    "celsius",
    "volts",
    "amperes",
    "watts",
    "hertz",
    "rpm",
    "dbm",
    "db",
)


def gauge(name: str, text: str, *labels: str, urgent: bool = False) -> Metric:
    """Declare a gauge."""
    return Metric(name, MetricType.GAUGE, text, labels, urgent=urgent)


def counter(name: str, text: str, *labels: str, urgent: bool = False, persisted: bool = False) -> Metric:
    """Declare a counter; the name ends in `_total`."""
    return Metric(name, MetricType.COUNTER, text, labels, urgent=urgent, persisted=persisted)


def info(name: str, text: str, *labels: str) -> Metric:
    """Declare an info metric: always 1, facts as labels; the name ends in `_info`."""
    return Metric(name, MetricType.INFO, text, labels)


class Histogram(NamedTuple):
    """The value of a histogram series: observations per bucket (not cumulative, the last one is +Inf) and their sum."""

    counts: tuple[int, ...]
    sum: float


class Observation(NamedTuple):
    """One value of one series.

    A gauge's value replaces the last one. A counter's or histogram's value is the running total of its source;
    with `add` it is an increment that the state adds up (the only way for persisted counters).
    """

    metric: Metric
    labels: tuple[str, ...]
    value: float | Histogram
    add: bool = False


class Reason(enum.StrEnum):
    """Why a measurement has no value: the same word in status, log and diagnosis."""

    # Answers: the collector did its work, and this is what the network said.
    TIMEOUT = "timeout"
    REFUSED = "refused"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    NAME_UNRESOLVED = "name_unresolved"
    TLS = "tls"
    STATUS = "status"
    MALFORMED = "malformed"
    AUTHENTICATION = "authentication"
    NO_ADDRESS = "no_address"
    PROXY = "proxy"
    # Held back on purpose; nothing is wrong with the collector.
    BUSY = "busy"
    BUDGET = "budget"
    OUT_OF_HOURS = "out_of_hours"
    NOT_SUPPORTED = "not_supported"
    # Failures of the collector itself.
    NO_PERMISSION = "no_permission"
    DEADLINE = "deadline"
    OVERFLOW = "overflow"
    INTERNAL = "internal"

    @property
    def is_failure(self) -> bool:
        """The collector could not do its work (an unreachable target is an answer, not a failure)."""
        return self in _FAILURES


_FAILURES = frozenset({Reason.NO_PERMISSION, Reason.DEADLINE, Reason.OVERFLOW, Reason.INTERNAL})


@dataclass(frozen=True, slots=True)
class Reading:
    """What one run of one collector says.

    Attributes:
        kind: the collector kind, which is also its configuration section.
        target: the instance within the kind; unique there, empty where there is only one.
        taken: when the measurement was taken, in seconds of `Clock.monotonic`.
        observations: the values; series that are missing here and were there before are withdrawn.
        reason: None when all went well, else one word.
        detail: one sentence for a person: what happened and where.
    """

    kind: str
    target: str
    taken: float
    observations: tuple[Observation, ...] | list[Observation] = ()
    reason: Reason | None = None
    detail: str = ""


Emit = Callable[[Reading], None]
"""Hands a reading to the flow at once, outside the schedule: for events (a trap, a link that went down)."""


class Collector(ABC):
    """One target of one kind, run by the scheduler every `interval` seconds, never twice at once.

    `collect` never raises for the network's faults and answers within `deadline` seconds. `identity` is all that
    was configured: after a reload, an instance whose identity is unchanged goes on undisturbed.
    """

    kind: ClassVar[str]

    def __init__(self, target: str, *, interval: float, deadline: float | None = None, identity: Hashable = ()) -> None:
        self.target = target
        self.interval = interval
        self.deadline = min(interval, 30.0) if deadline is None else deadline
        self.identity: Hashable = (self.kind, target, interval, self.deadline, identity)

    async def start(self, emit: Emit) -> None:  # noqa: B027  most collectors neither listen nor probe continuously
        """Begin listening or probing continuously; `emit` hands over events at once."""

    @abstractmethod
    async def collect(self) -> Reading:
        """Measure once, or sum up what was measured since."""

    async def once(self) -> Reading:
        """The measurement for `agent run --once`: the same unless the kind needs several probes or must not load a line."""
        return await self.collect()

    async def stop(self) -> None:  # noqa: B027
        """Release what `start` took; called once, also after a failed `start`."""


@dataclass(slots=True)
class Observations:
    """Collects the observations of one run, in the order in which they are exposed."""

    items: list[Observation] = field(default_factory=list)

    def set(self, metric: Metric, value: float | Histogram | None, *labels: str) -> None:
        """Add a value; None (not known) adds nothing, so that unknown is absent instead of zero."""
        if value is not None:
            self.items.append(Observation(metric, labels, value))

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """Add an increment of a counter that the state accumulates."""
        self.items.append(Observation(metric, labels, value, add=True))
