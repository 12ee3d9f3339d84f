"""What happens to a province and what its people must hear of it: one event at a time, timed against the contract.

`python -m tests.e2e.province_events` runs all of them and writes docs/province-e2e.md; names as arguments run a choice.
A namespace has no radio: that of one agent answers as a real kernel did (tests/e2e/radio.py).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.province_bench import BEHIND_NAT, TWO_COMPUTERS, TWO_LINES, ZONE, Bench, feed_ups, running
from tests.netlab import available

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs/province-e2e.md"
POLL = 1.0
TRAP_ON_BATTERY = "1.3.6.1.2.1.33.2.1"


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        expected: what is to be told, as `key_of` words it; nothing else may be.
        within: seconds from the event until the last of them is active at Alertmanager, by "From event to alert" of the
            contract; None where the contract is silent.
        stay: seconds that the fault lasts at least, for what may follow by mistake.
        heal: seconds within which all must be resolved at the webhook.
    """

    name: str
    expected: frozenset[str]
    within: float | None
    inject: Callable[[Bench], AbstractContextManager[object]]
    known_by: str
    stay: float = 90
    heal: float = 240
    patience: float = 120


@dataclass
class Result:
    """What was measured, in seconds: after the event, and `resolved` after it was over."""

    event: Event
    at_alertmanager: dict[str, float] = field(default_factory=dict)
    at_webhook: dict[str, float] = field(default_factory=dict)
    resolved: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def slowest(self) -> float:
        """When the last of what was expected was active at Alertmanager."""
        return max((self.at_alertmanager.get(key, float("inf")) for key in self.event.expected), default=0.0)


@contextmanager
def together(*faults: AbstractContextManager[object]) -> Iterator[None]:
    """Several at once."""
    with ExitStack() as stack:
        for fault in faults:
            stack.enter_context(fault)
        yield


@contextmanager
def _computer_off(bench: Bench, commune: str, instance: str) -> Iterator[None]:
    site, index = bench.sites[commune], int(instance.rpartition("-")[2]) - 1
    name = f"{commune}/{instance}"
    with site.cables[index].cut():
        bench.agents[name].kill()
        bench.agents.pop(name).wait()
        yield
    bench.start_agent(name)


@contextmanager
def _portals_off(bench: Bench) -> Iterator[None]:
    web = bench.province.web
    assert web is not None
    web.stop()
    try:
        yield
    finally:
        bench.province.restart_web()


@contextmanager
def _on_battery(bench: Bench, *, trap: bool) -> Iterator[None]:
    bench.servers.pop("ups").stop()
    service = feed_ups(bench.ups, battery=True)
    if trap:
        command = ["snmptrap", "-v2c", "-c", "public", "192.168.2.10:1162", "", TRAP_ON_BATTERY]
        bench.ups.run([*command, "1.3.6.1.2.1.33.1.2.3.0", "i", "40"])
    try:
        yield
    finally:
        service.stop()
        bench.servers["ups"] = feed_ups(bench.ups, battery=False)


@contextmanager
def _wifi_gone(bench: Bench) -> Iterator[None]:
    bench.silent_radio.touch()
    try:
        yield
    finally:
        bench.silent_radio.unlink()


def _lines(bench: Bench, *communes: str) -> AbstractContextManager[object]:
    sites = [bench.sites[commune] for commune in communes]
    lines = [line for site in sites for line in (site.line, site.tslcd) if line is not None]
    return together(*(line.blackhole() for line in lines))


