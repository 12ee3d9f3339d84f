"""From what a device answered to numbers, texts and states: pure functions, one per rule of a profile."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from collectors.probe.snmp_client import Value as Raw
from collectors.snmp.profile import Value

OWN_WORD = "{}"
"""In `states`, under "*": the device tells the state as a word, which is taken as it is."""
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@lru_cache(maxsize=512)
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of a profile, compiled once."""
    return re.compile(pattern)


def text(raw: Raw | None) -> str:
    """A value as text for a label: UTF-8 where it is, else Latin-1; control characters and outer blanks removed."""
    if raw is None:
        return ""
    if isinstance(raw, bytes):
        raw = raw.rstrip(b"\0")
        try:
            words = raw.decode("utf-8")
        except UnicodeDecodeError:
            words = raw.decode("latin-1")
        return "".join(char if char.isprintable() else " " for char in words).strip()
    return str(raw)


def number(raw: Raw | None, pattern: str | None = None) -> float | None:
    """A value as a number; a text that is one counts, `pattern` takes it out of a longer text. None where there is none."""
    if raw is None:
        return None
    if isinstance(raw, (int, float)):
        return float(raw) if math.isfinite(raw) else None
    words = text(raw)
    if pattern is not None:
        match = compiled(pattern).search(words)
        if match is None:
            return None
        words = match[1] if match.re.groups else match[0]
    words = words.strip()
    if not _NUMBER.fullmatch(words):
        return None
    return float(words)


def key(raw: Raw) -> str:
    """A value as it is written in the `map`, `states` and `factors` of a profile."""
    if isinstance(raw, float) and raw.is_integer():
        return str(int(raw))
    return text(raw) if isinstance(raw, bytes) else str(raw)


def accepts(allowed: tuple[float | str, ...], raw: Raw | None) -> bool:
    """A number among the accepted, or a text in which an accepted regular expression is found."""
    for one in allowed:
        if isinstance(one, str):
            if raw is not None and compiled(one).search(text(raw)):
                return True
        elif raw is not None and number(raw) == one:
            return True
    return False


def matches(
    where: Mapping[str, tuple[float | str, ...]], unless: Mapping[str, tuple[float | str, ...]], get: Callable[[str], Raw | None]
) -> bool:
    """A row is wanted: every `where` holds and no `unless` does."""
    return all(accepts(allowed, get(name)) for name, allowed in where.items()) and not any(
        accepts(allowed, get(name)) for name, allowed in unless.items()
    )


def reading(value: Value, name: str, raw: Raw | None, scale: float) -> float | None:
    """The number of one column of a row; None where it is missing, or one that means unknown."""
    if raw is None:
        return None
    if value.map:
        found = value.map.get(key(raw), value.map.get("*", math.nan))
        return None if found is None or math.isnan(found) else found
    plain = number(raw, value.pattern if name in value.of else None)
    if plain is None or plain in value.unknown:
        return None
    if value.unsigned and plain < 0:
        plain += 2**32
    return plain * scale


def compute(value: Value, scales: Mapping[str, float], get: Callable[[str], Raw | None]) -> float | None:
    """A value of a row by the rules of the profile; None where it is not known."""

    def column(name: str) -> float | None:
        return reading(value, name, get(name), scales.get(name, 1.0))

    result = next((found for name in value.of if (found := column(name)) is not None), None)
    if result is None:
        return None
    result += sum(column(name) or 0.0 for name in value.plus) - sum(column(name) or 0.0 for name in value.less)
    if value.minus is not None:
        other = column(value.minus)
        if other is None:
            return None
        result -= other
    if value.times is not None:
        times = number(get(value.times), value.pattern)
        if times is None:
            return None
        if value.unsigned and times < 0:
            times += 2**32
        result *= times * scales.get(value.times, 1.0)
    for name, table in value.factors.items():
        raw = get(name)
        factor = table.get(key(raw), table.get("*")) if raw is not None else table.get("*")
        if factor is None:
            return None
        result *= factor
    if value.decimals is not None:
        result *= 10.0 ** -(number(get(value.decimals)) or 0.0)
    result = result * value.scale + value.offset
    if value.per is not None:
        whole = number(get(value.per))
        if whole is None or whole <= 0:
            return None
        result /= whole * scales.get(value.per, 1.0)
    if (value.least is not None and result < value.least) or (value.most is not None and result > value.most):
        return None
    # Scaling leaves crumbs such as 23.400000000000002, which would be another value at every poll.
    return result if abs(result) >= 1e9 else round(result, 9)


