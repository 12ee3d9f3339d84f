"""What the running agent remembers about a finding."""

import time
from typing import Any

from agent.diagnose.history import remember
from agent.diagnose.judge import Finding

NOW = time.mktime((2026, 3, 4, 15, 0, 0, 0, 0, -1))


def at(hour: int, minute: int = 0, *, day: int = 4) -> float:
    return time.mktime((2026, 3, day, hour, minute, 0, 0, 0, -1))


def finding(code: str, subject: str) -> Finding:
    return Finding(code, subject, "critical", root=True, explains=(), facts={}, evidence=())


def row(metric: str, labels: dict[str, str], value: float, when: float) -> dict[str, Any]:
    return {"metric": metric, "labels": labels, "value": value, "time": when}


def told(code: str, subject: str, *rows: dict[str, Any], gateways: dict[str, str] | None = None) -> str | None:
    found = remember([finding(code, subject)], {"changes": list(rows)}, NOW, lambda text: text, gateways or {})
    return found.get((code, subject))


def link(value: float, when: float, name: str = "internet") -> dict[str, Any]:
    return row("commune_link_up", {"link": name}, value, when)


def test_since_when_and_how_often_today() -> None:
    rows = [link(0, at(20, day=3)), link(1, at(21, day=3)), link(0, at(8, 12)), link(1, at(8, 20)), link(0, at(14, 5))]
    assert told("wan.down", "internet", *rows) == "Since 14:05, second time today."
    assert told("link.down", "internet", link(0, at(20, 30, day=3))) == "Since 03/03 20:30."


def test_without_beacons_the_ping_targets_tell_of_the_line() -> None:
    def ping(target: str, value: float, when: float) -> dict[str, Any]:
        return row("commune_ping_up", {"target": target, "link": "internet"}, value, when)

    start = [link(1, at(6)), ping("gateway", 1, at(6)), ping("a", 1, at(6)), ping("b", 1, at(6))]
    first = [ping("a", 0, at(8)), ping("b", 0, at(8, 1)), ping("b", 1, at(8, 30)), ping("b", 0, at(9))]
    assert told("wan.down", "internet", *start, *first) == "Since 09:00, second time today."
    assert told("wan.down", "internet", *start, *first, ping("a", 1, at(10))) is None
    assert told("wan.down", "internet", *start, ping("gateway", 0, at(7))) is None


def test_beyond_words_the_count_is_told() -> None:
    rows = [link(value, at(8 + number // 60, number % 60)) for number in range(0, 24, 2) for value in (0, 1)]
    assert told("wan.down", "internet", *rows, link(0, at(14))) == "Since 14:00; times today: 13."


def test_nothing_is_told_of_what_is_up_or_another_or_unknown() -> None:
    assert told("wan.down", "internet", link(0, at(8)), link(1, at(9))) is None
    assert told("wan.down", "internet", link(0, at(8), "tslcd")) is None
    assert told("host.memory", "memory", link(0, at(8))) is None
    assert remember([finding("wan.down", "internet")], None, NOW, lambda text: text, {}) == {}


def test_a_gateway_is_known_by_its_link() -> None:
    down = row("commune_link_gateway_up", {"link": "eth0"}, 0, at(9))
    assert told("gateway.unreachable", "192.168.1.1", down, gateways={"192.168.1.1": "eth0"}) == "Since 09:00, first time today."
    assert told("gateway.unreachable", "192.168.1.1", down) is None


def test_on_battery_is_bad_at_one() -> None:
    rows = [row("commune_ups_on_battery", {"device": "ups"}, value, at(hour)) for value, hour in ((0, 7), (1, 10))]
    assert told("ups.on_battery", "ups", *rows) == "Since 10:00, first time today."
