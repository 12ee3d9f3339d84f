"""Figures as people read them, the same in both languages."""

from __future__ import annotations


def percent(share: float) -> str:
    """`0.083` is `8.3%`."""
    value = share * 100
    return f"{value:.0f}%" if value >= 10 or value == round(value) else f"{value:.1f}%"


def data_size(count: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def data_rate(bytes_per_second: float) -> str:
    """Bytes per second as carriers write rates."""
    bits = bytes_per_second * 8
    for unit in ("bit/s", "kbit/s", "Mbit/s"):
        if bits < 1000:
            return f"{bits:.3g} {unit}"
        bits /= 1000
    return f"{bits:.3g} Gbit/s"


def milliseconds(seconds: float) -> str:
    """A delay."""
    value = seconds * 1000
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def time_span(seconds: float) -> str:
    """A long span, in its largest unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"
