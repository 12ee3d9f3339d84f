"""What one device offers of its profile: found once by walking, then read poll after poll by asking for known objects.

`explore` walks the index column of every table and reads what labels and filters need, into a `Layout`: cells,
each a metric with its labels and the objects that its value comes from. A poll asks for exactly those objects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from collectors.model import Metric, MetricType, Observation, Reason
from collectors.probe.snmp import Conversation
from collectors.probe.snmp_client import Value as Raw
from collectors.snmp.convert import compute, fill, index_part, matches, number, states
from collectors.snmp.profile import METRICS, Table, Value

MAX_CELLS = 12_000
"""Values of one device; beyond it, later tables are left out."""
TRIES = 2
"""Polls in which a table may be begun that a device does not come to the end of."""
Answers = Mapping[str, Raw]
Key = tuple[str, tuple[str, ...]]
"""A metric's name and its labels."""


@dataclass(slots=True)
class Cell:
    """One value of one row.

    Attributes:
        objects: column to object, of the columns that change.
        fixed: columns that were read when the device was explored.
        together: how it joins other cells of the same labels.
        table: the table of the profile that it comes from.
    """

    metric: Metric
    labels: tuple[str, ...]
    value: Value
    scales: Mapping[str, float]
    objects: dict[str, str]
    fixed: Mapping[str, Raw]
    together: str | None = None
    table: str = ""
    simple: tuple[str, float] | None = None

    @property
    def key(self) -> Key:
        """What tells this value from every other one of the device."""
        return self.metric.name, self.labels

    def raw(self, answers: Answers) -> Callable[[str], Raw | None]:
        """How the rules of a value read a column of this row."""
        objects, fixed = self.objects, self.fixed

        def get(name: str) -> Raw | None:
            oid = objects.get(name)
            return answers.get(oid) if oid is not None else fixed.get(name)

        return get


@dataclass(slots=True)
class Layout:
    """What a device offers, as far as it was explored.

    Attributes:
        pending: tables that are still to be explored: a slow device takes several polls.
        changing: tables whose rows change at every poll.
        pruned: how many of the cells were looked at by `prune`.
        tries: how often the first of the pending tables was begun.
        before: what was found the time before, where nothing told of a change; it counts for the tables still pending.
    """

    pending: list[Table] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    changing: list[Table] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    given: set[Key] = field(default_factory=set)
    pruned: int = 0
    tries: int = 0
    before: Layout | None = None

    def told(self) -> list[Cell]:
        """The cells that a poll reads."""
        return [*self.cells, *self._earlier({table.name for table in self.pending})]

    def rewalked(self) -> list[Table]:
        """The tables that a poll walks."""
        waiting = [] if self.before is None else [table for table in self.before.changing if table in self.pending]
        return [*self.changing, *waiting]

    def _earlier(self, tables: Collection[str]) -> list[Cell]:
        cells = [] if self.before is None else self.before.cells
        return [cell for cell in cells if cell.table in tables and cell.key not in self.given]

    def leave(self) -> None:
        """Give the first of the pending tables up: what was found of it the time before is all that there is."""
        kept = self._earlier({self.pending[0].name})
        self.rows[self.pending[0].name] = len(kept)
        self.cells += kept
        self.given |= {cell.key for cell in kept}

    def objects(self) -> list[str]:
        """Every object that a poll asks for, each once, columns of a table together."""
        return list(dict.fromkeys(oid for cell in self.told() for oid in cell.objects.values()))

    def interface(self, index: str) -> str | None:
        """The label of the interface with this ifIndex."""
        wanted = f"1.3.6.1.2.1.2.2.1.8.{index}"
        return next((cell.labels[1] for cell in self.told() if wanted in cell.objects.values()), None)

    def prune(self, answers: Answers) -> None:
        """Forget objects that the device does not have, and alternatives that a better one makes needless.

        Only of cells that were explored since: what is missing once later may be a packet lost.
        """
        kept = self.cells[: self.pruned]
        for cell in self.cells[self.pruned :]:
            cell.objects = {name: oid for name, oid in cell.objects.items() if oid in answers}
            first = next((name for name in cell.value.of if name in cell.objects or name in cell.fixed), None)
            if first is None:
                continue
            if cell.objects and not cell.value.unknown and not cell.value.map:
                needless = set(cell.value.of[cell.value.of.index(first) + 1 :]) - {
                    *cell.value.plus,
                    cell.value.minus,
                    cell.value.times,
                }
                cell.objects = {name: oid for name, oid in cell.objects.items() if name not in needless}
            cell.simple = _simple(cell)
            kept.append(cell)
        self.cells = kept
        self.pruned = len(kept)


