"""The check graph: order, ground, bounds."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from agent.diagnose.graph import Check, Outcome, Results, Status, run, validate


def gives(outcome: Outcome, seconds: float = 0.0) -> Callable[[Results], Awaitable[Outcome]]:
    async def measure(_: Results) -> Outcome:
        await asyncio.sleep(seconds)
        return outcome

    return measure


PASS, FAIL = Outcome(Status.PASS), Outcome(Status.FAIL)


async def test_without_ground_a_check_is_skipped_and_names_what_is_missing() -> None:
    checks = [
        Check("gateway", 3, gives(FAIL)),
        Check("uplink", 4, gives(PASS), needs=("gateway",)),
        Check("portal", 6, gives(PASS), needs=("uplink",)),
    ]
    results = await run(checks, within=5)
    assert [result.outcome.status for result in results.values()] == [Status.FAIL, Status.SKIP, Status.SKIP]
    assert results["uplink"].outcome.detail == "gateway"


async def test_one_of_several_grounds_is_enough() -> None:
    checks = [
        Check("dns:a", 5, gives(FAIL)),
        Check("dns:b", 5, gives(PASS)),
        Check("portal", 6, gives(PASS), needs_any=("dns:a", "dns:b")),
    ]
    assert (await run(checks, within=5))["portal"].outcome.status is Status.PASS
    checks[1] = Check("dns:b", 5, gives(FAIL))
    assert (await run(checks, within=5))["portal"].outcome.detail == "dns:a, dns:b"


async def test_a_failed_check_may_still_carry_what_stands_on_it() -> None:
    checks = [
        Check("loss", 4, gives(Outcome(Status.FAIL, holds=True))),
        Check("portal", 6, gives(PASS), needs=("loss",)),
    ]
    assert (await run(checks, within=5))["portal"].outcome.status is Status.PASS


async def test_independent_checks_run_at_once() -> None:
    checks = [Check(f"c{number}", 0, gives(PASS, 0.2)) for number in range(20)]
    begin = asyncio.get_running_loop().time()
    await run(checks, within=5)
    assert asyncio.get_running_loop().time() - begin < 2.0


async def test_the_bound_holds_and_what_had_no_time_says_so() -> None:
    checks = [
        Check("hangs", 3, gives(PASS, 60)),
        Check("after", 4, gives(PASS), needs=("hangs",)),
        Check("quick", 0, gives(PASS)),
    ]
    begin = asyncio.get_running_loop().time()
    results = await run(checks, within=0.3)
    assert asyncio.get_running_loop().time() - begin < 3.0
    assert results["quick"].outcome.status is Status.PASS
    assert results["hangs"].outcome == Outcome(Status.SKIP, "no time left")
    assert results["after"].outcome.status is Status.SKIP


async def test_a_check_that_raises_is_an_error_and_nothing_more() -> None:
    async def breaks(_: Results) -> Outcome:
        raise ZeroDivisionError("at home")

    results = await run([Check("broken", 0, breaks), Check("fine", 0, gives(PASS))], within=5)
    assert results["broken"].outcome == Outcome(Status.ERROR, "ZeroDivisionError: at home")
    assert results["fine"].outcome.status is Status.PASS


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([Check("a", 0, gives(PASS), needs=("b",)), Check("b", 0, gives(PASS), after=("a",))], "wait for each other"),
        ([Check("a", 0, gives(PASS), needs=("nothing",))], "is no check"),
        ([Check("a", 0, gives(PASS), stands_on=("nothing",))], "is no check"),
        ([Check("a", 0, gives(PASS)), Check("a", 0, gives(PASS))], "share an id"),
    ],
)
def test_a_graph_that_cannot_be_run_is_refused(checks: list[Check], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validate(checks)
