"""The messages' descriptors, made anew from their fields: numbers and types as the specifications give them.

`python -m tests.agent.forward.remote.test_proto` prints them for `proto.py`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from google.protobuf import descriptor_pb2

from agent.forward.remote import proto

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
    "Exemplar": {"labels_refs": (1, "repeated uint32"), "value": (2, "double"), "timestamp": (3, "int64")},
    "TimeSeries": {
        "labels_refs": (1, "repeated uint32"),
        "samples": (2, "repeated Sample"),
        "exemplars": (4, "repeated Exemplar"),
        "metadata": (5, "Metadata"),
    },
    "Request": {"symbols": (4, "repeated string"), "timeseries": (5, "repeated TimeSeries")},
}


def build(package: str, messages: dict[str, dict[str, tuple[int, str]]]) -> bytes:
    """The descriptor of one file of messages, as protobuf writes it."""
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
    return file.SerializeToString(deterministic=True)


FILES = {"VERSION_1": ("prometheus", _VERSION_1), "VERSION_2": ("io.prometheus.write.v2", _VERSION_2)}


@pytest.mark.parametrize("name", FILES)
def test_descriptors_are_those_of_the_specifications(name: str) -> None:
    assert getattr(proto, name) == build(*FILES[name])


_ENCODE = """
import sys

if "python" in sys.argv:
    sys.modules["google._upb._message"] = None
from agent.forward.remote.messages import Encoder
from agent.forward.samples import Description, Exemplar

one = Description((("__name__", "a_total"), ("instance", "pc")), "counter", "a_total", "Help.", "seconds")
for version in ("1.0", "2.0"):
    body = Encoder().encode(
        version, {one: ([1000, 2000], [1.5, 2.5])}, {one: 500}, describe={one}, exemplars={one: Exemplar((("trace", "t"),), 1.0, 7)}
    )
    print(body.hex())
print("google.protobuf.internal.python_message" in sys.modules)
"""


def test_protobuf_in_python_encodes_the_same_and_is_not_loaded_beside_the_compiled_one() -> None:
    compiled, python = (
        subprocess.run([sys.executable, "-c", _ENCODE, name], capture_output=True, text=True, check=True).stdout.split()
        for name in ("compiled", "python")
    )
    assert compiled[:2] == python[:2]
    assert compiled[2:] == ["False"]
    assert python[2:] == ["True"]


if __name__ == "__main__":
    for name, (package, messages) in FILES.items():
        print(f"{name} = {build(package, messages)!r}")
