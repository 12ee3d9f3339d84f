"""One request: negotiation, credentials, TLS, and what answers mean; against the strict receiver."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from agent.clock import TrueClock
from agent.forward.remote.client import Client, Outcome, judge
from agent.forward.samples import Description
from agent.settings import BasicAuth, RemoteWriteSettings, TlsClient
from collectors.machine import SystemClock
from collectors.site import InvalidError, Secret
from collectors.wire.units import Duration
from tests.receivers.servers import free_port
from tests.receivers.strict import Strict, strict

ONE = {
    Description((("__name__", "a_total"), ("job", "j")), "counter", "a_total", "counts a", "bytes"): ([1000, 2000], [1.0, 2.0])
}


def client(url: str, directory: Path = Path(), **settings: object) -> Client:
    return Client(RemoteWriteSettings(url=url, **settings), directory.joinpath, SystemClock())  # type: ignore[arg-type]


async def test_2_0_is_spoken_where_it_is_understood() -> None:
    async with strict() as receiver:
        sender = client(receiver.url)
        key = next(iter(ONE))
        answer = await sender.post(ONE, {key: 500}, describe=ONE)
        await sender.close()
    assert (answer.outcome, answer.accepted) == (Outcome.TAKEN, 2)
    assert receiver.requests == [("2.0", 2)]
    assert receiver.metadata == {"a_total": (1, "counts a", "bytes")}
    assert receiver.created == {key.labels: 500}
    assert receiver.complaints == []


async def test_415_means_1_0_and_is_remembered() -> None:
    async with strict(Strict(speaks=("1.0",))) as receiver:
        sender = client(receiver.url)
        for _ in range(2):
            answer = await sender.post(ONE, {}, describe=ONE)
            assert (answer.outcome, answer.accepted) == (Outcome.TAKEN, 2)
        await sender.close()
    assert [head["X-Prometheus-Remote-Write-Version"] for head in receiver.heads] == ["2.0.0", "0.1.0", "0.1.0"]
    assert receiver.metadata == {"a_total": (1, "counts a", "bytes")}
    assert receiver.complaints == []


async def test_a_success_that_does_not_say_what_was_written_means_1_0() -> None:
    """Prometheus before 3.0 decodes a 2.0 request as an empty 1.0 request and answers 204."""

    async def mute(request: web.Request) -> web.Response | None:
        return web.Response(status=204) if "v2" in request.headers["Content-Type"] else None

    async with strict(Strict(fault=mute)) as receiver:
        sender = client(receiver.url)
        answer = await sender.post(ONE, {}, describe=())
        await sender.close()
    assert (answer.outcome, answer.accepted) == (Outcome.TAKEN, 2)
    assert receiver.requests == [("1.0", 2)]


@pytest.mark.parametrize(("protocol", "speaks"), [("2.0", "1.0"), ("1.0", "2.0")])
async def test_a_configured_protocol_is_not_negotiated(protocol: str, speaks: str) -> None:
    async with strict(Strict(speaks=(speaks,))) as receiver:
        sender = client(receiver.url, protocol=protocol)
        answer = await sender.post(ONE, {}, describe=())
        await sender.close()
    assert answer.outcome is Outcome.HELD
    assert len(receiver.heads) == 1


async def test_passwords_and_tokens_are_read_anew(tmp_path: Path) -> None:
    async with strict() as receiver:
        basic = client(receiver.url, tmp_path, basic_auth=BasicAuth(username="u", password_file="secret"))
        bearer = client(receiver.url, tmp_path, bearer_token_file="secret")
        for word in ("one", "two"):
            (tmp_path / "secret").write_bytes(b"\xef\xbb\xbf" * (word == "two") + f"{word}\r\n".encode())  # Notepad's way
            await basic.post(ONE, {}, describe=())
            await bearer.post(ONE, {}, describe=())
        (tmp_path / "secret").unlink()
        answer = await bearer.post(ONE, {}, describe=())
        await basic.close()
        await bearer.close()
    assert [head["Authorization"] for head in receiver.heads] == ["Basic dTpvbmU=", "Bearer one", "Basic dTp0d28=", "Bearer two"]
    assert answer.outcome is Outcome.HELD
    assert "secret" in answer.detail


async def test_tls_with_client_certificates_that_are_renewed(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("metrics.example").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    names = []

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert")
        names.append(certificate["subjectAltName"][0][1])
        return web.Response(status=204, headers={"X-Prometheus-Remote-Write-Samples-Written": "2"})

    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    tls = TlsClient(ca_file="ca.pem", cert_file="cert.pem", key_file="key.pem", server_name="metrics.example")
    sender = client(f"https://127.0.0.1:{port}/", tmp_path, tls=tls)
    for name in ("counter-1.example", "counter-2.example"):
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(tmp_path / "key.pem")
        (tmp_path / "cert.pem").write_bytes(issued.cert_chain_pems[0].bytes())
        assert (await sender.post(ONE, {}, describe=())).outcome is Outcome.TAKEN
    stranger = client(f"https://127.0.0.1:{port}/", tmp_path, tls=TlsClient(ca_file="ca.pem", server_name="other.example"))
    assert (await stranger.post(ONE, {}, describe=())).outcome is Outcome.AGAIN
    await stranger.close()
    await sender.close()
    await runner.cleanup()
    assert names == ["counter-1.example", "counter-2.example"]


async def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with strict() as receiver:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{receiver.port}")
        sender = client("http://metrics.invalid/api/v1/write")
        answer = await sender.post(ONE, {}, describe=())
        await sender.close()
    assert answer.outcome is Outcome.TAKEN
    assert receiver.heads[0]["Host"] == "metrics.invalid"


async def test_one_connection_carries_many_requests() -> None:
    ports = set()

    async def watch(request: web.Request) -> None:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])

    async with strict(Strict(fault=watch)) as receiver:
        sender = client(receiver.url)
        for _ in range(5):
            await sender.post(ONE, {}, describe=())
        await sender.close()
    assert len(ports) == 1


async def test_a_connection_closed_while_idle_costs_no_failure() -> None:
    async with strict() as receiver:
        sender = client(receiver.url)
        await sender.post(ONE, {}, describe=())
        port = receiver.port
    async with strict(Strict(), port) as receiver:
        answer = await sender.post(ONE, {}, describe=())
        await sender.close()
    assert answer.outcome is Outcome.TAKEN


async def test_nobody_there_means_later() -> None:
    sender = client(f"http://127.0.0.1:{free_port()}/")
    answer = await sender.post(ONE, {}, describe=())
    await sender.close()
    assert answer.outcome is Outcome.AGAIN


WRITTEN = "x-prometheus-remote-write-samples-written"


@pytest.mark.parametrize(
    ("status", "headers", "outcome", "accepted", "wait"),
    [
        (200, {WRITTEN: "7"}, Outcome.TAKEN, 7, None),
        (204, {}, Outcome.TAKEN, -1, None),
        (204, {WRITTEN: "many"}, Outcome.TAKEN, -1, None),
        (204, {WRITTEN: "9" * 5000}, Outcome.TAKEN, -1, None),
        (204, {"x-prometheus-remote-write-histograms-written": "0"}, Outcome.TAKEN, 0, None),
        (400, {}, Outcome.REFUSED, 0, None),
        (400, {WRITTEN: "3"}, Outcome.TAKEN, 3, None),
        (400, {WRITTEN: "0"}, Outcome.REFUSED, 0, None),
        (413, {}, Outcome.REFUSED, 0, None),
        (422, {}, Outcome.REFUSED, 0, None),
        (401, {}, Outcome.HELD, 0, None),
        (404, {}, Outcome.HELD, 0, None),
        (302, {}, Outcome.HELD, 0, None),
        (429, {"retry-after": "17"}, Outcome.AGAIN, 0, 17.0),
        (429, {"retry-after": "99999"}, Outcome.AGAIN, 0, 600.0),
        (503, {"retry-after": "soon"}, Outcome.AGAIN, 0, None),
        (503, {"retry-after": "\xb2"}, Outcome.AGAIN, 0, None),
        (408, {}, Outcome.AGAIN, 0, None),
        (500, {}, Outcome.AGAIN, 0, None),
    ],
)
def test_answers(status: int, headers: dict[str, str], outcome: Outcome, accepted: int, wait: float | None) -> None:
    answer = judge(status, headers, "what it said")
    assert (answer.outcome, answer.accepted, answer.wait) == (outcome, accepted, wait)


async def test_a_request_that_does_not_arrive_in_time_gets_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is too thin for a full request would else never carry anything."""
    monkeypatch.setattr("agent.forward.remote.client.SLOW", 0.1)

    async def slow(_: web.Request) -> None:
        await asyncio.sleep(wait)

    wait = 10.0
    async with strict(Strict(fault=slow)) as receiver:
        sender = client(receiver.url, timeout=Duration(0.2))
        full = sender.chunk
        for _ in range(2):
            assert (await sender.post(ONE, {}, describe=())).outcome is Outcome.AGAIN
        assert sender.chunk == full // 4
        wait = 0.0
        for _ in range(2):
            await sender.post(ONE, {}, describe=())
        assert sender.chunk == full
        await sender.close()


