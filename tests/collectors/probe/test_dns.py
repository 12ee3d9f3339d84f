"""One server, one question: what counts as the answer, and what is made of every other datagram."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import dns.message
import pytest

from collectors.machine import SystemClock
from collectors.model import Reason
from collectors.probe import dns as probe
from collectors.probe.dns import DnsResult
from tests.collectors.probe.nameserver import NameServer, answer, serving
from tests.netlab import End, Lab, available, services

NO_LAB = available()
ROOT = Path(__file__).parents[3]
NAME = "dichvucong.gov.vn"
RIGHT = f"{NAME}. A 203.0.113.7"


async def ask(server: NameServer, kind: str = "A", *, timeout: float = 5.0, host: str = "127.0.0.1") -> DnsResult:  # noqa: ASYNC109
    return await probe.ask(host, NAME, kind, port=server.port, timeout=timeout, clock=SystemClock())


@pytest.mark.timing
async def test_a_right_answer() -> None:
    async with serving(lambda q: [answer(q, RIGHT, f"{NAME}. A 203.0.113.8")]) as server:
        result = await ask(server)
    assert result.fault is None
    assert (result.rcode, result.answers, result.records) == (0, 2, ("203.0.113.7", "203.0.113.8"))
    assert result.seconds is not None
    assert 0 < result.seconds < 2
    question = dns.message.from_wire(server.questions[0][0])
    assert question.edns == 0
    assert question.payload == 1232


async def test_id_and_source_port_are_random() -> None:
    async with serving(lambda q: [answer(q, RIGHT)]) as server:
        for _ in range(8):
            await ask(server)
    assert len({question[:2] for question, _ in server.questions}) > 4
    assert len({port for _, port in server.questions}) > 4


def other_question(question: bytes) -> bytes:
    other = dns.message.make_response(dns.message.make_query("evil.example", "A"))
    other.id = dns.message.from_wire(question).id
    return other.to_wire()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("wrong id", lambda q: answer(q, f"{NAME}. A 6.6.6.6", shift=1)),
        ("wrong question", other_question),
        ("the question itself", lambda q: q),
        ("rubbish", lambda _: b"\x00" * 40),
        ("cut in the middle", lambda q: answer(q, RIGHT)[:30]),
        ("one octet", lambda _: b"\x00"),
    ],
)
async def test_what_is_no_answer_is_passed_over(name: str, wrong: Callable[[bytes], bytes]) -> None:
    async with serving(lambda q: [wrong(q), answer(q, RIGHT)]) as server:
        result = await ask(server)
    assert result.records == ("203.0.113.7",), name
    assert result.strays == 1


async def test_a_forged_answer_from_another_port_is_not_even_heard() -> None:
    def reply(question: bytes) -> list[bytes]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
            forger.sendto(answer(question, f"{NAME}. A 6.6.6.6"), ("127.0.0.1", server.questions[-1][1]))
        return [answer(question, RIGHT)]

    async with serving(reply) as server:
        result = await ask(server)
    assert result.records == ("203.0.113.7",)


async def test_only_rubbish_is_malformed() -> None:
    async with serving(lambda _: [b"rubbish"]) as server:
        result = await ask(server, timeout=1)
    assert result.fault is not None
    assert result.fault.reason is Reason.MALFORMED
    assert result.rcode is None


async def test_a_cut_answer_is_fetched_by_tcp() -> None:
    many = [f"{NAME}. A 203.0.113.{number}" for number in range(200)]
    async with serving(lambda q: [answer(q, truncated=True)], lambda q: [answer(q, *many)]) as server:
        result = await ask(server)
    assert result.fault is None
    assert (result.answers, result.over_tcp, server.over_tcp) == (200, True, 1)


async def test_a_server_that_breaks_off_over_tcp() -> None:
    async with serving(lambda q: [answer(q, truncated=True)]) as server:
        result = await ask(server)
    assert result.fault is not None
    assert result.fault.reason in {Reason.MALFORMED, Reason.RESET}


@pytest.mark.parametrize(
    ("rcode", "reason"),
    [(3, Reason.NAME_UNRESOLVED), (2, Reason.NAME_UNRESOLVED), (5, Reason.REFUSED), (1, Reason.NAME_UNRESOLVED)],
)
async def test_response_codes(rcode: int, reason: Reason) -> None:
    async with serving(lambda q: [answer(q, rcode=rcode)]) as server:
        result = await ask(server)
    assert result.fault is not None
    assert (result.fault.reason, result.rcode, result.answers) == (reason, rcode, 0)
    assert result.seconds is not None


async def test_no_record_of_the_type() -> None:
    async with serving(lambda q: [answer(q)]) as server:
        result = await ask(server, "AAAA")
    assert result.fault is not None
    assert (result.fault.reason, result.rcode, result.answers) == (Reason.NAME_UNRESOLVED, 0, 0)


async def test_aliases_are_followed_and_foreign_records_not_counted() -> None:
    records = (f"{NAME}. CNAME a.example.", "a.example. CNAME b.example.", "b.example. A 203.0.113.9", "c.example. A 6.6.6.6")
    async with serving(lambda q: [answer(q, *records)]) as server:
        assert (await ask(server)).records == ("203.0.113.9",)


async def test_aliases_in_a_circle() -> None:
    async with serving(lambda q: [answer(q, f"{NAME}. CNAME a.example.", f"a.example. CNAME {NAME}.")]) as server:
        assert (await ask(server)).answers == 0


@pytest.mark.timing
async def test_a_lost_datagram_is_sent_again_and_the_time_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "RESEND_AFTER", 0.3)
    async with serving(lambda q: [answer(q, RIGHT)] if len(server.questions) > 1 else []) as server:
        result = await ask(server)
    assert result.fault is None
    assert result.seconds is not None
    assert 0.3 <= result.seconds < 3
    assert server.questions[0] == server.questions[1]


async def test_silence_and_a_closed_port() -> None:
    async with serving(lambda _: []) as server:
        silent = await ask(server, timeout=0.2)
    assert silent == DnsResult(silent.fault)
    assert silent.fault is not None
    assert silent.fault.reason is Reason.TIMEOUT
    closed = await ask(server)
    assert closed.fault is not None
    assert closed.fault.reason is Reason.REFUSED


async def test_a_cancelled_question_leaves_no_socket_behind() -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    async with serving(lambda _: []) as server:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(server, timeout=5), 0.1)
    await asyncio.sleep(0.05)
    if sys.platform == "linux":
        assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_over_ipv6() -> None:
    async with serving(lambda q: [answer(q, RIGHT)], host="::1") as server:
        assert (await ask(server, host="::1")).fault is None


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".vn"])
async def test_a_name_that_is_none(name: str) -> None:
    result = await probe.ask("127.0.0.1", name, "A", port=1, timeout=1, clock=SystemClock())
    assert result.fault is not None
    assert result.fault.reason is Reason.NAME_UNRESOLVED


def test_reverse_names() -> None:
    assert str(probe.question("192.168.1.5", "PTR")) == "5.1.168.192.in-addr.arpa. IN PTR"
    assert str(probe.question("5.1.168.192.in-addr.arpa", "PTR")) == "5.1.168.192.in-addr.arpa. IN PTR"


@pytest.mark.timing
@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
@pytest.mark.skipif(services.require("dnsmasq") is not None, reason="dnsmasq is not installed")
def test_dnsmasq_by_link_local_address_as_the_wire_shows_it() -> None:
    program = """