def _simple(cell: Cell) -> tuple[str, float] | None:
    """The one object and factor of a value that needs nothing but multiplication, as nearly all do."""
    value = cell.value
    plain = not (
        value.minus
        or value.times
        or value.per
        or value.decimals
        or value.factors
        or value.pattern
        or value.map
        or value.unknown
        or value.states
        or value.bits
        or value.levels
        or value.unsigned
        or value.offset
    )
    if (
        not plain
        or value.least is not None
        or value.most is not None
        or cell.metric.type is MetricType.INFO
        or len(cell.objects) != 1
    ):
        return None
    name, oid = next(iter(cell.objects.items()))
    if name not in value.of:
        return None
    return oid, value.scale * cell.scales.get(name, 1.0)


def _dynamic(value: Value) -> tuple[str, ...]:
    return tuple(name for name in (*value.of, *value.plus, *value.less, value.minus, value.times, value.per) if name is not None)


def _named(templates: Iterable[tuple[str, ...]]) -> set[str]:
    found = set()
    for texts in templates:
        for text in texts:
            found |= {part.split("}")[0].split("|")[0] for part in text.split("{")[1:]}
    return {name for name in found if name.split(".")[0] != "index"}


def _fixed_columns(table: Table) -> set[str]:
    """Columns that say what a row is, not how it is; read when the device is explored."""
    names = {*table.where, *table.unless} | _named(table.labels.values()) | _named((join.at,) for join in table.joins.values())
    for value in table.values:
        names |= {*value.where, *value.unless, *value.factors} | _named(value.labels.values())
        names |= {value.decimals} if value.decimals else set()
    return {name for name in names if name.split(".")[0] != "index"}


async def explore(talk: Conversation, layout: Layout, device: str) -> None:
    """Find which of the pending tables a device has, and their rows; what was found stays when it is cut short.

    A table at which it was cut short `TRIES` times is left as it was before, else out, and noted as overflow.

    Raises:
        SnmpError: it stopped answering.
    """
    while layout.pending:
        if layout.tries < TRIES:
            layout.tries += 1
            await _explore(talk, layout, layout.pending[0], device)
        else:
            talk.fault(Reason.OVERFLOW)
            layout.leave()
        layout.tries = 0
        del layout.pending[0]
    layout.before = None


async def _explore(talk: Conversation, layout: Layout, table: Table, device: str) -> None:
    if any(layout.rows.get(name) for name in table.when_no) or (
        table.when and not any(layout.rows.get(name) for name in table.when)
    ):
        return
    if table.changing:
        layout.changing.append(table)
        return
    if table.index is None:
        wanted = {name: table.columns[name] for name in _fixed_columns(table) if name in table.columns}
        facts = await talk.get(list(dict.fromkeys(wanted.values())), unsure=True)
        rows = {"": {name: facts[oid] for name, oid in wanted.items() if oid in facts}}
        present = None
    else:
        rows, present = await read_rows(talk, table)
    cells = build(table, rows, device, present, layout.given)
    if table.index is not None:
        layout.rows[table.name] = len(rows)
    elif cells:
        # A single object counts when the device has it.
        layout.rows[table.name] = await _answered(talk, cells)
    if len(layout.cells) + len(cells) > MAX_CELLS:
        del layout.pending[1:]
        return
    layout.cells += cells
    layout.given |= {cell.key for cell in cells}


