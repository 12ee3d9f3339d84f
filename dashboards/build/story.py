"""A small language for rule tests: what a site sends, when it stops, and which alerts then fire, for promtool.

One sample every ten seconds; moments are seconds from the start. promtool compares annotations word by word, which would
write every sentence twice, so a story asks the series `ALERTS` instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

STEP = 10
HOUR = 360
PUSH = 'job="commune-agent", province="lam-dong"'
Series = tuple[str, str]


def steady(name: str, labels: str, value: float, steps: int = HOUR) -> Series:
    """A value that is pushed all the time, up to a step."""
    return (f"{name}{{{labels}}}", f"{value:g}x{steps}")


def change(name: str, labels: str, *parts: tuple[float, int]) -> Series:
    """Values one after another: (value, seconds)."""
    return (f"{name}{{{labels}}}", " ".join(f"{value:g}x{max(seconds // STEP - 1, 0)}" for value, seconds in parts))


def growing(name: str, labels: str, *parts: tuple[float, int]) -> Series:
    """A counter: (increase per second, seconds), one part after another."""
    texts, value = [], 0.0
    for rate, seconds in parts:
        steps = seconds // STEP
        texts.append(f"{value:g}+{rate * STEP:g}x{steps - 1}")
        value += rate * seconds
    return (f"{name}{{{labels}}}", " ".join(texts))


@dataclass(frozen=True)
class Site:
    """One site of the inventory, as rendered and as its agents push."""

    commune: str = "24781"
    area: str = "da-lat"
    carrier: str = "vnpt"
    agents: tuple[str, ...] = ("counter-1",)
    links: tuple[tuple[str, str], ...] = (("internet", "vnpt"),)
    reachable: bool = False

    @property
    def where(self) -> str:
        """The labels that every sample of the site carries."""
        return f'{PUSH}, commune="{self.commune}", site="main"'

    @property
    def place(self) -> str:
        """The labels of the inventory's series."""
        return f'province="lam-dong", commune="{self.commune}", site="main"'

    def at(self, instance: str = "", **more: str) -> str:
        """The labels of a sample of one agent."""
        extra = "".join(f', {key}="{value}"' for key, value in more.items())
        return f'{self.where}, instance="{instance or self.agents[0]}"{extra}'

    def inventory(self) -> list[Series]:
        """What the inventory says."""
        found = [
            steady(
                "commune_site_info",
                f'{self.place}, name="Xã {self.commune}", area="{self.area}", hours="h1", carrier="{self.carrier}"',
                1,
            ),
            steady("commune:site_open", self.place, 1),
        ]
        found += [
            steady(
                "commune_expected_agent",
                f'{self.place}, instance="{name}", role="{"sensor" if order else "full"}", always_on="{"false" if order else "true"}"'
                ', version="1.0"',
                1,
            )
            for order, name in enumerate(self.agents)
        ]
        found += [
            steady("commune_expected_link", f'{self.place}, link="{link}", carrier="{carrier}", kind="internet"', 1)
            for link, carrier in self.links
        ]
        return found

    def lives(self, until: int = 3600, instance: str = "") -> Series:
        """Heartbeats up to a moment."""
        return ("commune_agent_heartbeat_timestamp_seconds{" + self.at(instance) + "}", f"0+{STEP}x{until // STEP}")

    def seen(self, *parts: tuple[float, int]) -> Series:
        """What the hub's pings of the router say."""
        return change(
            "commune_ping_up", f'{PUSH}, site="hub", instance="hub-1", target="{self.commune}/main/internet", link=""', *parts
        )


@dataclass(frozen=True)
class Story:
    """One story: series, and for each moment how often each alert fires then."""

    name: str
    series: list[Series]
    fires: list[tuple[int, str, int]]
    records: list[tuple[int, str, list[tuple[str, float]]]] = field(default_factory=list)


def as_tests(files: list[str], stories: list[Story], evaluation: int) -> dict[str, Any]:
    """The stories as promtool reads them."""
    tests = []
    for story in stories:
        checks = [
            {
                "expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})',
                "eval_time": f"{moment}s",
                "exp_samples": [{"labels": "{}", "value": count}] if count else [],
            }
            for moment, alert, count in story.fires
        ]
        checks += [
            {
                "expr": expression,
                "eval_time": f"{moment}s",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for moment, expression, samples in story.records
        ]
        tests.append(
            {
                "name": story.name,
                "interval": f"{STEP}s",
                "input_series": [{"series": name, "values": values} for name, values in story.series],
                "promql_expr_test": checks,
            }
        )
    return {"rule_files": files, "evaluation_interval": f"{evaluation}s", "tests": tests}