EVENTS = (
    Event(
        "one of two lines cut",
        frozenset({f"UplinkDown {TWO_LINES} tslcd"}),
        45,
        lambda b: b.sites[TWO_LINES].tslcd.blackhole(),  # type: ignore[union-attr]
        "agent, urgent lane, by the line that is left",
    ),
    Event(
        "the line cut by which the agent writes",
        frozenset({f"UplinkDown {TWO_LINES} internet"}),
        45,
        lambda b: b.sites[TWO_LINES].line.blackhole(),
        "agent, urgent lane, by the other line",
    ),
    Event(
        "site dark, router seen from the hub before",
        frozenset({f"SiteDark {TWO_COMPUTERS}"}),
        90,
        lambda b: _lines(b, TWO_COMPUTERS),
        "hub's pings and silence",
    ),
    Event(
        "site dark behind NAT, alone",
        frozenset({f"SiteSilent {BEHIND_NAT}"}),
        120,
        lambda b: _lines(b, BEHIND_NAT),
        "silence of every agent",
        patience=150,
    ),
    Event(
        "all lines of the two-line site cut",
        frozenset({f"SiteDark {TWO_LINES}"}),
        90,
        lambda b: _lines(b, TWO_LINES),
        "hub's pings and silence",
    ),
    Event(
        "one computer off, the other answers",
        frozenset({f"AgentSilent {TWO_COMPUTERS} counter-2"}),
        None,
        lambda b: _computer_off(b, TWO_COMPUTERS, "counter-2"),
        "the site's other agent",
        patience=330,
        stay=20,
        heal=420,
    ),
    Event(
        "all sites dark at once",
        frozenset({"AreaOutage da-lat"}),
        90,
        lambda b: _lines(b, TWO_LINES, TWO_COMPUTERS, BEHIND_NAT),
        "silence of many, page once",
        heal=420,
    ),
    Event(
        "a carrier fails",
        frozenset({"CarrierOutage vnpt"}),
        90,
        lambda b: b.province.internet_core.blackhole(),
        "peers: page once",
        heal=420,
    ),
    Event(
        "portals down for all",
        frozenset({"PortalDown dichvucong.gov.vn", "PortalDown dichvucong.lamdong.gov.vn"}),
        270,
        _portals_off,
        "agents, 2 x 120 s + 30 s",
        patience=300,
        stay=30,
        heal=600,
    ),
    Event(
        "no Wi-Fi in a zone",
        frozenset({f"WifiDeadZone {TWO_COMPUTERS} {ZONE}"}),
        150,
        _wifi_gone,
        "agent, 2 x 60 s + 30 s",
        patience=200,
        stay=30,
        heal=600,
    ),
    Event(
        "UPS on battery, with a trap",
        frozenset({f"UpsOnBattery {TWO_COMPUTERS} ups-1"}),
        45,
        lambda b: _on_battery(b, trap=True),
        "trap, urgent lane",
        stay=30,
        heal=420,
    ),
    Event(
        "UPS on battery, polled",
        frozenset({f"UpsOnBattery {TWO_COMPUTERS} ups-1"}),
        150,
        lambda b: _on_battery(b, trap=False),
        "poll, 2 x 60 s + 30 s",
        patience=180,
        stay=30,
        heal=420,
    ),
)


def happen(bench: Bench, events: Sequence[Event], *, stay: float | None = None) -> list[Result]:
    """Let events happen (several at once only when they are independent), and return what was heard of them.

    `stay` shortens the events' own.
    """
    bench.settle()
    results = [Result(event) for event in events]
    expected = frozenset[str]().union(*(event.expected for event in events))
    begin = time.monotonic()
    patience = max(event.patience for event in events)
    stay = max(event.stay for event in events) if stay is None else stay
    with together(*(event.inject(bench) for event in events)):
        active: dict[str, float] = {}
        complete = None
        while (now := time.monotonic() - begin) < patience or (complete is not None and now < complete + 20):
            for key, state in bench.alerts().items():
                if state == "active":
                    active.setdefault(key, round(time.monotonic() - begin, 1))
            heard = {key for _, status, key in bench.told(begin) if status == "firing"}
            if complete is None and expected <= heard:
                complete = now
            if complete is not None and now > max(stay, complete + 20):
                break
            time.sleep(POLL)
        fired = bench.told(begin)
    healed = time.monotonic()
    heal = max(event.heal for event in events)
    open_ = {key for _, status, key in fired if status == "firing"}
    while time.monotonic() - healed < heal:
        if not open_ & bench.open():
            break
        time.sleep(POLL)
    for result in results:
        result.at_alertmanager = {key: active[key] for key in result.event.expected if key in active}
        _judge(result, bench.told(begin), bench.told(healed), expected)
    return results


