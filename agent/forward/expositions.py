"""What other exporters say: samples out of the text format and OpenMetrics, as lenient as Prometheus reads them.

Formats: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/. Read line by line as the samples are asked for, so that a limit on
them ends the work, and nobody waits for a large page. Why not by `prometheus_client`: docs/adr/044-scraped-pages.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

ExemplarOf = tuple[dict[str, str], float, float | None]


class Sample(NamedTuple):
    """One scraped sample and what its family says of it."""

    name: str
    labels: dict[str, str]
    value: float
    type: str
    family: str
    help: str
    unit: str
    created: float | None = None
    """When it began to count, in seconds since 1970, where the target says so (OpenMetrics)."""
    exemplar: ExemplarOf | None = None
    """A measurement behind the value: labels, value, seconds since 1970 where told (OpenMetrics)."""


_SUFFIXES = {
    "counter": ("", "_total"),
    "gauge": ("",),
    "histogram": ("", "_bucket", "_count", "_sum"),
    "gaugehistogram": ("", "_bucket", "_gcount", "_gsum"),
    "summary": ("", "_count", "_sum"),
    "info": ("", "_info"),
    "stateset": ("",),
    "unknown": ("",),
    "untyped": ("",),
}
"""Types, and how their families' samples are called beside the family itself."""
_COUNT = {"counter", "histogram", "summary"}
"""Families of these have `_created`: no series, but the start time of their others."""
_NAMED = "[a-zA-Z_:][a-zA-Z0-9_:]*"
_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_BRACES = rf'\{{([^"}}]*+(?:{_STRING}[^"}}]*+)*+)\}}'
_LINE = re.compile(
    rf"[ \t\r\n]*+(?:(?P<comment>#[^\n]*+)|({_NAMED})?(?:[ \t]*+{_BRACES}[ \t]*+|[ \t]++)([^\s#]++)(?:[ \t]++([^\s#]++))?"
    rf"(?:[ \t]++#[ \t]++{_BRACES}[ \t]++(\S++)(?:[ \t]++(\S++))?)?)?[ \t\r]*+(?:\n|\Z)",
    re.DOTALL,
)
"""A comment, a sample or nothing; the end of a line may stand in a label's value. Nothing is tried twice: a page may be hostile."""
_LABEL = re.compile(rf"[ \t]*(?:([a-zA-Z_][a-zA-Z0-9_]*|{_STRING})[ \t]*=[ \t]*)?({_STRING})[ \t]*,?[ \t]*", re.DOTALL)
_ABOUT = re.compile(rf"#[ \t]+(HELP|TYPE|UNIT)[ \t]+({_NAMED}|{_STRING})(?:[ \t]+(.*?))?[ \t\r]*")
_START = re.compile(rf"^[ \t]*{_NAMED}_created(?=[{{ \t])", re.MULTILINE)
_ESCAPED = re.compile(r'\\([\\n"])')
_NAME = "__name__"


@dataclass(slots=True)
class _Family:
    name: str
    type: str = ""
    help: str = ""
    unit: str = ""


def parse(text: str, content_type: str) -> Iterator[Sample]:
    """Samples of a scrape, in the format that the content type names, in order.

    Raises:
        ValueError: not that format; in the course of it.
    """
    strict = content_type.lower().startswith("application/openmetrics-text")
    begun = _begun(text) if strict else {}
    families: dict[str, _Family] = {}
    at, ended = 0, False
    while at < len(text):
        line = _line(text, at)
        at = line.end()
        if not line[0].strip():
            continue
        if strict and ended:
            raise ValueError("there is more after # EOF")
        if line["comment"] is not None:
            ended = line["comment"].rstrip() == "# EOF"
            _hear(line["comment"], families)
            continue
        name, labels, value, exemplar = _sample(line)
        if strict and name not in families and _is_start(name, families):
            continue
        family = families.get(name) or _Family(name)
        counter = family.type == "counter"
        base = family.name.removesuffix("_total") if counter else family.name
        created = begun.get((base, _whose(labels))) if begun and family.type in _COUNT else None
        told = name if counter else family.name  # a counter's family is called as its sample, whatever the format
        yield Sample(name, labels, value, family.type, told, family.help, family.unit, created, exemplar)
    if strict and not ended:
        raise ValueError("it does not end with # EOF: a part of it is missing")