def states(value: Value, scales: Mapping[str, float], get: Callable[[str], Raw | None]) -> Iterator[str]:
    """The states that a row is in."""
    name = next((name for name in value.of if get(name) is not None), None)
    if name is None:
        return
    raw = get(name)
    assert raw is not None  # noqa: S101  for the type checker
    if value.bits:
        yield from _bits(value.bits, raw)
        return
    plain = number(raw, value.pattern)
    word = value.states.get(key(raw)) or (value.states.get(key(plain)) if plain is not None else None)
    if word is not None:
        yield word
    elif value.levels:
        result = compute(value, scales, get)
        if result is not None:
            yield next((state for state, bound in value.levels.items() if result <= bound), "")
    elif "*" in value.states:
        yield value.states["*"] if value.states["*"] != OWN_WORD else re.sub(r"\W+", "_", text(raw).lower()).strip("_")


def _bits(names: Mapping[str, str], raw: Raw) -> Iterator[str]:
    """BITS of RFC 2578: bit 0 is the first of the first octet; as an INTEGER, bit 0 is worth 1."""
    if isinstance(raw, bytes):
        if re.fullmatch(rb"[01]{8,}", raw):  # some vendors write the bits as text
            there = {at for at, digit in enumerate(raw) if digit == ord("1")}
        else:
            there = {octet * 8 + bit for octet, one in enumerate(raw) for bit in range(8) if one & (0x80 >> bit)}
    else:
        whole = int(number(raw) or 0)
        there = {bit for bit in range(whole.bit_length()) if whole >> bit & 1}
    found = [names[str(bit)] for bit in sorted(there) if str(bit) in names]
    if not found and "none" in names and not there:
        found = [names["none"]]
    yield from dict.fromkeys(found)


_PLACE = re.compile(r"\{([^}]*)\}")


def fill(templates: tuple[str, ...], index: str, get: Callable[[str], Raw | None]) -> str | None:
    """The first template whose every part has a text; None when there is none.

    `{index}` is the row's index, `{index.2}` its second number (negative from the end), `{index.2:5}` numbers 2 to 5,
    `{index.text}` its numbers as characters (a leading length is left out), `{index.mac}` its last six as an address;
    `{name|pattern}` is the first group of a regular expression in the text.
    """
    for template in templates:
        whole = True

        def part(match: re.Match[str]) -> str:
            nonlocal whole
            name, _, pattern = match[1].partition("|")
            found = index_part(index, name[6:]) if name == "index" or name.startswith("index.") else text(get(name))
            if pattern:
                inside = compiled(pattern).search(found)
                found = (inside[1] if inside.re.groups else inside[0]) if inside else ""
            whole = whole and found != ""
            return found

        filled = _PLACE.sub(part, template).strip()
        if whole and filled:
            return filled
    return None


def index_part(index: str, which: str) -> str:
    """A part of an index, as `fill` describes it; empty where the index has none."""
    numbers = [int(part) for part in index.split(".")] if index else []
    try:
        if which == "":
            return index
        if which == "text":
            if numbers and numbers[0] == len(numbers) - 1:
                numbers = numbers[1:]
            return text(bytes(numbers))
        if which == "mac":
            return ":".join(f"{number:02x}" for number in numbers[-6:])
        if ":" in which:
            first, last = (int(part) for part in which.split(":"))
            return ".".join(str(number) for number in numbers[first - 1 : last])
        at = int(which)
        return str(numbers[at - 1 if at > 0 else at])
    except (ValueError, IndexError):
        return ""