def _judge(
    result: Result, notices: Iterable[tuple[float, str, str]], after: Iterable[tuple[float, str, str]], expected: frozenset[str]
) -> None:
    event = result.event
    firing: dict[str, list[float]] = {}
    for at, status, key in notices:
        if status == "firing":
            firing.setdefault(key, []).append(at)
    result.at_webhook = {key: firing[key][0] for key in event.expected if key in firing}
    result.resolved = {key: at for at, status, key in after if status == "resolved" and key in event.expected}
    result.wrong += [f"never told: {key}" for key in sorted(event.expected - set(firing))]
    result.wrong += [
        f"told {len(at)} times: {key} after {at}" for key, at in sorted(firing.items()) if key in event.expected and len(at) > 1
    ]
    result.wrong += [f"told without need: {key} after {at[0]:.0f} s" for key, at in sorted(firing.items()) if key not in expected]
    result.wrong += [f"never resolved: {key}" for key in sorted(event.expected & set(firing) - set(result.resolved))]
    if event.within is not None and result.slowest > event.within and result.at_webhook:
        result.wrong.append(f"late: {result.slowest:.0f} s at Alertmanager, the contract says {event.within:.0f} s")


HEADER = """# From event to alert, measured

A province in network namespaces: a centre with the rendered Prometheus, Alertmanager, TLS front and hub agent, and three
communes ({communes})
with agents from their rendered bundles at default intervals. Each event is made once the province is quiet. Seconds: until the alert is active at Alertmanager (the contract's measure), until the webhook is told, and from
the end of the event until the webhook is told that it is resolved (alerts are held for a while on purpose, and
Alertmanager tells of changes of pages once a minute, of tickets every five minutes). Repeat: `python -m tests.e2e.province_events`.

| event | known by | told | contract | at Alertmanager | at webhook | resolved after | verdict |
|---|---|---|---:|---:|---:|---:|---|
"""
FOOTER = """
A namespace has no radio: that of one agent answers as a real kernel did (`tests/e2e/radio.py`); `tests/wifilab` has real ones.
"""


def as_page(results: Iterable[Result]) -> str:
    """The results as docs/province-e2e.md."""

    def seconds(values: dict[str, float]) -> str:
        return f"{max(values.values()):.0f} s" if values else "-"

    rows = []
    for result in results:
        event = result.event
        limit = f"{event.within:.0f} s" if event.within is not None else "-"
        verdict = "; ".join(result.wrong) or "as it should be"
        cells = (event.name, event.known_by, ", ".join(sorted(event.expected)), limit)
        measured = (seconds(result.at_alertmanager), seconds(result.at_webhook), seconds(result.resolved), verdict)
        rows.append("| " + " | ".join((*cells, *measured)) + " |\n")
    communes = "one with two lines, one with two computers and a UPS, one behind NAT"
    return HEADER.format(communes=communes) + "".join(rows) + FOOTER


def main() -> None:
    """Run all events, or those named, and write the page when all were run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of events' names (default: all, and write the page)")
    names = parser.parse_args().names
    reason = available()
    if reason is not None:
        sys.exit(f"this needs network namespaces: {reason}")
    chosen = [event for event in EVENTS if not names or any(name in event.name for name in names)]
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder)) as bench:
            for event in chosen:
                begin = time.monotonic()
                try:
                    [result] = happen(bench, [event])
                except AssertionError as error:
                    result = Result(event, wrong=[" ".join(str(error).split())])
                results.append(result)
                print(f"{event.name}: {result.at_alertmanager} hook {result.at_webhook} resolved {result.resolved}", flush=True)
                print(f"   {result.wrong or 'as it should be'}; told: {bench.told(begin)}", flush=True)
    if not names:
        PAGE.write_text(as_page(results), encoding="utf-8")
    sys.exit(any(result.wrong for result in results))


if __name__ == "__main__":
    main()
