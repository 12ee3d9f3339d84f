"""What the province's engine knows of a month: seconds of every line by state, outages with their causes, figures, gaps.

Availability comes from `commune_link_seconds_total`, which agents count, keep over restarts and deliver late: the value at
the end minus the value at the beginning is the truth of that time, however late it came. Inside service hours the same is
summed over every span of opening time. Time that nobody measured stands beside it as unknown, never as available.
"""

from __future__ import annotations

import base64
import datetime
import itertools
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from agent.locale import N_

Key = tuple[str, str, str]
"""Commune, site, link."""
STATES = ("up", "degraded", "down", "unknown")
_STEP, _MINUTE = 1800, 60


class ReportError(Exception):
    """The report could not be made: what to say, to be translated, and the facts in it."""

    def __init__(self, text: str, **facts: object) -> None:
        super().__init__(text, facts)
        self.text = text
        self.facts = facts


@dataclass
class Prometheus:
    """The query interface of the engine; `tenant` is the one that Mimir wants named."""

    url: str
    user: str = ""
    password: str = ""
    ca_file: str | None = None
    tenant: str = ""

    def _get(self, path: str, fields: dict[str, str]) -> list[dict[str, object]]:
        asked = urllib.request.Request(  # noqa: S310  the scheme was checked by the command
            f"{self.url.rstrip('/')}/api/v1/{path}", data=urllib.parse.urlencode(fields).encode()
        )
        if self.user:
            token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            asked.add_header("Authorization", f"Basic {token}")
        if self.tenant:
            asked.add_header("X-Scope-OrgID", self.tenant)
        try:
            context = ssl.create_default_context(cafile=self.ca_file) if self.url.startswith("https:") else None
            with urllib.request.urlopen(asked, timeout=120, context=context) as answer:  # noqa: S310
                found: list[dict[str, object]] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            text = N_("{url}: answered {status} to {query}; check user, password and address")
            raise ReportError(text, url=self.url, status=error.code, query=fields["query"][:120]) from None
        except (OSError, ValueError, KeyError) as error:
            text = N_("{url}: cannot be asked: {reason}; name the address of Prometheus, such as http://localhost:9090")
            raise ReportError(text, url=self.url, reason=getattr(error, "reason", error)) from None
        return found

    def at(self, query: str, moment: float) -> dict[tuple[str, ...], float]:
        """An instant query; values by the series' label values in the order of their names."""
        return {
            tuple(value for _, value in sorted(_labels(item).items())): float(_pair(item["value"])[1])
            for item in self._get("query", {"query": query, "time": f"{moment:.3f}"})
        }

    def series(self, query: str, moment: float) -> list[tuple[dict[str, str], float]]:
        """An instant query with its labels."""
        found = self._get("query", {"query": query, "time": f"{moment:.3f}"})
        return [(_labels(item), float(_pair(item["value"])[1])) for item in found]

    def over(self, query: str, start: float, end: float, step: int) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        """A range query with its labels."""
        fields = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step)}
        found = []
        for item in self._get("query_range", fields):
            values = item["values"]
            points = [(_pair(value)[0], float(_pair(value)[1])) for value in values] if isinstance(values, list) else []
            found.append((_labels(item), points))
        return found


def _labels(item: dict[str, object]) -> dict[str, str]:
    metric = item["metric"]
    return {str(key): str(value) for key, value in metric.items() if key != "__name__"} if isinstance(metric, dict) else {}


def _pair(value: object) -> tuple[float, str]:
    if isinstance(value, list):
        return float(value[0]), str(value[1])
    message = "no value"
    raise ValueError(message)


@dataclass
class Line:
    """One uplink in the month: seconds by state, round the clock and in service hours, and its outages."""

    carrier: str = ""
    whole: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STATES, 0.0))
    hours: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STATES, 0.0))
    before: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STATES, 0.0))
    outages: list[tuple[float, float]] = field(default_factory=list)
    days: dict[int, dict[str, float]] = field(default_factory=lambda: defaultdict(lambda: dict.fromkeys(STATES, 0.0)))
    facts: dict[str, float] = field(default_factory=dict)
    outside: float | None = None


