"""From samples to the body of a remote write request, 1.0 and 2.0: protobuf, then snappy's block format.

Specifications: https://prometheus.io/docs/specs/prw/remote_write_spec/ and …/remote_write_spec_2_0/. Labels come sorted
by name, samples of a series by time, each series once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import cramjam

from agent.forward.remote.proto import Request, WriteRequest
from agent.forward.samples import Column, Description, Exemplar

Columns = Mapping[Description, Column]
NO_EXEMPLARS: Mapping[Description, Exemplar] = MappingProxyType({})
MOST_HEADS = 5000
"""Series come and go over months: the kept labels are dropped when there are more."""
SHORT = 10_000
"""Milliseconds: what a request of 1.0 may span to be written in order of time over all series."""
_TYPES = {"counter": 1, "gauge": 2, "histogram": 3, "gaugehistogram": 4, "summary": 5, "info": 6, "stateset": 7}
HEADERS = {
    "1.0": {"Content-Type": "application/x-protobuf", "X-Prometheus-Remote-Write-Version": "0.1.0"},
    "2.0": {
        "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        "X-Prometheus-Remote-Write-Version": "2.0.0",
    },
}
"""What each version says of itself in the request's head."""


class Encoder:
    """Makes bodies; keeps the encoded labels of series that it met (1.0), since they are the same every time."""

    def __init__(self) -> None:
        self._heads: dict[Description, bytes] = {}

    def encode(
        self,
        version: str,
        columns: Columns,
        created: Mapping[Description, int],
        *,
        describe: Collection[Description],
        exemplars: Mapping[Description, Exemplar] = NO_EXEMPLARS,
    ) -> bytes:
        """The body of one request.

        Args:
            version: `1.0` or `2.0`.
            columns: samples by series.
            created: when a series began to count, milliseconds since 1970, where known (2.0 only).
            describe: series that are sent with help text and unit, which cost more than the samples: now and then.
            exemplars: measurements behind the newest value of a series (2.0 only).
        """
        message = (
            self._version_2(columns, created, describe=describe, exemplars=exemplars)
            if version == "2.0"
            else self._version_1(columns, describe=describe)
        )
        return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))

    def _version_1(self, columns: Columns, *, describe: Collection[Description]) -> Any:
        request = WriteRequest()
        families: dict[str, Description] = {}
        for description, (times, values) in _in_order_of_time(columns):
            head = self._heads.get(description)
            if head is None:
                if len(self._heads) >= MOST_HEADS:
                    self._heads.clear()
                one = WriteRequest().timeseries.add()
                for name, text in description.labels:
                    one.labels.add(name=name, value=text)
                head = self._heads[description] = one.SerializeToString()
            series = request.timeseries.add()
            series.MergeFromString(head)
            add = series.samples.add
            for time, value in zip(times, values, strict=True):
                add(value=value, timestamp=time)
            if description.family and description in describe:
                families[description.family] = description
        for family, description in families.items():
            kind = _TYPES.get(description.type, 0)
            request.metadata.add(type=kind, metric_family_name=family, help=description.help, unit=description.unit)
        return request

    def _version_2(
        self,
        columns: Columns,
        created: Mapping[Description, int],
        *,
        describe: Collection[Description],
        exemplars: Mapping[Description, Exemplar],
    ) -> Any:
        request = Request()
        symbols: dict[str, int] = {"": 0}
        for description, (times, values) in columns.items():
            series = request.timeseries.add()
            series.labels_refs.extend(symbols.setdefault(text, len(symbols)) for label in description.labels for text in label)
            described = description in describe
            kind = _TYPES.get(description.type, 0)
            if kind:
                series.metadata.type = kind
            if described and description.help:
                series.metadata.help_ref = symbols.setdefault(description.help, len(symbols))
            if described and description.unit:
                series.metadata.unit_ref = symbols.setdefault(description.unit, len(symbols))
            add = series.samples.add
            start = created.get(description)
            if start is None:
                for time, value in zip(times, values, strict=True):
                    add(value=value, timestamp=time)
            else:
                for time, value in zip(times, values, strict=True):
                    add(value=value, timestamp=time, start_timestamp=start if start <= time else 0)
            exemplar = exemplars.get(description)
            if exemplar is not None:
                refs = [symbols.setdefault(text, len(symbols)) for label in exemplar.labels for text in label]
                series.exemplars.add(labels_refs=refs, value=exemplar.value, timestamp=exemplar.time)
        request.symbols.extend(symbols)
        return request


def _in_order_of_time(columns: Columns) -> Iterable[tuple[Description, Column]]:
    """The entries of a request of 1.0.

    The specification wants order per series. Prometheus itself writes one entry per sample, in order over all series, and
    its project's suite expects that (case "Timestamp"). Where a request spans seconds only, this is done here too; the
    batches of minutes have each series once, because its labels would cost more than its samples.
    """
    ends = [time for times, _ in columns.values() for time in (times[0], times[-1])]
    if not ends or max(ends) == min(ends) or max(ends) - min(ends) > SHORT:
        return columns.items()
    entries = [
        (one, ([time], [value])) for one, (times, values) in columns.items() for time, value in zip(times, values, strict=True)
    ]
    return sorted(entries, key=lambda entry: entry[1][0][0])
