"""The heads of HTTP/1.1 requests and responses, and what frames their bodies (RFC 9112)."""

from __future__ import annotations

import email.utils
import re
from dataclasses import dataclass
from datetime import UTC

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n]*))?")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\x00]*?)[ \t]*")
_NO_BODY = frozenset({204, 304})


class _Fields:
    """Header fields, names in lower case, in order."""

    __slots__ = ()
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


@dataclass(frozen=True, slots=True)
class RequestHead(_Fields):
    """What a client asks for: `target` as it was written, `minor` 0 or 1 for HTTP/1.0 and HTTP/1.1."""

    method: str
    target: str
    minor: int
    fields: tuple[tuple[str, str], ...]

    @property
    def length(self) -> int | None:
        """Octets of the body; None where it is not told by one plain `Content-Length`."""
        values = self.all("content-length")
        if self.get("transfer-encoding") is not None or len(values) > 1:
            return None
        return 0 if not values else int(values[0]) if re.fullmatch("[0-9]{1,18}", values[0]) else None


@dataclass(frozen=True, slots=True)
class Head(_Fields):
    """Status and header fields of a response."""

    status: int
    fields: tuple[tuple[str, str], ...]

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
    first, *lines = data.rstrip(b"\r\n").replace(b"\r\n", b"\n").split(b"\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise ValueError("the answer does not begin with an HTTP/1 status line")
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in {b" ", b"\t"} and fields:  # a folded line, obsolete but met
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip().decode('latin-1')}")
            continue
        field = _field(line)
        if field is None:
            raise ValueError("the answer holds a line that is no header field")
        fields.append(field)
    return Head(int(status[2]), tuple(fields))


def parse_request(data: bytes) -> RequestHead:
    """A request's head, up to and including the empty line; stricter than a response's, since nobody needs leniency here.

    Raises:
        ValueError: it is no HTTP/1 request.
    """
    first, *lines = data.lstrip(b"\r\n").removesuffix(b"\r\n\r\n").split(b"\r\n")
    request = _REQUEST_LINE.fullmatch(first)
    fields = [_field(line) for line in lines]
    if request is None or None in fields:
        raise ValueError("no HTTP/1 request")
    return RequestHead(request[1].decode("ascii"), request[2].decode("ascii"), int(request[3]), tuple(filter(None, fields)))


def _field(line: bytes) -> tuple[str, str] | None:
    field = _FIELD.fullmatch(line)
    return None if field is None else (field[1].decode("ascii").lower(), field[2].decode("latin-1"))


def parse_chunk_size(line: bytes) -> int:
    """The size in a chunk's first line; extensions are ignored.

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n", line)
    if match is None:
        raise ValueError("a chunk has no size")
    return int(match[1], 16)


def moment(date: str | None) -> float | None:
    """Seconds since 1970 of a date in any form of RFC 9110 section 5.6.7 (one names no zone and means UTC); None for anything else."""
    try:
        found = email.utils.parsedate_to_datetime(date or "")
        return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
