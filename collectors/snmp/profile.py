"""What a device profile may say (`config/snmp/*.yaml`), how profiles inherit, and which one a device matches.

A profile is data: which objects to ask for and which of our metrics they are. docs/snmp-profiles.md explains the keys
to whoever adds a vendor; `check` finds what the types cannot tell, for `agent check-config`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from collectors.families import ACCESS_POINTS, DEVICES, INTERFACES, MOBILE
from collectors.model import Metric, MetricType
from collectors.site import Settings

log = logging.getLogger(__name__)

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


TOGETHER = ("sum", "count", "mean", "max", "min")
_FREE_LABELS = {"device", "state", "modem"}


def _place(text: str) -> set[str]:
    return {name.split("|")[0].split(".")[0].split(":")[0] for name in re.findall(r"\{([^}]*)\}", text)}


def check(profile: Profile, known: Iterable[str], fail: Callable[[str, str], None]) -> None:
    """Call `fail(path, message)` for everything in a profile that contradicts itself, its parents or our metrics."""
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


def _regex(path: str, pattern: str, fail: Callable[[str, str], None]) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        fail(path, f"not a regular expression: {error}")


def _check_table(table: Table, path: str, fail: Callable[[str, str], None]) -> None:
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


class Library:
    """All profiles, by name (the file's), with those of the site's own directory going first."""

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles = dict(profiles)
        self._merged: dict[str, Profile] = {}

    def names(self) -> list[str]:
        """Every profile's name."""
        return sorted(self._profiles)

    def candidates(self, object_id: str, description: str) -> list[tuple[str, Match]]:
        """Profiles whose sysObjectID and sysDescr fit, the most specific first; `present` is still to be asked."""
        found = []
        for name, profile in self._profiles.items():
            for match in profile.match:
                if match.oid is not None and not f"{object_id}.".startswith(f"{match.oid}."):
                    continue
                if match.description is not None and not re.search(match.description, description):
                    continue
                rank = (
                    match.present is not None,
                    len((match.oid or "").split(".")),
                    (match.present or "").startswith("1.3.6.1.4.1."),
                    match.description is not None,
                )
                found.append((rank, name, match))
        # A vendor's own subtree says more than a shared sysObjectID, and than a standard MIB; the longest prefix says most.
        found.sort(key=lambda item: (item[0], item[1]), reverse=True)
        return [(name, match) for _, name, match in found]

    def get(self, name: str) -> Profile:
        """A profile with all that it inherits: its own facts and tables first, a table of the same name replaces.

        Raises:
            KeyError: there is none of that name.
        """
        if name not in self._merged:
            self._merged[name] = self._merge(name, ())
        return self._merged[name]

    def _merge(self, name: str, below: tuple[str, ...]) -> Profile:
        own = self._profiles[name]
        facts: dict[str, tuple[Fact, ...]] = {field: getattr(own, field) for field in ("vendor", "model", "version", "serial")}
        tables = {table.name: table for table in own.tables}
        for parent in own.inherits:
            if parent in below or parent not in self._profiles:
                continue
            inherited = self._merge(parent, (*below, name))
            for field in facts:
                facts[field] += getattr(inherited, field)
            for table in inherited.tables:
                if table.name not in own.without:
                    tables.setdefault(table.name, table)
        return msgspec.structs.replace(own, tables=tuple(tables.values()), **facts)


def read(text: str) -> Profile:
    """A profile's text as a value.

    Raises:
        msgspec.ValidationError, yaml.YAMLError: it is none; `agent check-config` says where.
    """
    import yaml  # noqa: PLC0415  only where SNMP is configured

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    raw: Any = yaml.load(text, Loader=loader) or {}  # noqa: S506  a safe loader, the C one where it exists
    return msgspec.convert(raw, Profile, strict=False)


def files(directory: Path | None) -> dict[str, Any]:
    """Profile files by name: those that ship with the agent, then the site's own, which replace them."""
    found: dict[str, Any] = {}
    shipped = resources.files("config").joinpath("snmp")
    for folder in (shipped, directory):
        if folder is not None:
            found |= {
                entry.name.removesuffix(".yaml"): entry
                for entry in folder.iterdir()
                if entry.name.endswith(".yaml") and entry.name != "enterprises.yaml"
            }
    return found


Version = tuple[tuple[str, int, int], ...]


def version(directory: Path | None) -> Version:
    """What tells whether the site's own profiles changed: their names, times and sizes; nothing where they cannot be read."""
    try:
        entries = sorted(directory.glob("*.yaml")) if directory is not None else ()
        return tuple((entry.name, (about := entry.stat()).st_mtime_ns, about.st_size) for entry in entries)
    except OSError:
        return ()


_sound: dict[Path | None, Library] = {}
"""The last profiles of each directory that were without a mistake: a file that is being edited takes them from nobody."""


@lru_cache(maxsize=2)
def library(directory: Path | None = None, of: Version = ()) -> Library:  # noqa: ARG001  part of the key
    """The profiles of the agent and of the site's directory, read once for each `version` of them.

    Who holds a version goes on with it, so that a file that is being edited disturbs nobody until the agent is reloaded.
    While a file of the site's is no profile, those that were read before stay, without any those of the agent alone; the
    log says which file it is.
    """
    try:
        found = Library(_profiles(directory))
    except (OSError, ValueError) as error:
        if directory is None:  # what ships with the agent cannot be read: there is nothing to go on with
            raise
        log.error("the profiles read before stay in use", extra={"error": str(error)})
        return _sound.get(directory) or library()
    _sound[directory] = found
    return found


def _profiles(directory: Path | None) -> dict[str, Profile]:
    entries = files(directory)
    profiles = {}
    for name, entry in entries.items():
        mistakes: list[str] = []
        try:
            profiles[name] = read(entry.read_text(encoding="utf-8"))
            if directory is not None and Path(str(entry)).parent == directory:
                check(profiles[name], entries, lambda where, what: mistakes.append(f"{where}: {what}"))  # noqa: B023  called at once
        except Exception as error:
            mistakes.append(str(error))
        if mistakes:
            message = f"{entry}: not a profile ({'; '.join(mistakes)}); `agent check-config` shows the line"
            raise ValueError(message)
    return profiles


@lru_cache(maxsize=1)
def enterprises() -> Mapping[str, str]:
    """Vendor by IANA private enterprise number, for devices that no vendor profile matches."""
    import yaml  # noqa: PLC0415

    text = resources.files("config").joinpath("snmp").joinpath("enterprises.yaml").read_text(encoding="utf-8")
    return {str(number): str(name) for number, name in yaml.safe_load(text).items()}