async def _answered(talk: Conversation, cells: list[Cell]) -> int:
    found = await talk.get(list(dict.fromkeys(oid for cell in cells for oid in cell.objects.values())), unsure=True)
    cells[:] = [cell for cell in cells if any(oid in found for oid in cell.objects.values())]
    return len(found)


async def read_rows(talk: Conversation, table: Table) -> tuple[dict[str, dict[str, Raw]], set[str] | None]:
    """The rows of a table with the columns that say what they are; for version 1 also which objects exist."""
    assert table.index is not None  # noqa: S101  a table without index has no rows
    index_oid = table.columns[table.index]
    indexes = await talk.column(index_oid, limit=table.rows)
    if not indexes:
        return {}, set()
    rows: dict[str, dict[str, Raw]] = {index: {table.index: value} for index, value in indexes.items()}
    fixed = _fixed_columns(table)
    present: set[str] | None = None
    if talk.peer.credentials.version == 1:
        # A GET of version 1 fails as a whole when one object is missing: walk, to know what there is.
        present = {f"{index_oid}.{index}" for index in rows}
        used = fixed | {name for value in table.values for name in _dynamic(value)}
        for name, oid in table.columns.items():
            if name in used and name != table.index:
                for index, value in (await talk.column(oid, limit=table.rows)).items():
                    present.add(f"{oid}.{index}")
                    if index in rows and name in fixed:
                        rows[index][name] = value
    else:
        plain = {name: oid for name, oid in table.columns.items() if name in fixed and name != table.index}
        answers = await talk.get([f"{oid}.{index}" for oid in plain.values() for index in rows], unsure=True)
        for name, oid in plain.items():
            for index, row in rows.items():
                if f"{oid}.{index}" in answers:
                    row[name] = answers[f"{oid}.{index}"]
    joined = {name: join for name, join in table.joins.items() if name in fixed}
    if joined:
        at = {(name, index): _joined(join.at, index, row) for name, join in joined.items() for index, row in rows.items()}
        objects = {place: f"{joined[place[0]].oid}.{there}" for place, there in at.items() if there}
        answers = await talk.get(list(dict.fromkeys(objects.values())), unsure=True)
        for (name, index), oid in objects.items():
            if oid in answers:
                rows[index][name] = answers[oid]
    return rows, present


def _joined(template: str, index: str, row: Mapping[str, Raw]) -> str | None:
    return fill((template,), index, row.get)


def build(
    table: Table, rows: Mapping[str, dict[str, Raw]], device: str, present: set[str] | None = None, given: Collection[Key] = ()
) -> list[Cell]:
    """The cells of a table's rows, with labels that tell them apart, from those of earlier tables (`given`) too."""
    cells: list[Cell] = []
    taken: set[Key] = set()
    fixed_names = _fixed_columns(table)
    for index, row in rows.items():

        def get(name: str, index: str = index, row: Mapping[str, Raw] = row) -> Raw | None:
            return index_part(index, name[6:]) if name.split(".", maxsplit=1)[0] == "index" else row.get(name)

        if not matches(table.where, table.unless, get):
            continue
        end = f".{index}" if index else ""
        for value in table.values:
            metric = METRICS[value.metric]
            if not matches(value.where, value.unless, get):
                continue
            labels = _labels(table, value, index, row, device)
            if labels is None:
                continue
            objects: dict[str, str] = {}
            for name in _dynamic(value):
                if name in fixed_names and name not in value.of:
                    continue
                if name in table.columns:
                    objects[name] = table.columns[name] + end
                elif name in table.joins and (at := _joined(table.joins[name].at, index, row)):
                    objects[name] = f"{table.joins[name].oid}.{at}"
            if present is not None:
                objects = {name: oid for name, oid in objects.items() if oid in present or name in table.joins}
            if not objects:
                continue
            key = (value.metric, labels)
            if table.fills and key in given:
                continue
            if table.together is None and (key in taken or key in given):
                labels = _apart(metric, labels, index or table.name)
                if (value.metric, labels) in given:
                    labels = _apart(metric, labels, table.name)
            taken.add((value.metric, labels))
            cells.append(Cell(metric, labels, value, table.scales, objects, row, table.together, table.name))
    return cells


