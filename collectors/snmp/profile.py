"""What a device profile may say (`config/snmp/*.yaml`).

A profile is data: which objects to ask for and which of our metrics they are. docs/snmp-profiles.md explains the keys
to whoever adds a vendor; `check` finds what the types cannot tell, for `agent check-config`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from collectors.families import ACCESS_POINTS, DEVICES, INTERFACES, MOBILE
from collectors.model import Metric, MetricType
from collectors.site import Settings

Oid = Annotated[str, Meta(pattern=r"^[0-2](\.[0-9]+)+$", description="an object identifier in numbers, without a leading dot")]
Column = Annotated[
    str,
    Meta(
        pattern=r"^([0-2]|\{[1-9][0-9]?\})(\.[0-9]+)+$",
        description="an object identifier; {9} stands for the first nine numbers of the device's sysObjectID",
    ),
]
METRICS: dict[str, Metric] = {metric.name: metric for metric in (*INTERFACES, *DEVICES, *ACCESS_POINTS, *MOBILE)}
MAX_ROWS = 1024
"""Rows of one table: more than any device of a commune has, and little enough to bound memory."""


class Match(Settings, frozen=True):
    """When a device is of this profile: all that is given must hold."""

    oid: Oid | None = None
    """sysObjectID is this or below it."""
    description: str | None = None
    """A regular expression found in sysDescr."""
    present: Oid | None = None
    """The device has something at or below this object."""


class Fact(Settings, frozen=True):
    """Where a fact such as the model is read; the first of several that gives something counts."""

    oid: Oid | None = None
    """A whole object, instance included; with `where`, the column of a table. Without it, sysDescr."""
    where: Oid | None = None
    """A column of the same table: the first row whose value here is among `equals`."""
    equals: tuple[float | str, ...] = ()
    pattern: str | None = None
    """A regular expression; its first group (or the whole match) is the fact."""
    text: str | None = None
    """A fixed text, or one with {1} for the first group of `pattern`."""


class Join(Settings, frozen=True):
    """A column of another table; `at` says which of its rows belongs to a row of this one."""

    oid: Column
    at: str


class Value(Settings, frozen=True, omit_defaults=True):
    """One metric from a row: ((of + plus - less - minus) x times x scale + offset) / per."""

    metric: str
    of: tuple[str, ...] = ()
    """Columns; the first that has a value is taken."""
    plus: tuple[str, ...] = ()
    """Columns that are added where the device has them."""
    less: tuple[str, ...] = ()
    """Columns that are subtracted where the device has them."""
    minus: str | None = None
    times: str | None = None
    per: str | None = None
    scale: float = 1.0
    offset: float = 0.0
    decimals: str | None = None
    """A column that tells how many decimals the number has."""
    factors: dict[str, dict[str, float]] = {}
    """Column to (its value to factor)."""
    pattern: str | None = None
    """A regular expression that takes the number out of a text, in `of` and `times`."""
    map: dict[str, float | None] = {}
    """Raw value to number; "*" stands for every other, null for unknown."""
    unknown: tuple[float, ...] = ()
    """Raw numbers that mean "not known"."""
    least: float | None = None
    most: float | None = None
    """Results outside are not known either."""
    unsigned: bool = False
    """The device counts beyond 2^31 in a signed type."""
    states: dict[str, str] = {}
    """Raw value to the label `state`; "*" stands for every other."""
    levels: dict[str, float] = {}
    """For results that `states` does not name: state to its upper bound, ascending."""
    bits: dict[str, str] = {}
    """Number of a bit (0 is the first, RFC 2578) to state; several may be set at once. "none": when no bit is set."""
    where: dict[str, tuple[float | str, ...]] = {}
    unless: dict[str, tuple[float | str, ...]] = {}
    labels: dict[str, tuple[str, ...]] = {}


class Table(Settings, frozen=True, omit_defaults=True):
    """Rows of a device, or single objects when there is no `index`."""

    name: str
    columns: dict[str, Column] = {}
    joins: dict[str, Join] = {}
    scales: dict[str, float] = {}
    """Column to a factor, where columns of the same meaning have different units."""
    index: str | None = None
    """The column whose rows are the rows of the table."""
    rows: Annotated[int, Meta(ge=1, le=4096)] = MAX_ROWS
    changing: bool = False
    """Rows come and go all the time (stations of an access point): walked at every poll."""
    when_no: tuple[str, ...] = ()
    """Only when none of these tables gave a row."""
    when: tuple[str, ...] = ()
    """Only when one of these tables gave a row: what they do not have either is not asked for."""
    fills: bool = False
    """Gives only what no earlier table gave with the same labels: a standard MIB behind the vendor's own objects."""
    where: dict[str, tuple[float | str, ...]] = {}
    """Column to accepted numbers or regular expressions."""
    unless: dict[str, tuple[float | str, ...]] = {}
    labels: dict[str, tuple[str, ...]] = {}
    """Label to templates such as "{name}"; the first without an empty part counts."""
    together: str | None = None
    """How rows with the same labels become one value: sum, count, mean, max, min. No rows are 0 in a sum or count
    whose labels need no row."""
    values: tuple[Value, ...] = ()


class Profile(Settings, frozen=True, omit_defaults=True):
    """One file of config/snmp/."""

    inherits: tuple[str, ...] = ()
    match: tuple[Match, ...] = ()
    vendor: tuple[Fact, ...] = ()
    model: tuple[Fact, ...] = ()
    version: tuple[Fact, ...] = ()
    serial: tuple[Fact, ...] = ()
    without: tuple[str, ...] = ()
    """Inherited tables that this device gets wrong."""
    tables: tuple[Table, ...] = ()


