"""A receiver that takes remote write 1.0 and 2.0 exactly as specified, complains of every deviation, and fails on request.

Messages are described here once more, from the specifications, so that the sender's own tables are not judged by
themselves.
"""

from __future__ import annotations

import asyncio
import collections
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cramjam
from aiohttp import web
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

_PROTO = """
name: "strict.proto" package: "strict" syntax: "proto3"
message_type { name: "L" field { name: "n" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL } field { name: "v" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "S" field { name: "v" number: 1 type: TYPE_DOUBLE label: LABEL_OPTIONAL } field { name: "t" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL } field { name: "st" number: 3 type: TYPE_INT64 label: LABEL_OPTIONAL } }
message_type { name: "T1" field { name: "l" number: 1 type: TYPE_MESSAGE type_name: ".strict.L" label: LABEL_REPEATED } field { name: "s" number: 2 type: TYPE_MESSAGE type_name: ".strict.S" label: LABEL_REPEATED } }
message_type { name: "M1" field { name: "type" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL } field { name: "family" number: 2 type: TYPE_STRING label: LABEL_OPTIONAL } field { name: "help" number: 4 type: TYPE_STRING label: LABEL_OPTIONAL } field { name: "unit" number: 5 type: TYPE_STRING label: LABEL_OPTIONAL } }
message_type { name: "W" field { name: "ts" number: 1 type: TYPE_MESSAGE type_name: ".strict.T1" label: LABEL_REPEATED } field { name: "md" number: 3 type: TYPE_MESSAGE type_name: ".strict.M1" label: LABEL_REPEATED } }
message_type { name: "M2" field { name: "type" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL } field { name: "help" number: 3 type: TYPE_UINT32 label: LABEL_OPTIONAL } field { name: "unit" number: 4 type: TYPE_UINT32 label: LABEL_OPTIONAL } }
message_type { name: "X" field { name: "refs" number: 1 type: TYPE_UINT32 label: LABEL_REPEATED } field { name: "v" number: 2 type: TYPE_DOUBLE label: LABEL_OPTIONAL } field { name: "t" number: 3 type: TYPE_INT64 label: LABEL_OPTIONAL } }
message_type { name: "T2" field { name: "x" number: 4 type: TYPE_MESSAGE type_name: ".strict.X" label: LABEL_REPEATED } field { name: "refs" number: 1 type: TYPE_UINT32 label: LABEL_REPEATED } field { name: "s" number: 2 type: TYPE_MESSAGE type_name: ".strict.S" label: LABEL_REPEATED } field { name: "md" number: 5 type: TYPE_MESSAGE type_name: ".strict.M2" label: LABEL_OPTIONAL } field { name: "created" number: 6 type: TYPE_INT64 label: LABEL_OPTIONAL } }
message_type { name: "R" field { name: "sym" number: 4 type: TYPE_STRING label: LABEL_REPEATED } field { name: "ts" number: 5 type: TYPE_MESSAGE type_name: ".strict.T2" label: LABEL_REPEATED } }
"""
_pool = descriptor_pool.DescriptorPool()
_pool.Add(text_format.Parse(_PROTO, descriptor_pb2.FileDescriptorProto()))
_V1: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("strict.W"))
_V2: Any = message_factory.GetMessageClass(_pool.FindMessageTypeByName("strict.R"))
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
STALE_BITS = 0x7FF0000000000002

Labels = tuple[tuple[str, str], ...]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


