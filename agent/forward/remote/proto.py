"""The messages of Prometheus remote write 1.0 and 2.0, as protobuf classes.

Their descriptors are here as protobuf itself writes them, as they also are in the code that `protoc` generates: to make
them from tables of fields takes a module that costs 0.6 MiB of memory for as long as the agent runs. The tables are in
tests/agent/forward/remote/test_proto.py, which compares and prints. They hold all that the agent needs of
`prometheus/prompb/{remote,types}.proto` and `io/prometheus/write/v2/types.proto`; the protobuf library does all encoding.

Its compiled part makes the classes by itself. The modules around it, which protobuf's own `descriptor_pool` and
`message_factory` import, hold a second implementation in Python: another megabyte that nobody uses
(docs/adr/005-what-stays-resident.md).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message

try:
    from google._upb._message import DescriptorPool, MessageMeta
except ImportError:  # a platform for which protobuf is not compiled
    from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[assignment]
    from google.protobuf.internal.python_message import GeneratedProtocolMessageType as MessageMeta  # type: ignore[assignment]

VERSION_1 = (
    b'\n\x10prometheus.proto\x12\nprometheus"$\n\x05Label\x12\x0c\n\x04name\x18\x01 \x01(\t\x12\r\n\x05value\x18\x02 \x01('
    b'\t"*\n\x06Sample\x12\r\n\x05value\x18\x01 \x01(\x01\x12\x11\n\ttimestamp\x18\x02 \x01(\x03"T\n\nTimeSeries\x12!\n\x06'
    b'labels\x18\x01 \x03(\x0b2\x11.prometheus.Label\x12#\n\x07samples\x18\x02 \x03(\x0b2\x12.prometheus.Sample"V\n\x0eMetr'
    b"icMetadata\x12\x0c\n\x04type\x18\x01 \x01(\x05\x12\x1a\n\x12metric_family_name\x18\x02 \x01(\t\x12\x0c\n\x04help\x18"
    b'\x04 \x01(\t\x12\x0c\n\x04unit\x18\x05 \x01(\t"h\n\x0cWriteRequest\x12*\n\ntimeseries\x18\x01 \x03(\x0b2\x16.promethe'
    b"us.TimeSeries\x12,\n\x08metadata\x18\x03 \x03(\x0b2\x1a.prometheus.MetricMetadatab\x06proto3"
)
VERSION_2 = (
    b'\n\x1cio.prometheus.write.v2.proto\x12\x16io.prometheus.write.v2"C\n\x06Sample\x12\r\n\x05value\x18\x01 \x01(\x01\x12'
    b'\x11\n\ttimestamp\x18\x02 \x01(\x03\x12\x17\n\x0fstart_timestamp\x18\x03 \x01(\x03"<\n\x08Metadata\x12\x0c\n\x04type'
    b'\x18\x01 \x01(\x05\x12\x10\n\x08help_ref\x18\x03 \x01(\r\x12\x10\n\x08unit_ref\x18\x04 \x01(\r"A\n\x08Exemplar\x12'
    b'\x13\n\x0blabels_refs\x18\x01 \x03(\r\x12\r\n\x05value\x18\x02 \x01(\x01\x12\x11\n\ttimestamp\x18\x03 \x01(\x03"\xbb'
    b"\x01\n\nTimeSeries\x12\x13\n\x0blabels_refs\x18\x01 \x03(\r\x12/\n\x07samples\x18\x02 \x03(\x0b2\x1e.io.prometheus.wr"
    b"ite.v2.Sample\x123\n\texemplars\x18\x04 \x03(\x0b2 .io.prometheus.write.v2.Exemplar\x122\n\x08metadata\x18\x05 \x01("
    b'\x0b2 .io.prometheus.write.v2.Metadata"R\n\x07Request\x12\x0f\n\x07symbols\x18\x04 \x03(\t\x126\n\ntimeseries\x18\x05'
    b' \x03(\x0b2".io.prometheus.write.v2.TimeSeriesb\x06proto3'
)


def _classes(package: str, descriptor: bytes) -> dict[str, Any]:
    pool = DescriptorPool()
    pool.AddSerializedFile(descriptor)
    found = pool.FindFileByName(f"{package}.proto").message_types_by_name
    return {
        name: MessageMeta(name, (Message,), {"DESCRIPTOR": message, "__module__": __name__}) for name, message in found.items()
    }


WriteRequest: Any = _classes("prometheus", VERSION_1)["WriteRequest"]
"""`prometheus.WriteRequest` of remote write 1.0."""
Request: Any = _classes("io.prometheus.write.v2", VERSION_2)["Request"]
"""`io.prometheus.write.v2.Request` of remote write 2.0."""
