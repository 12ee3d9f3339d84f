"""What can be wrong with a cable.

Each fault is a value attached to a link, active from its making until `remove()` or the end of its `with` block; the
link works out from the list of its faults what the kernel has to be told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

    from .link import Link

AB, BA = 0, 1


@dataclass(eq=False)
class Impairment:
    """Base: the link, and the directions it applies to (AB, BA)."""

    link: Link
    directions: tuple[int, ...]
    number: int = field(init=False, default=0)

    def remove(self) -> None:
        """Heal this fault; harmless when it is gone already."""
        self.link.heal(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.remove()


@dataclass(eq=False)
class Cut(Impairment):
    """Carrier is lost at the ends `sides` (0 is the first node of the link, 1 the second), as if unplugged there."""

    sides: tuple[int, ...] = (0, 1)


@dataclass(eq=False)
class Drop(Impairment):
    """Frames that match one of `statements` (nftables, netdev family) vanish without a word."""

    statements: tuple[str, ...] = ()
    total: int | None = field(init=False, default=None)

    @property
    def counter(self) -> str:
        """The nftables counter of what this fault took."""
        return f"drop{self.number}"

    @property
    def dropped(self) -> int:
        """Frames dropped so far, both directions together; after the fault was healed, in all."""
        return self.link.dropped(self) if self.total is None else self.total


@dataclass(eq=False)
class Rate(Impairment):
    """A token bucket at the exit of the cable, with the queue in front of it that makes delay under load."""

    bits_per_second: float = 0.0
    burst: int = 0  # bytes
    limit: int = 0  # bytes that may queue


@dataclass(eq=False)
class Relay(Impairment):
    """Frames pass through a delay line in user space (see relay.py) that follows `plan`."""

    plan: dict[str, Any] = field(default_factory=dict)
    match: str = ""
    processes: dict[int, subprocess.Popen[str]] = field(default_factory=dict)

    def inlet(self, direction: int) -> str:
        """The interface of `wires` that frames are sent into."""
        return f"r{self.link.number}.{self.number}{'ab'[direction]}"

    def outlet(self, direction: int) -> str:
        """The interface the relay process listens at."""
        return self.inlet(direction) + "o"