def placed(tables: Iterable[Table], object_id: str) -> list[Table]:
    """The tables with their columns where this device has them: some vendors give every product a tree of its own."""
    numbers = object_id.split(".")

    def place(oid: str) -> str:
        head, _, rest = oid.partition(".")
        return oid if head[0] != "{" else ".".join((*numbers[: int(head[1:-1])], rest))

    return [
        msgspec.structs.replace(
            table,
            columns={name: place(oid) for name, oid in table.columns.items()},
            joins={name: msgspec.structs.replace(join, oid=place(join.oid)) for name, join in table.joins.items()},
        )
        if any("{" in oid for oid in (*table.columns.values(), *(join.oid for join in table.joins.values())))
        else table
        for table in tables
    ]


Fail = Callable[[str, str], None]
Tables = Callable[[], Collection[str]]
TOGETHER = ("sum", "count", "mean", "max", "min")
_FREE_LABELS = {"device", "state", "modem"}


def _place(text: str) -> set[str]:
    return {name.split("|")[0].split(".")[0].split(":")[0] for name in re.findall(r"\{([^}]*)\}", text)}


def check(profile: Profile, known: Iterable[str], tables: Tables, fail: Fail) -> None:
    """Call `fail(path, message)` for everything in a profile that contradicts itself, its parents or our metrics.

    `known` are the names of all profiles; `tables` tells those of all their tables, and is asked only where some are named.
    """
    names = set(known)
    for index, parent in enumerate(profile.inherits):
        if parent not in names:
            fail(f"inherits[{index}]", f"there is no profile {parent!r}; known are: {', '.join(sorted(names))}")
    for index, match in enumerate(profile.match):
        if match.description is not None:
            _regex(f"match[{index}].description", match.description, fail)
        if match.oid is None and match.description is None and match.present is None:
            fail(f"match[{index}]", "would match every device; write oid, description or present")
    for field in ("vendor", "model", "version", "serial"):
        for index, fact in enumerate(getattr(profile, field)):
            if fact.pattern is not None:
                _regex(f"{field}[{index}].pattern", fact.pattern, fail)
    seen: set[str] = set()
    for index, table in enumerate(profile.tables):
        path = f"tables[{index}]"
        if table.name in seen:
            fail(f"{path}.name", f"{table.name} is used twice; names must differ")
        seen.add(table.name)
        _check_table(table, path, fail)
    _check_named(profile, seen, tables, fail)


def _check_named(profile: Profile, own: set[str], tables: Tables, fail: Fail) -> None:
    """Tables that are named by others: they may be a parent's, or those of a profile that inherits this one."""
    named = [(f"without[{index}]", name) for index, name in enumerate(profile.without)]
    for number, table in enumerate(profile.tables):
        for field in ("when", "when_no"):
            named += [(f"tables[{number}].{field}[{index}]", name) for index, name in enumerate(getattr(table, field))]
    if not named:
        return
    there = {*own, *tables()}
    for path, name in named:
        if name not in there:
            near = difflib.get_close_matches(name, there, n=1)
            fail(path, f"no profile has a table {name!r}" + (f"; did you mean {near[0]}?" if near else ""))


def _regex(path: str, pattern: str, fail: Fail) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        fail(path, f"not a regular expression: {error}")


def _check_table(table: Table, path: str, fail: Fail) -> None:
    columns = {*table.columns, *table.joins}

    def column(where: str, name: str | None) -> None:
        if name is not None and name not in columns and name.split(".")[0] != "index":
            fail(where, f"there is no column {name!r} in this table; known are: {', '.join(sorted(columns))}")

    def templates(where: str, labels: Mapping[str, tuple[str, ...]]) -> None:
        for label, texts in labels.items():
            for name in sorted(set().union(*map(_place, texts)) - columns - {"index"}):
                column(f"{where}.{label}", name)

    if table.index is not None and table.index not in table.columns:
        column(f"{path}.index", table.index)
    if table.together is not None and table.together not in TOGETHER:
        fail(f"{path}.together", f"{table.together!r} does not fit; accepted: {', '.join(TOGETHER)}")
    for name in (*table.scales, *table.where, *table.unless):
        column(path, name)
    templates(f"{path}.labels", table.labels)
    for index, value in enumerate(table.values):
        where = f"{path}.values[{index}]"
        metric = METRICS.get(value.metric)
        if metric is None:
            near = ", ".join(name for name in METRICS if value.metric.split("_")[-2:-1] == name.split("_")[-2:-1])
            fail(
                f"{where}.metric",
                f"there is no metric {value.metric!r}; see docs/metrics.md" + (f" (near: {near})" if near else ""),
            )
            continue
        optional = (value.minus, value.times, value.per, value.decimals)
        for used in (*value.of, *value.plus, *value.less, *value.factors, *value.where, *value.unless, *optional):
            column(where, used)
        templates(f"{where}.labels", value.labels)
        if value.pattern is not None:
            _regex(f"{where}.pattern", value.pattern, fail)
        needed = {*metric.labels} - _FREE_LABELS - {"ssid", "radio", "operator", "technology"}
        for label in sorted(needed - {*table.labels, *value.labels}):
            fail(where, f"{value.metric} has the label {label!r}; give it under `labels`")
        for label in sorted(value.labels.keys() - {*metric.labels}):
            fail(f"{where}.labels.{label}", f"{value.metric} has no such label; it has: {', '.join(metric.labels)}")
        if ("state" in metric.labels) != bool(value.states or value.bits or value.levels):
            fail(where, f"{value.metric} {'needs' if 'state' in metric.labels else 'takes no'} states")
        if metric.type is MetricType.INFO and not value.labels and not table.labels:
            fail(where, f"{value.metric} needs its facts under `labels`")
