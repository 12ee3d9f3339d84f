"""Durations, sizes and rates as people write them in a configuration file.

The three types are numbers in base units (seconds, bytes, bytes per second), so that code computes with
them directly; text is accepted only through `parse_*`, and `str()` gives the text back.
"""

import re

_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_RATE_UNITS = {"bit/s": 1.0, "kbit/s": 1e3, "Mbit/s": 1e6, "Gbit/s": 1e9}
_NUMBER_UNIT = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([A-Za-z/]{1,6})\s*", re.ASCII)


def _scaled(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _NUMBER_UNIT.fullmatch(text)
    if match is None or match[2] not in units:
        message = f"{text!r} is not understood; write a number and a unit ({', '.join(units)}), such as {example}"
        raise ValueError(message)
    return float(match[1]) * units[match[2]]


def _written(value: float, units: dict[str, float] | dict[str, int]) -> str:
    for unit, factor in sorted(units.items(), key=lambda item: -item[1]):
        if value >= factor and abs(value / factor - round(value / factor)) < 1e-9:
            return f"{round(value / factor)}{unit}"
    if not value:
        return "0" + next(unit for unit, factor in units.items() if factor == 1)
    smallest, factor = min(units.items(), key=lambda item: item[1])
    return f"{value / factor:.9f}".rstrip("0").rstrip(".") + smallest


class Duration(float):
    """A span of time in seconds; written `500ms`, `1s`, `5m`, `2h`, `7d`."""

    __slots__ = ()

    def __str__(self) -> str:
        return _written(self, _DURATION_UNITS)


class Size(int):
    """An amount of data in bytes; written `64KiB`, `200MiB`, `5MB`."""

    __slots__ = ()

    def __str__(self) -> str:
        return _written(self, _SIZE_UNITS)


class Rate(float):
    """A data rate in bytes per second; written in bits, as contracts are: `100Mbit/s`."""

    __slots__ = ()

    def __str__(self) -> str:
        return _written(self * 8, _RATE_UNITS)


def parse_duration(text: str) -> Duration:
    """`"5m"` to 300 seconds.

    Raises:
        ValueError: says what is accepted.
    """
    return Duration(_scaled(text, _DURATION_UNITS, "30s"))


def parse_size(text: str) -> Size:
    """`"64KiB"` to 65536 bytes.

    Raises:
        ValueError: says what is accepted.
    """
    return Size(_scaled(text, _SIZE_UNITS, "256MiB"))


def parse_rate(text: str) -> Rate:
    """`"100Mbit/s"` to 12,500,000 bytes per second.

    Raises:
        ValueError: says what is accepted.
    """
    return Rate(_scaled(text, _RATE_UNITS, "100Mbit/s") / 8)
