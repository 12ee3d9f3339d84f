"""The head of an HTTP/1.1 response, and what frames its body (RFC 9112)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n]*))?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Head:
    """Status and header fields, names in lower case, in order."""

    status: int
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a field."""
        return [value for field, value in self.fields if field == name]

    def get(self, name: str) -> str | None:
        """The first value of a field."""
        return next(iter(self.all(name)), None)

    @property
    def is_chunked(self) -> bool:
        """The body comes in chunks, which end themselves."""
        return any(value.rpartition(",")[2].strip().lower() == "chunked" for value in self.all("transfer-encoding"))

    @property
    def length(self) -> int | None:
        """Octets of the body, None where it ends with the connection; 0 where the status allows none."""
        if self.status in _NO_BODY or self.status < 200:
            return 0
        value = self.get("content-length")
        return int(value) if value is not None and re.fullmatch("[0-9]{1,18}", value) else None


def parse_head(data: bytes) -> Head:
    """A response's head, up to and including the empty line.

    Raises:
        ValueError: it is no HTTP/1 response.
    """
    lines = data.rstrip(b"\r\n").replace(b"\r\n", b"\n").split(b"\n")
    status = _STATUS_LINE.fullmatch(lines[0])
    if status is None:
        raise ValueError("the answer does not begin with an HTTP/1 status line")
    fields: list[tuple[str, str]] = []
    for line in lines[1:]:
        if line[:1] in {b" ", b"\t"} and fields:  # a folded line, obsolete but met
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip().decode('latin-1')}")
            continue
        field = _FIELD.fullmatch(line)
        if field is None:
            raise ValueError("the answer holds a line that is no header field")
        fields.append((field[1].decode("ascii").lower(), field[2].decode("latin-1")))
    return Head(int(status[2]), tuple(fields))


def parse_chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; extensions are ignored.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n", line)
    if match is None:
        raise ValueError("a chunk has no size")
    return int(match[1], 16)
