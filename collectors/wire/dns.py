"""DNS messages as far as a stub resolver needs them: one question, and what answers it (RFC 1035, RFC 3596, RFC 6891)."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33}
CNAME = TYPES["CNAME"]
INTERNET = 1
OPT = 41
PAYLOAD = 1232
"""EDNS buffer size that avoids fragments (DNS flag day 2020)."""
REFUSED = 5
RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", REFUSED: "REFUSED", 16: "BADVERS"}
_WITHOUT_QUESTION = {1, 2, 4, REFUSED}
"""Codes of a server that could not parse or will not serve; it may leave the question out."""
_RESPONSE, _OPCODE, _TRUNCATED, _RECURSE = 0x8000, 0x7800, 0x0200, 0x0100
_SPECIAL, _QUOTED = b'"().;\\@$', b'"\\'
Labels = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question of class IN, with recursion desired and EDNS."""

    id: int
    name: Labels
    type: int

    def encode(self) -> bytes:
        """The message."""
        name = b"".join(bytes([len(label)]) + label for label in self.name) + b"\0"
        head = struct.pack("!6H", self.id, _RECURSE, 1, 0, 0, 1)
        return head + name + struct.pack("!2H", self.type, INTERNET) + struct.pack("!B2HIH", 0, OPT, PAYLOAD, 0, 0)

    def __str__(self) -> str:
        kind = next(name for name, number in TYPES.items() if number == self.type)
        return f"{name_text(self.name)} IN {kind}"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the answer section: its owner in lower case, its data as text, and as a name where it is an alias."""

    owner: Labels
    type: int
    text: str
    alias: Labels | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said; a truncated message holds no records."""

    rcode: int
    is_truncated: bool
    records: tuple[Record, ...]


def labels_of(name: str) -> Labels:
    """A name as its labels; one that is not ASCII by IDNA 2003, as resolver libraries do.

    Raises:
        ValueError: it is none.
    """
    octets = name.encode("ascii") if name.isascii() else name.encode("idna")
    labels = () if octets == b"." else tuple(octets.removesuffix(b".").split(b"."))
    if not all(0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise ValueError("labels have 1 to 63 characters, names at most 253")
    return labels


def name_text(labels: Labels) -> str:
    """A name as zone files write it, with the root's dot."""
    return ".".join(map(_escaped, labels)) + "."


def parse_answer(data: bytes, question: Question) -> Answer | None:
    """The message if it answers the question: a response, same id and opcode, the question repeated, well-formed."""
    try:
        return _Reader(data).answer(question)
    except (ValueError, struct.error):
        return None


class _Reader:
    """Goes through a message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def answer(self, question: Question) -> Answer | None:
        number, flags, questions, answers, authorities, extras = self._unpack("!6H")
        rcode = flags & 0xF
        if number != question.id or flags & (_RESPONSE | _OPCODE) != _RESPONSE:
            return None
        asked = {(_lower(self._name()), *self._unpack("!2H")) for _ in range(questions)}
        if asked != {(_lower(question.name), question.type, INTERNET)} and (asked or rcode not in _WITHOUT_QUESTION):
            return None
        if flags & _TRUNCATED:
            return Answer(rcode, is_truncated=True, records=())
        records = []
        for index in range(answers + authorities + extras):
            owner = self._name()
            kind, group, ttl, length = self._unpack("!2HIH")
            end = self._at + length
            if end > len(self._data):
                raise ValueError("cut")
            if kind == OPT and index >= answers:
                rcode |= ttl >> 24 << 4  # RFC 6891, section 6.1.3
            elif index < answers and group == INTERNET and kind in TYPES.values():
                text, alias = self._value(kind, end)
                records.append(Record(_lower(owner), kind, text, alias))
                if self._at != end:
                    raise ValueError("a record's length is not its data's")
            self._at = end
        return Answer(rcode, is_truncated=False, records=tuple(records))

    def _unpack(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values

    def _octets(self, length: int) -> bytes:
        octets = self._data[self._at : self._at + length]
        if len(octets) < length:
            raise ValueError("cut")
        self._at += length
        return octets

    def _name(self) -> Labels:
        """A name; its pointers lead back only, so that each is followed once (RFC 1035, section 4.1.4)."""
        labels: list[bytes] = []
        after, before = None, self._at
        while (length := self._octets(1)[0]) != 0:
            if length >= 0xC0:
                target = (length & 0x3F) << 8 | self._octets(1)[0]
                after = self._at if after is None else after
                if target >= before:
                    raise ValueError("a pointer that does not lead back")
                self._at = before = target
            elif length < 64:
                labels.append(self._octets(length))
            else:
                raise ValueError("a label of a kind that is not in use")
        if sum(map(len, labels)) + len(labels) > 254:
            raise ValueError("too long a name")
        self._at = self._at if after is None else after
        return tuple(labels)

    def _value(self, kind: int, end: int) -> tuple[str, Labels | None]:
        match kind:
            case 1:
                return str(ipaddress.IPv4Address(self._octets(4))), None
            case 28:
                return str(ipaddress.IPv6Address(self._octets(16))), None
            case 16:
                texts = []
                while self._at < end:
                    texts.append(f'"{_escaped(self._octets(self._octets(1)[0]), _QUOTED)}"')
                if not texts:
                    raise ValueError("a TXT record without text")
                return " ".join(texts), None
            case 15 | 33:
                numbers = self._unpack("!H" if kind == 15 else "!3H")
                return " ".join((*map(str, numbers), name_text(self._name()))), None
            case 6:
                names = [name_text(self._name()) for _ in range(2)]
                return " ".join((*names, *map(str, self._unpack("!5I")))), None
        target = self._name()
        return name_text(target), _lower(target) if kind == CNAME else None


def _lower(labels: Labels) -> Labels:
    return tuple(label.lower() for label in labels)


def _escaped(octets: bytes, special: bytes = _SPECIAL) -> str:
    def shown(octet: int) -> str:
        if octet in special:
            return f"\\{octet:c}"
        return chr(octet) if 0x20 < octet < 0x7F or (octet == 0x20 and special is not _SPECIAL) else f"\\{octet:03d}"

    return "".join(map(shown, octets))