@pytest.mark.parametrize(
    ("status", "headers", "answers", "tells"),
    [
        (405, {}, True, True),
        (200, {"Age": "5"}, True, False),
        (302, {"Location": "/login"}, False, False),
        (407, {}, False, False),
        (511, {}, False, False),
    ],
)
async def test_a_portal_or_a_proxy_is_not_the_receiver_and_tells_no_time(
    status: int, headers: dict[str, str], *, answers: bool, tells: bool
) -> None:
    """As long as it was not heard itself, the time of a gateway does not count: the clock of a cheap router may be years off."""

    async def says(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers)

    async with strict(Strict(fault=says)) as receiver:
        sender, clock = client(receiver.url), TrueClock(SystemClock())
        assert await sender.hear_time(clock) is answers
        assert (clock.base is not None) is tells
        await sender.close()


def test_prometheus_2_42_says_500_of_samples_that_it_will_never_take() -> None:
    assert judge(500, {}, "too old sample\n").outcome is Outcome.REFUSED
    assert judge(500, {}, "compaction failed\n").outcome is Outcome.AGAIN


def test_what_is_not_counted_in_an_answer_to_1_0_may_be_written_all_the_same() -> None:
    assert judge(204, {"x-prometheus-remote-write-histograms-written": "0"}, "", "1.0").accepted == -1
    assert judge(200, {WRITTEN: "7"}, "", "1.0").accepted == 7


def test_retry_after_may_be_a_date() -> None:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=60)
    answer = judge(503, {"retry-after": email.utils.format_datetime(moment, usegmt=True)}, "")
    assert answer.wait is not None
    assert 40 < answer.wait <= 60


def test_a_date_in_retry_after_is_read_by_the_receivers_clock() -> None:
    """The clock of this computer may be years off."""
    told = {"date": "Sun, 06 Nov 1994 08:49:37 GMT", "retry-after": "Sun, 06 Nov 1994 08:50:07 GMT"}
    assert judge(429, told, "").wait == 30.0
    assert judge(429, {**told, "retry-after": "Sun, 06 Nov 1994 08:00:00 GMT"}, "").wait == 0.0


def test_the_protocols_own_headers_cannot_be_set() -> None:
    for name in ("Content-Type", "content-encoding", "User-Agent", "X-Prometheus-Remote-Write-Version", "Authorization"):
        with pytest.raises(InvalidError, match="protocol's own"):
            RemoteWriteSettings(url="http://a/", headers={name: Secret("x")})
    assert (
        RemoteWriteSettings(url="http://a/", headers={"X-Scope-OrgID": Secret("commune")}).headers["X-Scope-OrgID"] == "commune"
    )