def _hear(comment: str, families: dict[str, _Family]) -> None:
    """What a comment tells of a family, which most do not."""
    about = _ABOUT.fullmatch(comment)
    if about is None:
        return
    what, name, told = about[1], _plain(about[2]), about[3] or ""
    family = families.get(name)
    if family is None or family.name != name:
        family = families[name] = _Family(name)
    if what == "HELP":
        family.help = _unescape(told)
    elif what == "UNIT":
        family.unit = told
    elif told not in _SUFFIXES:
        message = f"{name} is of no known type: {told[:80]!r}"
        raise ValueError(message)
    else:
        family.type = "" if told in {"unknown", "untyped"} else told
        families.update((name + suffix, family) for suffix in _SUFFIXES[told])


def _line(text: str, at: int) -> re.Match[str]:
    found = _LINE.match(text, at)
    if found is None:
        raise _unreadable(text, at, "no sample")
    return found


def _unreadable(text: str, at: int, why: str) -> ValueError:
    rest = text[at:].lstrip()
    number = text.count("\n", 0, len(text) - len(rest)) + 1
    return ValueError(f"line {number}: {why}: {rest[:120].partition(chr(10))[0]!r}")


def _sample(line: re.Match[str]) -> tuple[str, dict[str, str], float, ExemplarOf | None]:
    try:
        return _parts(line)
    except ValueError as error:
        raise _unreadable(line.string, line.start(), str(error)) from None


def _parts(line: re.Match[str]) -> tuple[str, dict[str, str], float, ExemplarOf | None]:
    _, name, braces, value, time, of, measured, when = line.groups()
    labels = _labels(braces) if braces else {}
    quoted = labels.pop(_NAME, None)
    if (name is None) is (quoted is None):
        raise ValueError("it needs one name")
    if time is not None:
        _number(time)
    exemplar = None if of is None else (_labels(of), _number(measured), None if when is None else _number(when))
    return name or quoted or "", labels, _number(value), exemplar


def _labels(text: str) -> dict[str, str]:
    """Labels in braces; a text without a name is the metric's own (a name that is quoted)."""
    labels: dict[str, str] = {}
    at = 0
    while at < len(text):
        found = _LABEL.match(text, at)
        if found is None:
            if text[at:].isspace():
                break
            raise ValueError("its labels cannot be read")
        name = _NAME if found[1] is None else _plain(found[1], label=True)
        if name in labels or found[1] == _NAME:
            message = f"the label {name} comes twice"
            raise ValueError(message)
        labels[name] = _plain(found[2]) if found[1] is None else _unescape(found[2][1:-1])
        at = found.end()
    return labels


def _plain(name: str, *, label: bool = False) -> str:
    """A name that every receiver takes: one in quotes has `_` for what others do not know, as Prometheus escapes it for them."""
    if name[0] != '"':
        return name
    plain = re.sub("[^a-zA-Z0-9_]" if label else "[^a-zA-Z0-9_:]", "_", _unescape(name[1:-1]))
    return f"_{plain[1:]}" if plain[:1].isdigit() else plain or "_"


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text) if "\\" in text else text


def _number(text: str) -> float:
    """A number as Go's `strconv.ParseFloat` takes it, hexadecimal ones aside; not all that Python takes is one."""
    value = float(text)
    if not text.isascii() or "_" in text or (math.isinf(value) and text[-1].isdigit()):
        raise ValueError("not a number")
    return value


def _begun(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """When what counts began to (`_created`), by family and labels; it may come before or after what it is about."""
    found = {}
    for start in _START.finditer(text):
        name, labels, value, _ = _sample(_line(text, start.start()))
        found[name.removesuffix("_created"), _whose(labels)] = value
    return found


def _is_start(name: str, families: dict[str, _Family]) -> bool:
    """Whether a sample only says when others began to count."""
    base = name.removesuffix("_created")
    family = families.get(base) or families.get(f"{base}_total")
    return base != name and family is not None and family.type in _COUNT


def _whose(labels: dict[str, str]) -> frozenset[tuple[str, str]]:
    """What tells one counter, histogram or summary of a family from another."""
    return frozenset((name, value) for name, value in labels.items() if name not in {"le", "quantile"})
