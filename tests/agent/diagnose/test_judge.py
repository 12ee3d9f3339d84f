"""The judgement: causes, consequences, order."""

import math
from collections.abc import Sequence

import pytest

from agent.diagnose.codes import CODES
from agent.diagnose.graph import Check, Outcome, Result, Results, Status, Suspect
from agent.diagnose.judge import interval, is_healthy, judge


async def _never(_: Results) -> Outcome:
    raise AssertionError


def result(
    name: str, layer: int, *suspects: Suspect, skip: bool = False, symptoms: Sequence[str] = (), **edges: tuple[str, ...]
) -> Result:
    status = Status.SKIP if skip else Status.FAIL if suspects else Status.PASS
    return Result(Check(name, layer, _never, symptoms=tuple(symptoms), **edges), Outcome(status, suspects=suspects), 0.1)


def results(*rows: Result) -> dict[str, Result]:
    return {row.check.id: row for row in rows}


def test_a_line_that_is_down_explains_what_could_not_be_judged() -> None:
    findings = judge(
        results(
            result("uplink:internet", 4, Suspect("link.down", "internet")),
            result("portal", 6, skip=True, symptoms=("service.unreachable",), needs=("uplink:internet",)),
        )
    )
    assert [(f.code, f.subject, f.root, f.explains) for f in findings] == [
        ("wan.down", "internet", True, ("service.unreachable",))
    ]


def test_one_of_two_lines_is_link_down() -> None:
    findings = judge(results(result("uplink:a", 4, Suspect("link.down", "a")), result("uplink:b", 4)))
    assert [f.code for f in findings] == ["link.down"]


def test_the_cause_comes_before_what_it_explains_whatever_the_order_of_the_checks() -> None:
    findings = judge(
        results(
            result("portal", 6, Suspect("service.unreachable", "portal"), stands_on=("mtu:internet",)),
            result("mtu:internet", 4, Suspect("wan.mtu_blackhole", "internet")),
            result("uplink:internet", 4),
        )
    )
    assert [(f.code, f.root) for f in findings] == [("wan.mtu_blackhole", True), ("service.unreachable", False)]
    assert findings[0].explains == ("service.unreachable",)
    assert findings[0].evidence == ("mtu:internet", "portal")


def test_explanations_reach_through_checks_that_are_fine() -> None:
    findings = judge(
        results(
            result("clock", 0, Suspect("clock.wrong", "clock")),
            result("dns", 5, stands_on=("clock",)),
            result("portal", 6, Suspect("service.tls_expired", "portal"), needs=("dns",)),
        )
    )
    assert [(f.code, f.root) for f in findings] == [("clock.wrong", True), ("service.tls_expired", False)]


def test_unrelated_faults_by_layer_then_severity() -> None:
    findings = judge(
        results(
            result("printer", 7, Suspect("printer.attention", "p")),
            result("device", 7, Suspect("device.unreachable", "d")),
            result("dns", 5, Suspect("dns.slow", "s"), Suspect("dns.unreachable", "t")),
            result("disk", 0, Suspect("host.disk_full", "/")),
        )
    )
    assert [f.code for f in findings] == [
        "host.disk_full",
        "dns.unreachable",
        "dns.slow",
        "device.unreachable",
        "printer.attention",
    ]
    assert all(f.root for f in findings)


def test_soft_edges_in_a_circle_end() -> None:
    findings = judge(
        results(
            result("a", 4, Suspect("wan.slow", "a"), stands_on=("b",)),
            result("b", 4, Suspect("wan.jitter", "b"), stands_on=("a",)),
        )
    )
    assert len(findings) == 2


def test_information_alone_is_healthy() -> None:
    assert is_healthy(judge(results(result("printer", 7, Suspect("printer.attention", "p")))))
    assert not is_healthy(judge(results(result("dns", 5, Suspect("dns.slow", "s")))))


@pytest.mark.parametrize(
    ("lost", "sent", "low", "high"),
    # Reference values from R: binom::binom.wilson(x, n)
    [(10, 100, 0.0552, 0.1744), (0, 100, 0.0, 0.0370), (100, 100, 0.9630, 1.0), (0, 0, 0.0, 1.0)],
)
def test_interval_is_wilsons(lost: int, sent: int, low: float, high: float) -> None:
    assert all(math.isclose(got, want, abs_tol=2e-4) for got, want in zip(interval(lost, sent), (low, high), strict=True))


def test_every_code_of_the_contract_is_there() -> None:
    contract = """host.disk_full host.memory host.cpu clock.wrong agent.spool interface.down interface.errors interface.slow
        wifi.no_signal wifi.weak wifi.interference address.none address.link_local address.mask address.duplicate dhcp.rogue route.none
        gateway.unreachable gateway.lossy wan.down link.down wan.lossy wan.slow wan.jitter wan.saturated wan.below_contract
        wan.captive_portal wan.mtu_blackhole ipv6.broken dns.unreachable dns.wrong_answer dns.slow proxy.unreachable
        service.unreachable service.error service.tls_expired service.tls_untrusted device.unreachable device.health ups.on_battery
        printer.attention"""
    assert list(CODES) == contract.split()


def test_what_somebody_answered_is_not_explained_by_a_poor_line() -> None:
    lossy = result("quality:internet", 4, Suspect("wan.lossy", "internet"))
    error = Suspect("service.error", "portal", stands_on=("dns:a",))
    rows = (lossy, result("dns:a", 5), result("service:portal", 6, error, stands_on=("quality:internet", "dns:a")))
    assert [(f.code, f.root, f.explains) for f in judge(results(*rows))] == [
        ("wan.lossy", True, ()),
        ("service.error", True, ()),
    ]
    lying = result("dns:a", 5, Suspect("dns.wrong_answer", "a"))
    told = judge(results(lossy, lying, rows[2]))
    assert [(f.code, f.root, f.explains) for f in told] == [
        ("wan.lossy", True, ()),
        ("dns.wrong_answer", True, ("service.error",)),
        ("service.error", False, ()),
    ]
    assert told[1].evidence == ("dns:a", "service:portal")
