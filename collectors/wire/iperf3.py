"""The JSON report of iperf3 (`iperf3 --json`), client side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

STEADY_FROM = 4


@dataclass(frozen=True, slots=True)
class Report:
    """What a run says.

    Attributes:
        rate: bytes per second that arrived at the receiver; None after an error. Where the receiver is here (reverse), runs
            of `STEADY_FROM` intervals and more leave out the first one, in which TCP still looks for its pace; `--omit` would
            do that too, but the receiver of 3.12 then divides by the whole time. A sender's intervals tell of its buffer.
        average: bytes per second that arrived at the receiver, over the whole run.
        moved: payload bytes sent.
        retransmits: segments sent again, None where the sender could not tell.
        error: iperf3's own words, empty when all went well.
    """

    rate: float | None
    average: float | None
    moved: int
    retransmits: int | None = None
    error: str = ""


def parse_report(text: str) -> Report:
    """Read a report; a run that failed still has one.

    Raises:
        ValueError: this is no report of iperf3.
    """
    try:
        report = json.loads(text)
    except (ValueError, RecursionError) as error:
        message = "no JSON report"
        raise ValueError(message) from error
    if not isinstance(report, dict) or not ({"end", "error"} & report.keys()):
        message = "no report of iperf3"
        raise ValueError(message)
    end = _object(report.get("end"))
    intervals = report.get("intervals")
    sums = [_object(_object(one).get("sum")) for one in intervals] if isinstance(intervals, list) else []
    moved = int(sum(_number(one.get("bytes")) or 0.0 for one in sums))
    sent = _number(_object(end.get("sum_sent")).get("bytes"))
    bits = _number(_object(end.get("sum_received")).get("bits_per_second"))
    average = None if bits is None else bits / 8
    retransmits = _number(_object(end.get("sum_sent")).get("retransmits"))
    reverse = _object(_object(report.get("start")).get("test_start")).get("reverse") == 1
    said = report.get("error")
    return Report(
        None if said else (_steady(sums) if reverse else None) or average,
        None if said else average,
        max(moved, int(sent or 0)),
        None if retransmits is None else int(retransmits),
        str(said) if said else "",
    )


def _steady(sums: list[dict[str, Any]]) -> float | None:
    """The rate of all intervals but the first; None for short runs."""
    rows = [(_number(one.get("bytes")) or 0.0, _number(one.get("seconds")) or 0.0) for one in sums if not one.get("omitted")]
    seconds = sum(row[1] for row in rows[1:])
    return sum(row[0] for row in rows[1:]) / seconds if len(rows) >= STEADY_FROM and seconds > 0 else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value < 1e18 else None