@dataclass
class Month:
    """Everything that the pages of a month show."""

    name: str
    start: float
    end: float
    province: str = ""
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: dict[Key, Line] = field(default_factory=lambda: defaultdict(Line))
    zones: list[tuple[str, str, str, float]] = field(default_factory=list)
    gaps: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    areas: dict[tuple[str, str], str] = field(default_factory=dict)
    desks: dict[str, str] = field(default_factory=dict)
    """Carriers as people call them, with the number of their desk."""
    causes: dict[tuple[str, ...], list[tuple[str, float]]] = field(default_factory=lambda: defaultdict(list))
    """Alerts and their moments, by site, by carrier or by area."""


def bounds(month: str, zone: str = "Asia/Ho_Chi_Minh") -> tuple[float, float]:
    """First and last moment of a month in local time.

    Raises:
        ValueError: not of the form YYYY-MM.
    """
    first = datetime.datetime.strptime(month, "%Y-%m").replace(tzinfo=zoneinfo.ZoneInfo(zone))
    following = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
    return first.timestamp(), following.timestamp()


def _level(at: Iterable[tuple[dict[str, str], list[tuple[float, float]]]]) -> dict[tuple[Key, str], dict[float, float]]:
    return {((labels["commune"], labels["site"], labels["link"]), labels["state"]): dict(points) for labels, points in at}


def collect(source: Prometheus, month: str, now: float) -> Month:
    """Ask for everything that the pages need.

    Raises:
        ReportError: the engine cannot be asked, or has no data.
    """
    start, end = bounds(month)
    found = Month(month, start, min(end, now))
    end = found.end
    if end <= start:
        raise ReportError(N_("{month} has not begun; name a month that has"), month=month)
    for labels, _ in source.series('max_over_time(commune_site_info{instance=""}[31d:6h])', end):
        found.names[labels["commune"], labels["site"]] = labels.get("name", labels["commune"])
        found.areas[labels["commune"], labels["site"]] = labels.get("area", "")
        found.province = labels.get("province", "")
    for labels, _ in source.series("max_over_time(commune_carrier_info[31d:6h])", end):
        found.desks[labels["carrier"]] = " ".join(filter(None, (labels.get("title"), labels.get("desk"))))
    query = 'max by (commune, site, link, state) (commune_link_seconds_total{commune!=""})'
    level = _level(source.over(query, start, end, _STEP))
    if not level:
        text = N_("{url}: holds no commune_link_seconds_total of {month}; check address and tenant")
        raise ReportError(text, url=source.url, month=month)
    opened = {
        (labels["commune"], labels["site"]): {moment for moment, value in points if value == 1}
        for labels, points in source.over('max by (commune, site) (commune:site_open{commune!=""})', start, end, _STEP)
    }
    for (key, state), points in level.items():
        if state in STATES:
            _spread(found, key, state, points, opened.get(key[:2], set()))
    # What the line's counter said at the month's beginning may be older than a look-back: a computer that was off then.
    for labels, value in source.series(f"last_over_time(({query})[10d:1h])", start):
        line = found.lines.get((labels["commune"], labels["site"], labels["link"]))
        if line is not None and labels["state"] in STATES:
            line.before[labels["state"]] = value
    for (key, state), points in level.items():
        line = found.lines[key]
        if state in STATES and points:
            ordered = sorted(points)
            line.whole[state] = points[ordered[-1]] - (line.before[state] or points[ordered[0]])
    _outages(source, found)
    _facts(source, found)
    return found


