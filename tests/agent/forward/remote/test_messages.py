"""Bodies of requests, read back with tables of fields that are not the sender's."""

from __future__ import annotations

import cramjam

from agent.forward.packing import STALE, is_stale
from agent.forward.remote.messages import Encoder
from agent.forward.samples import Description
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
            assert [(labels, time) for labels, time, _ in rows] == [(A.labels, 1000), (A.labels, 2000), (B.labels, 1500)]
            assert is_stale(rows[1][2])
            assert rows[2][2] == float("-inf")
    assert receiver.created == {A.labels: 900}
    assert receiver.metadata == {"a_total": (1, "counts", "bytes"), "b": (2, "counts", "")}
    assert receiver.complaints == []


def test_help_texts_go_only_with_what_is_to_be_described() -> None:
    encoder, receiver = Encoder(), Strict()
    for read, version in ((receiver._read_1, "1.0"), (receiver._read_2, "2.0")):
        read(bytes(cramjam.snappy.decompress_raw(encoder.encode(version, COLUMNS, {}, describe={B}))))
        assert set(receiver.metadata) == {"b"}
    assert receiver.complaints == []
