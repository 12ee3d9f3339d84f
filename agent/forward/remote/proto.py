"""The messages of Prometheus remote write 1.0 and 2.0, as protobuf classes made when first used.

The field tables below are all that the agent needs of `prometheus/prompb/{remote,types}.proto` and
`io/prometheus/write/v2/types.proto` (numbers and types as the specifications give them); the protobuf library builds
the classes and does all encoding. No generated code, so no compiler is needed to build the agent. Importing this
module costs what protobuf costs, so only `remote_write` does it, and only when there is somewhere to send to.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "string": _Field.TYPE_STRING,
    "double": _Field.TYPE_DOUBLE,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "enum": _Field.TYPE_INT32,  # open enumerations are int32 on the wire
}
_VERSION_1: dict[str, dict[str, tuple[int, str]]] = {
    "Label": {"name": (1, "string"), "value": (2, "string")},
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64")},
    "TimeSeries": {"labels": (1, "repeated Label"), "samples": (2, "repeated Sample")},
    "MetricMetadata": {"type": (1, "enum"), "metric_family_name": (2, "string"), "help": (4, "string"), "unit": (5, "string")},
    "WriteRequest": {"timeseries": (1, "repeated TimeSeries"), "metadata": (3, "repeated MetricMetadata")},
}
_VERSION_2: dict[str, dict[str, tuple[int, str]]] = {
    "Sample": {"value": (1, "double"), "timestamp": (2, "int64"), "start_timestamp": (3, "int64")},
    "Metadata": {"type": (1, "enum"), "help_ref": (3, "uint32"), "unit_ref": (4, "uint32")},
    "TimeSeries": {
        "labels_refs": (1, "repeated uint32"),
        "samples": (2, "repeated Sample"),
        "metadata": (5, "Metadata"),
        "created_timestamp": (6, "int64"),  # before release candidate 4; since then in each sample
    },
    "Request": {"symbols": (4, "repeated string"), "timeseries": (5, "repeated TimeSeries")},
}


def _build(package: str, messages: dict[str, dict[str, tuple[int, str]]], root: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            repeated, _, base = kind.rpartition(" ")
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if base in _TYPES:
                added.type = _TYPES[base]
            else:
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".{package}.{base}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{root}"))


WriteRequest: Any = _build("prometheus", _VERSION_1, "WriteRequest")
"""`prometheus.WriteRequest` of remote write 1.0."""
Request: Any = _build("io.prometheus.write.v2", _VERSION_2, "Request")
"""`io.prometheus.write.v2.Request` of remote write 2.0."""