@dataclass
class Strict:
    """What arrived.

    Attributes:
        samples: per series every sample that was accepted, in order of arrival: time and value.
        complaints: deviations from the specification.
        refuse: says of a sample why it cannot be taken.
        fault: may answer a request in the receiver's place.
        speaks: versions that it knows; anything else gets 415.
        partial: answers 400 with the number of samples written (2.0) instead of taking nothing.
    """

    samples: dict[Labels, list[tuple[int, float]]] = field(default_factory=lambda: collections.defaultdict(list))
    complaints: list[str] = field(default_factory=list)
    requests: list[tuple[str, int]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    metadata: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    created: dict[Labels, int] = field(default_factory=dict)
    exemplars: list[tuple[Labels, dict[str, str], float, int]] = field(default_factory=list)
    refuse: Callable[[Labels, int, float], str | None] = lambda *_: None
    fault: Fault | None = None
    speaks: tuple[str, ...] = ("1.0", "2.0")
    partial: bool = True
    keep: bool = True
    count: int = 0
    body_bytes: int = 0
    port: int = 0
    path: str = "/api/v1/write"
    date: Callable[[], str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def series(self, name: str, **labels: str) -> list[tuple[int, float]]:
        """The one series of that name and labels."""
        wanted = {"__name__": name, **labels}.items()
        found = [values for key, values in self.samples.items() if wanted <= dict(key).items()]
        assert len(found) == 1, f"{len(found)} series match {name} {labels}"
        return found[0]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.fault is not None and (answer := await self.fault(request)) is not None:
            return answer
        headers = {"Date": self.date()} if self.date is not None else {}
        if request.method != "POST":
            return web.Response(status=405, headers=headers)
        body = await request.read()
        self.body_bytes += len(body)
        self.heads.append(dict(request.headers))
        version = self._version(request)
        if version not in self.speaks:
            return web.Response(status=415, text="unsupported", headers=headers)
        self._check(request.headers.get("Content-Encoding") == "snappy", "not snappy")
        self._check(bool(request.headers.get("User-Agent")), "no User-Agent")
        data = bytes(cramjam.snappy.decompress_raw(body))
        rows = self._read_2(data) if version == "2.0" else self._read_1(data)
        reasons = [reason for labels, time, value in rows if (reason := self.refuse(labels, time, value))]
        self.requests.append((version, len(rows)))
        takes = rows
        if reasons:
            takes = [row for row in rows if not self.refuse(*row)] if version == "2.0" and self.partial else []
        for labels, time, value in takes:
            self.count += 1
            if self.keep:
                self.samples[labels].append((time, value))
        if version == "2.0" and (not reasons or self.partial):
            headers["X-Prometheus-Remote-Write-Samples-Written"] = str(len(takes))
            headers["X-Prometheus-Remote-Write-Histograms-Written"] = "0"
            headers["X-Prometheus-Remote-Write-Exemplars-Written"] = "0"
        return web.Response(status=400 if reasons else 204, text=reasons[0] if reasons else None, headers=headers)

    def _version(self, request: web.Request) -> str:
        kind = request.headers.get("Content-Type", "").replace(" ", "")
        said = request.headers.get("X-Prometheus-Remote-Write-Version", "")
        if kind == "application/x-protobuf;proto=io.prometheus.write.v2.Request":
            self._check(said.startswith("2."), f"version {said} with the message of 2.0")
            return "2.0"
        self._check(kind in {"application/x-protobuf", "application/x-protobuf;proto=prometheus.WriteRequest"}, f"type {kind}")
        self._check(said == "0.1.0", f"version {said} with the message of 1.0")
        return "1.0"

    def _check(self, holds: object, complaint: str) -> None:
        if not holds:
            self.complaints.append(complaint)

    def _read_1(self, data: bytes) -> list[tuple[Labels, int, float]]:
        message = _V1.FromString(data)
        rows = []
        for series in message.ts:
            labels = tuple((label.n, label.v) for label in series.l)
            rows += self._rows(labels, series.s)
        for one in message.md:
            self.metadata[one.family] = (one.type, one.help, one.unit)
        moments = [(time, key) for key, time, _ in rows]
        if moments != sorted(moments, key=lambda moment: moment[0]):  # in order of time a series may come again
            self._once([tuple((label.n, label.v) for label in series.l) for series in message.ts])
        return rows

    def _read_2(self, data: bytes) -> list[tuple[Labels, int, float]]:
        message = _V2.FromString(data)
        symbols = list(message.sym)
        self._check(symbols[:1] == [""], "the first symbol is not empty")
        self._check(len(set(symbols)) == len(symbols), "a symbol twice")
        rows, keys = [], []
        used = {0}
        for series in message.ts:
            refs = list(series.refs)
            self._check(len(refs) % 2 == 0, "an odd number of references")
            used.update(refs)
            used |= {series.md.help, series.md.unit}
            labels = tuple((symbols[name], symbols[value]) for name, value in zip(refs[::2], refs[1::2], strict=True))
            keys.append(labels)
            rows += self._rows(labels, series.s)
            self._check(not series.created, "field 6 is reserved")
            self._check(series.md.type in range(1, 8), f"no type for {labels}")
            for one in series.x:
                own = [symbols[ref] for ref in one.refs]
                self._check(len(own) % 2 == 0 and own[::2] == sorted(own[::2]), f"labels of an exemplar: {own}")
                self._check(one.t > 10**12, f"time of an exemplar: {one.t}")
                used.update(one.refs)
                self.exemplars.append((labels, dict(zip(own[::2], own[1::2], strict=True)), one.v, one.t))
            if series.md.help or series.md.unit:
                self.metadata[dict(labels)["__name__"]] = (series.md.type, symbols[series.md.help], symbols[series.md.unit])
            starts = {sample.st for sample in series.s if sample.st}
            if starts:
                self.created[labels] = starts.pop()
                self._check(all(sample.st <= sample.t for sample in series.s), "a start after its sample")
        self._check(used == set(range(len(symbols))), "a symbol that nobody uses")
        self._once(keys)
        return rows

    def _once(self, keys: list[Labels]) -> None:
        self._check(len(set(keys)) == len(keys), "a series twice in a request")

    def _rows(self, labels: Labels, samples: Any) -> list[tuple[Labels, int, float]]:
        names = [name for name, _ in labels]
        self._check(names == sorted(names) and len(set(names)) == len(names), f"labels not in order or not unique: {names}")
        self._check(all(value for _, value in labels), f"an empty label: {labels}")
        self._check(bool(NAME.fullmatch(dict(labels).get("__name__", ""))), f"no metric name: {labels}")
        self._check(all(LABEL.fullmatch(name) for name in names), f"a bad label name: {names}")
        times = [sample.t for sample in samples]
        self._check(bool(times), f"a series without samples: {labels}")
        self._check(all(a < b for a, b in pairwise(times)), f"times not ascending: {labels} {times}")
        return [(labels, sample.t, sample.v) for sample in samples]


@asynccontextmanager
async def strict(receiver: Strict | None = None, port: int = 0) -> AsyncIterator[Strict]:
    """Run a receiver; `port` 0 takes a free one."""
    receiver = receiver or Strict()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    assert site._server is not None
    receiver.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something, with a limit."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  many kinds of things are waited for
            await asyncio.sleep(0.02)