def _labels(table: Table, value: Value, index: str, row: Mapping[str, Raw], device: str) -> tuple[str, ...] | None:
    """Label values in the order of the metric; the state stays empty until it is known. None: a label has no text."""
    found = []
    for label in METRICS[value.metric].labels:
        templates = value.labels.get(label) or table.labels.get(label)
        if label == "device" or (label == "modem" and templates is None):
            found.append(device)
        elif templates is None:
            found.append("")
        else:
            text = fill(templates, index, row.get)
            if text is None and label not in {"ssid", "radio", "operator", "technology"}:
                return None
            found.append(text or "")
    return tuple(found)


def _apart(metric: Metric, labels: tuple[str, ...], index: str) -> tuple[str, ...]:
    """Labels with the index added to the name of the thing, for rows that a device names alike."""
    at = next((at for at, label in enumerate(metric.labels) if label not in {"device", "state"}), len(labels) - 1)
    return (*labels[:at], f"{labels[at]} #{index}", *labels[at + 1 :])


def nothing(table: Table, device: str) -> list[Observation]:
    """Zeros of a table that counts or sums and has no rows: no station is a number, not an unknown."""
    if table.together not in {"sum", "count"}:
        return []
    found = []
    for value in table.values:
        labels = _labels(table, value, "", {}, device)
        if (
            labels is not None
            and not _named((*table.labels.values(), *value.labels.values()))
            and not value.where
            and not table.where
        ):
            found.append(Observation(METRICS[value.metric], labels, 0.0))
    return found


def observe(cells: Iterable[Cell], answers: Answers) -> list[Observation]:
    """The observations of a poll; what the device did not answer, or does not know, is left out."""
    found: list[Observation] = []
    groups: dict[tuple[Metric, tuple[str, ...]], tuple[str, list[float]]] = {}
    for cell in cells:
        if cell.simple is not None and cell.together is None:
            raw = answers.get(cell.simple[0])
            plain = number(raw) if not isinstance(raw, int) else float(raw)
            if plain is not None:
                result = plain * cell.simple[1]
                found.append(Observation(cell.metric, cell.labels, result if result >= 1e9 else round(result, 9)))
            continue
        get = cell.raw(answers)
        if cell.metric.labels[-1] == "state":
            found += [
                Observation(cell.metric, (*cell.labels[:-1], state), 1.0)
                for state in states(cell.value, cell.scales, get)
                if state
            ]
            continue
        if cell.metric.type is MetricType.INFO:
            if any(get(name) is not None for name in cell.value.of):
                found.append(Observation(cell.metric, cell.labels, 1.0))
            continue
        result_or_none = compute(cell.value, cell.scales, get)
        if cell.together == "count" and any(get(name) is not None for name in cell.value.of):
            result_or_none = 1.0
        if result_or_none is None:
            continue
        if cell.together is None:
            found.append(Observation(cell.metric, cell.labels, result_or_none))
        else:
            groups.setdefault((cell.metric, cell.labels), (cell.together, []))[1].append(result_or_none)
    found += [Observation(metric, labels, _TOGETHER[how](values)) for (metric, labels), (how, values) in groups.items()]
    return found


_TOGETHER: dict[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "count": sum,
    "mean": lambda values: round(sum(values) / len(values), 9),
    "max": max,
    "min": min,
}
