"""The check graph: each check names what it needs; independent ones run at once; without ground a check is skipped.

Two kinds of edges. `needs` is hard ground: when one of these did not hold, nothing can be judged, and the check is
skipped. `stands_on` is soft ground: the check runs all the same, but a fault there explains a fault here.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.diagnose.codes import Severity
from agent.tasks import spawn


class Status(enum.StrEnum):
    """How a check ended; `skip` is not a fault, and `error` is the check's own."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Suspect:
    """What one check alone would say is wrong; the judge decides what becomes of it.

    Attributes:
        code: a diagnosis code.
        subject: what it is about (an interface, a link, a server, …).
        facts: fills the sentences of the code.
        severity: None for the code's own.
        stands_on: the checks whose faults alone may explain this one; None for all that its check stands on. A server
            that answered with an error was reached, so that no loss on the way explains what it said.
    """

    code: str
    subject: str
    facts: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    stands_on: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        detail: one line of figures and names, the same in every language.
        data: the figures, for `--json`.
        suspects: what is wrong, if anything.
        holds: does the ground hold for the checks that need this one? None: unless it failed.
    """

    status: Status
    detail: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    suspects: tuple[Suspect, ...] = ()
    holds: bool | None = None

    @property
    def carries(self) -> bool:
        """May checks that need this one be judged?"""
        return self.status in {Status.PASS, Status.WARN} if self.holds is None else self.holds


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        id: kind and subject, such as `gateway:eth0`.
        layer: of the codes that it can find.
        run: measures; may read the results so far (of what it needs or waits for).
        needs: all of these must hold.
        needs_any: at least one of these must hold (none given: no matter).
        after: waits for these, whatever comes of them.
        stands_on: a fault there explains a fault here, beside `needs`.
        symptoms: codes that a user would notice when this check cannot pass; a cause beneath it explains them.
    """

    id: str
    layer: int
    run: Callable[[Results], Awaitable[Outcome]]
    needs: tuple[str, ...] = ()
    needs_any: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    stands_on: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()

    @property
    def ground(self) -> tuple[str, ...]:
        """Everything a fault of which explains a fault here."""
        return (*self.needs, *self.needs_any, *self.stands_on)


@dataclass(frozen=True, slots=True)
class Result:
    """An outcome with the time it took."""

    check: Check
    outcome: Outcome
    seconds: float


NO_TIME = "no time left"
CANCEL_WITHIN = 0.3
"""Seconds for what is under way at the end to let go; what does not is left behind."""
Results = Mapping[str, Result]
Progress = Callable[[Check, Result | None], None]


def validate(checks: Sequence[Check]) -> None:
    """Every edge leads to a check, and none in a circle.

    Raises:
        ValueError: names the check.
    """
    known = {check.id: check for check in checks}
    if len(known) != len(checks):
        raise ValueError("two checks share an id")
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            message = f"checks wait for each other: {' -> '.join((*above, name))}"
            raise ValueError(message)
        if name not in known:
            message = f"{above[-1]} waits for {name}, which is no check"
            raise ValueError(message)
        if name not in done:
            for edge in (*known[name].needs, *known[name].needs_any, *known[name].after):
                visit(edge, (*above, name))
            done.add(name)

    for check in checks:
        visit(check.id, ())
        for edge in check.stands_on:
            if edge not in known:
                message = f"{check.id} stands on {edge}, which is no check"
                raise ValueError(message)


async def run(checks: Sequence[Check], *, within: float, progress: Progress | None = None) -> dict[str, Result]:
    """Run a graph of checks, each as soon as what it waits for has ended, all of it within `within` seconds.

    Returns:
        A result for every check, in the order of `checks`; what had no time left is skipped and says so.
    """
    validate(checks)
    results: dict[str, Result] = {}
    ended = {check.id: asyncio.Event() for check in checks}

    async def one(check: Check) -> None:
        begin = time.monotonic()
        try:
            for edge in (*check.needs, *check.needs_any, *check.after):
                await ended[edge].wait()
            outcome = _without_ground(check, results)
            if outcome is None:
                begin = time.monotonic()
                if progress is not None:
                    progress(check, None)
                outcome = await check.run(results)
        except asyncio.CancelledError:
            outcome = Outcome(Status.SKIP, NO_TIME)
        except Exception as error:  # a broken check must not cost the diagnosis
            outcome = Outcome(Status.ERROR, f"{type(error).__name__}: {error}")
        results[check.id] = Result(check, outcome, time.monotonic() - begin)
        ended[check.id].set()
        if progress is not None:
            progress(check, results[check.id])

    tasks = [spawn(one(check), f"check/{check.id}") for check in checks]
    _, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    if late:
        await asyncio.wait(late, timeout=CANCEL_WITHIN)
    missing = [check for check in checks if check.id not in results]
    results |= {check.id: Result(check, Outcome(Status.SKIP, NO_TIME), within) for check in missing}
    return {check.id: results[check.id] for check in checks}


def _without_ground(check: Check, results: Results) -> Outcome | None:
    gone = [edge for edge in check.needs if not results[edge].outcome.carries]
    if not gone and check.needs_any and not any(results[edge].outcome.carries for edge in check.needs_any):
        gone = list(check.needs_any)
    return Outcome(Status.SKIP, ", ".join(gone)) if gone else None