def _spread(found: Month, key: Key, state: str, points: dict[float, float], opened: set[float]) -> None:
    """Each half-hour's seconds to its day, and to service hours where its beginning was inside them.

    What a counter gained while nobody reported (a computer that was off) is spread evenly over the half-hours between.
    """
    line = found.lines[key]
    for earlier, later in itertools.pairwise(sorted(points)):
        slots = max(1, round((later - earlier) / _STEP))
        spent = (points[later] - points[earlier]) / slots
        if spent <= 0:
            continue
        for begin in (earlier + slot * _STEP for slot in range(slots)):
            line.days[int((begin - found.start) // 86400) + 1][state] += spent
            if begin in opened:
                line.hours[state] += spent


def _outages(source: Prometheus, found: Month) -> None:
    """Outages of lines to the minute from link_up (late data included), and what the alerts of that time named as the cause."""
    down: dict[Key, list[float]] = defaultdict(list)
    query = 'max by (commune, site, link) (commune_link_up{commune!=""}) == 0'
    begin = found.start
    while begin < found.end:  # engines answer with 11,000 points of a series at most
        for labels, points in source.over(query, begin, min(begin + 7 * 86400, found.end) - 1, _MINUTE):
            down[labels["commune"], labels["site"], labels["link"]] += [moment for moment, _ in points]
        begin += 7 * 86400
    for key, moments in down.items():
        spans = found.lines[key].outages
        for moment in sorted(moments):
            if spans and moment - spans[-1][1] < 1:
                spans[-1] = (spans[-1][0], moment + _MINUTE)
            else:
                spans.append((moment, moment + _MINUTE))
    names = "SiteDark|SiteSilent|UpsOnBattery|GatewayDown|UplinkDown|CarrierOutage|AreaOutage"
    query = f'max by (alertname, commune, site, carrier, area) (ALERTS{{alertstate="firing", alertname=~"{names}"}})'
    for labels, points in source.over(query, found.start, found.end, 300):
        about = {"CarrierOutage": "carrier", "AreaOutage": "area"}.get(labels["alertname"])
        place = (labels.get(about, ""),) if about else (labels.get("commune", ""), labels.get("site", ""))
        found.causes[place] += [(labels["alertname"], moment) for moment, _ in points]


def _facts(source: Prometheus, found: Month) -> None:
    """Percentiles of delay, loss, tests against the contract, the hub's view, dead zones and the ledger of gaps."""
    span = f"[{int(found.end - found.start)}s:30m]"
    by = "max by (commune, site, link)"
    for name, query in {
        "rtt50": f"{by} (quantile_over_time(0.5, commune:link_rtt_seconds:mean15m{span}))",
        "rtt95": f"{by} (quantile_over_time(0.95, commune:link_rtt_seconds:mean15m{span}))",
        "loss95": f"{by} (quantile_over_time(0.95, commune:link_loss:ratio5m{span}))",
        "jitter95": f"{by} (quantile_over_time(0.95, commune:link_jitter_seconds:mean15m{span}))",
        "down50": f"{by} (quantile_over_time(0.5, commune_bandwidth_download_bytes_per_second{span}))",
        "up50": f"{by} (quantile_over_time(0.5, commune_bandwidth_upload_bytes_per_second{span}))",
        "contract": f'{by} (last_over_time(commune_link_contract_bytes_per_second{{direction="download"}}{span}))',
        "contract_up": f'{by} (last_over_time(commune_link_contract_bytes_per_second{{direction="upload"}}{span}))',
    }.items():
        for labels, value in source.series(query, found.end):
            key = (labels.get("commune", ""), labels.get("site", ""), labels.get("link", ""))
            if key in found.lines:
                found.lines[key].facts[name] = value
    for labels, _ in source.series("max_over_time(commune_expected_link[31d:6h])", found.end):
        key = (labels["commune"], labels["site"], labels["link"])
        if key in found.lines:
            found.lines[key].carrier = labels.get("carrier", "")
    for labels, value in source.series(f'avg_over_time(commune_ping_up{{target=~"[0-9]{{5}}/.+"}}{span})', found.end):
        commune, site, link = labels["target"].split("/", 2)
        if (commune, site, link) in found.lines:
            found.lines[commune, site, link].outside = value
    for labels, value in source.series(f"avg_over_time(commune:zone_dead{span}) > 0.05", found.end):
        found.zones.append((labels["commune"], labels["site"], labels.get("zone", ""), value))
    query = (
        f'sum by (commune, reason) (increase(commune_agent_gap_seconds_total{{commune!=""}}[{int(found.end - found.start)}s]))'
    )
    for labels, value in source.series(query, found.end):
        found.gaps[labels["commune"]][labels["reason"]] = value
