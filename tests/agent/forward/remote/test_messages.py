"""Bodies of requests, read back with tables of fields that are not the sender's."""

from __future__ import annotations

import cramjam
import pytest

from agent.forward.packing import STALE, is_stale
from agent.forward.remote.messages import Encoder
from agent.forward.samples import Description, Exemplar
from tests.receivers.strict import Strict

A = Description((("__name__", "a_total"), ("job", "j")), "counter", "a_total", "counts", "bytes")
B = Description((("__name__", "b"), ("job", "a_total")), "gauge", "b", "counts", "")
COLUMNS = {A: ([1000, 2000], [1.0, STALE]), B: ([1500], [float("-inf")])}


def test_both_versions_say_the_same() -> None:
    encoder, receiver = Encoder(), Strict()
    for read, version in ((receiver._read_1, "1.0"), (receiver._read_2, "2.0")):
        for _ in range(2):
            body = encoder.encode(version, COLUMNS, {A: 900}, describe=COLUMNS)
            rows = read(bytes(cramjam.snappy.decompress_raw(body)))
            assert sorted((labels, time) for labels, time, _ in rows) == [(A.labels, 1000), (A.labels, 2000), (B.labels, 1500)]
            values = {(labels, time): value for labels, time, value in rows}
            assert is_stale(values[A.labels, 2000])
            assert values[B.labels, 1500] == float("-inf")
    assert receiver.created == {A.labels: 900}
    assert receiver.metadata == {"a_total": (1, "counts", "bytes"), "b": (2, "counts", "")}
    assert receiver.complaints == []


@pytest.mark.parametrize(("step", "order"), [(1, ["a", "b", "a"]), (60, ["a", "a", "b"])])
def test_seconds_go_in_order_of_time_with_1_0_and_minutes_in_the_cheaper_way(step: int, order: list[str]) -> None:
    columns = {one: ([time * step for time in times], values) for one, (times, values) in COLUMNS.items()}
    receiver = Strict()
    rows = receiver._read_1(bytes(cramjam.snappy.decompress_raw(Encoder().encode("1.0", columns, {}, describe=()))))
    assert [dict(labels)["__name__"][0] for labels, _, _ in rows] == order
    assert receiver.complaints == []


def test_exemplars_go_with_2_0() -> None:
    receiver = Strict()
    exemplars = {A: Exemplar((("trace_id", "x"),), 0.5, 1_700_000_000_000)}
    for version, read in (("1.0", receiver._read_1), ("2.0", receiver._read_2)):
        read(bytes(cramjam.snappy.decompress_raw(Encoder().encode(version, COLUMNS, {}, describe=(), exemplars=exemplars))))
    assert receiver.exemplars == [(A.labels, {"trace_id": "x"}, 0.5, 1_700_000_000_000)]
    assert receiver.complaints == []


def test_help_texts_go_only_with_what_is_to_be_described() -> None:
    encoder, receiver = Encoder(), Strict()
    for read, version in ((receiver._read_1, "1.0"), (receiver._read_2, "2.0")):
        read(bytes(cramjam.snappy.decompress_raw(encoder.encode(version, COLUMNS, {}, describe={B}))))
        assert set(receiver.metadata) == {"b"}
    assert receiver.complaints == []