import asyncio, sys
from collectors.machine import SystemClock
from collectors.probe.dns import ask
for server, name in zip(sys.argv[1::2], sys.argv[2::2]):
    print(asyncio.run(ask(server, name, "A", timeout=5, clock=SystemClock())))
"""
    many = [f"10.77.{number}.1" for number in range(150)]
    with Lab() as lab:
        pc, router = lab.node("pc"), lab.node("router")
        link = lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(router, "lan", ("10.9.0.2/24", "fe80::1/64")))
        services.dnsmasq(router, records={NAME: ["203.0.113.7", "203.0.113.8"], "many.vn": many})
        for address in ("10.9.0.2", "fe80::1%eth0"):  # neighbours are known, so that the question leaves when it is asked
            pc.run(["ping", "-c1", "-W2", address])
        with link.delay(0.05), pc.capture("eth0") as capture:
            said = pc.run([sys.executable, "-c", program, "10.9.0.2", NAME, "fe80::1%eth0", NAME], cwd=ROOT).stdout.splitlines()
        cut = pc.run([sys.executable, "-c", program, "10.9.0.2", "many.vn"], cwd=ROOT).stdout
    assert len(said) == 2, said
    assert "fault=None" in cut
    assert "answers=150" in cut
    assert "over_tcp=True" in cut
    times = [frame.timestamp_ns / 1e9 for frame in capture.frames if b"dichvucong" in frame.data]
    assert len(times) == 4
    for line, (sent, received) in zip(said, ((times[0], times[1]), (times[2], times[3])), strict=True):
        assert "fault=None" in line
        assert "answers=2" in line
        seconds = float(line.partition("seconds=")[2].partition(",")[0])
        assert 0.1 <= received - sent < 0.3
        assert 0 <= seconds - (received - sent) < 0.1  # what the process adds to what the wire shows
