"""DNS messages: what dnspython writes and says of them is what we read; any octets are an answer or nothing."""

import string

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.wire.dns import RCODES, TYPES, Question, labels_of, name_text, parse_answer

NAME = "dichvucong.gov.vn"
QUERY = Question(4711, labels_of(NAME), TYPES["A"])
WORDS = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=20)
NAMES = st.lists(WORDS, min_size=1, max_size=5).map(lambda labels: ".".join(labels) + ".")
NUMBERS = st.integers(0, 65535)
DATA = {
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "CNAME": NAMES,
    "NS": NAMES,
    "PTR": NAMES,
    "MX": st.tuples(NUMBERS, NAMES).map(lambda parts: " ".join(map(str, parts))),
    "SRV": st.tuples(NUMBERS, NUMBERS, NUMBERS, NAMES).map(lambda parts: " ".join(map(str, parts))),
    "SOA": st.tuples(NAMES, NAMES, *[st.integers(0, 2**31 - 1)] * 5).map(lambda parts: " ".join(map(str, parts))),
    "TXT": st.lists(st.binary(max_size=40), min_size=1, max_size=3).map(
        lambda texts: " ".join('"' + "".join(f"\\{octet:03d}" for octet in text) + '"' for text in texts)
    ),
}


def reply(question: bytes, *records: dns.rrset.RRset, rcode: int = 0, flags: int = 0) -> bytes:
    message = dns.message.make_response(dns.message.from_wire(question), recursion_available=True)
    message.answer.extend(records)
    message.flags |= flags
    message.set_rcode(rcode)  # type: ignore[arg-type]
    return message.to_wire(max_size=65535)


def test_a_question_as_dnspython_reads_it() -> None:
    message = dns.message.from_wire(QUERY.encode())
    assert (message.id, message.edns, message.payload, message.flags) == (4711, 0, 1232, dns.flags.RD)
    assert message.question[0].to_text() == str(QUERY) == f"{NAME}. IN A"


@given(NAMES, st.sampled_from(sorted(DATA)), st.data())
def test_records_as_dnspython_writes_and_shows_them(owner: str, kind: str, data: st.DataObject) -> None:
    texts = data.draw(st.lists(DATA[kind], min_size=1, max_size=3))
    record_set = dns.rrset.from_text_list(owner, 300, "IN", kind, texts)
    question = Question(1, labels_of(owner), TYPES[kind])
    answer = parse_answer(reply(question.encode(), record_set), question)
    assert answer is not None
    assert (answer.rcode, answer.is_truncated) == (0, False)
    assert {(name_text(one.owner), one.type) for one in answer.records} == {(owner.lower(), TYPES[kind])}
    assert sorted(one.text for one in answer.records) == sorted(map(str, record_set))


@pytest.mark.parametrize("name", ["Thủ-Đức.vn", "a_b.example", "xn--a.vn", "x" * 63 + ".vn", ".", "EXAMPLE.vn."])
def test_names_as_dnspython_takes_them(name: str) -> None:
    assert (*labels_of(name), b"") == dns.name.from_text(name).labels


@pytest.mark.parametrize("name", ["", "..", "a..b", ".a", "x" * 64 + ".vn", ".".join(["x" * 49] * 6), "ủ" * 60 + ".vn", "a..ủ"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="label"):
        labels_of(name)


@pytest.mark.parametrize("rcode", [*RCODES, 9, 23])
def test_codes_also_those_that_need_edns(rcode: int) -> None:
    answer = parse_answer(reply(QUERY.encode(), rcode=rcode), QUERY)
    assert answer is not None
    assert answer.rcode == rcode
    if rcode in RCODES:
        assert dns.rcode.to_text(dns.rcode.Rcode(rcode)).startswith(RCODES[rcode][:7])


def test_what_is_no_answer() -> None:
    good = reply(QUERY.encode(), dns.rrset.from_text(f"{NAME}.", 1, "IN", "A", "203.0.113.7"))
    assert parse_answer(good, QUERY) is not None
    assert parse_answer(good, Question(4712, QUERY.name, 1)) is None
    assert parse_answer(good, Question(4711, QUERY.name, 28)) is None
    assert parse_answer(good, Question(4711, labels_of("evil.example"), 1)) is None
    assert parse_answer(QUERY.encode(), QUERY) is None
    for length in range(len(good) - 11):  # the last 11 octets are the OPT record
        assert parse_answer(good[:length], QUERY) is None
    loop = good[:12] + b"\xc0\x0c\0\1\0\1"
    assert parse_answer(loop, QUERY) is None
    unasked = bytearray(reply(QUERY.encode(), rcode=5)[:12])
    unasked[4:12] = bytes(8)
    for rcode, fits in ((5, True), (2, True), (3, False), (0, False)):
        unasked[3] = unasked[3] & 0xF0 | rcode
        assert (parse_answer(bytes(unasked), QUERY) is not None) is fits
    cut = parse_answer(reply(QUERY.encode(), flags=dns.flags.TC), QUERY)
    assert cut is not None
    assert cut.is_truncated


GOOD = reply(
    QUERY.encode(),
    dns.rrset.from_text(f"{NAME}.", 1, "IN", "CNAME", "a.example."),
    dns.rrset.from_text("a.example.", 1, "IN", "A", "203.0.113.9"),
)


@settings(max_examples=500)
@given(
    st.one_of(
        st.binary(max_size=600),
        st.binary(max_size=100).map(lambda rest: GOOD[:12] + rest),
        st.tuples(st.integers(2, len(GOOD)), st.binary(min_size=1, max_size=6)).map(
            lambda change: GOOD[: change[0]] + change[1] + GOOD[change[0] + len(change[1]) :]
        ),
    )
)
def test_any_datagram_is_an_answer_or_nothing(data: bytes) -> None:
    answer = parse_answer(data, QUERY)
    if answer is not None:
        assert 0 <= answer.rcode < 4096
        assert all(isinstance(record.text, str) for record in answer.records)
