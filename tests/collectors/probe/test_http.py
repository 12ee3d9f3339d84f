"""Fetching a page: phases against known delays and nginx's own log, certificates, redirects, proxies, and bad servers."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from collectors.machine import SystemClock
from collectors.model import Reason
from collectors.probe.http import HttpResult, Request, fetch
from tests.collectors.probe.webserver import WebServer, day, head, serving
from tests.netlab import Lab, Province, available
from tests.netlab.province import WEB_V6

NO_LAB = available()
ROOT = Path(__file__).parents[3]
OK = (head("200 OK", body=b"ok"),)


async def get(url: str, *, method: str = "GET", environ: Mapping[str, str] | None = None, **settings: object) -> HttpResult:
    request = Request(url, method=method, **{"timeout": 5.0, **settings})  # type: ignore[arg-type]
    return await fetch(request, clock=SystemClock(), environ=environ or {})


async def page(server: WebServer, path: str = "/", **settings: object) -> HttpResult:
    return await get(f"http://127.0.0.1:{server.port}{path}", **settings)  # type: ignore[arg-type]


def reason(result: HttpResult) -> Reason | None:
    return result.fault.reason if result.fault else None


async def test_phases_are_the_delays_that_were_put_in() -> None:
    script = (0.2, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", 0.3, b"slow")
    async with serving({"/": script}) as server:
        result = await page(server)
    assert result.fault is None
    assert 0.2 <= result.phases["first_byte"] < 0.29  # each delay in its own phase, and no other in it
    assert 0.3 <= result.phases["transfer"] < 0.45
    assert result.phases["connect"] < 0.19
    assert "tls" not in result.phases
    assert result.seconds == pytest.approx(sum(result.phases.values()), abs=0.1)


async def test_redirects_are_followed_and_their_phases_added() -> None:
    scripts = {
        "/": (0.1, head("302 Found", "Location: /login?next=a b", "Set-Cookie: session=1; HttpOnly")),
        "/login?next=a%20b": (0.1, head("307 Temporary Redirect", "Location: //127.0.0.1:{port}/home")),
        "/home": (0.1, *OK),
    }
    async with serving(scripts) as server:
        scripts["/login?next=a%20b"] = (0.1, head("307 Temporary Redirect", f"Location: //127.0.0.1:{server.port}/home"))
        result = await page(server)
        alone = await page(server, follow_redirects=False)
    assert (result.status, result.redirects, result.url) == (200, 2, f"http://127.0.0.1:{server.port}/home")
    assert 0.3 <= result.phases["first_byte"] < 0.6
    assert "Cookie: session=1\r\n" in server.requests[2]
    assert (alone.status, alone.redirects) == (302, 0)


async def test_redirects_in_a_circle_and_to_elsewhere() -> None:
    scripts = {"/": (head("302 Found", "Location: /"),), "/app": (head("302 Found", "Location: zalo://chat"),)}
    async with serving(scripts) as server:
        circle, elsewhere = await page(server), await page(server, "/app")
    assert reason(circle) is Reason.STATUS
    assert (reason(elsewhere), elsewhere.status) == (None, 302)


async def test_head_that_is_refused_is_asked_again_as_get() -> None:
    async with serving({"HEAD /": (head("405 Method Not Allowed"),), "GET /": OK}) as server:
        result = await page(server, method="HEAD")
    assert (result.status, result.method) == (200, "GET")
    assert [request.split(" ")[0] for request in server.requests] == ["HEAD", "GET"]


async def test_head_reads_no_body() -> None:
    async with serving({"/": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", 2.0)}) as server:
        result = await page(server, method="HEAD")
    assert (result.fault, result.status) == (None, 200)


@pytest.mark.parametrize(
    "script",
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0.05, b"3;x=y\r\nabc\r\n0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end",),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n", bytes(3_000_000)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n", bytes(0x200000), b"\r\n0\r\n\r\n"),
    ],
    ids=["chunks", "until closed", "interim answers", "more than is read", "a chunk larger than is read"],
)
async def test_bodies(script: tuple[bytes | float, ...]) -> None:
    async with serving({"/": script}) as server:
        result = await page(server)
    assert (result.fault, result.status) == (None, 200)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ((), Reason.RESET),
        ((b"HTTP/1.1 200 OK\r\nContent-",), Reason.RESET),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",), Reason.RESET),
        ((b"SSH-2.0-OpenSSH_9.2\r\n\r\n",), Reason.MALFORMED),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",), Reason.MALFORMED),
        ((b"HTTP/1.1 200 OK\r\nX: " + bytes(100_000),), Reason.MALFORMED),
        ((b"H", 0.2, b"T", 0.2, b"T", 0.2, b"P", 0.2, b"/", 5.0), Reason.TIMEOUT),
        ((5.0,), Reason.TIMEOUT),
    ],
)
async def test_bad_servers(script: tuple[bytes | float, ...], expected: Reason) -> None:
    async with serving({"/": script}) as server:
        result = await page(server, timeout=0.7 if expected is Reason.TIMEOUT else 5.0)
    assert reason(result) is expected
    assert (result.status, result.seconds) == (None, None)


async def test_unexpected_statuses_are_answers() -> None:
    async with serving({"/": (head("503 Service Unavailable"),), "/waf": (head("403 Forbidden"),)}) as server:
        assert [(await page(server, path)).status for path in ("/", "/waf", "/none")] == [503, 403, 404]


async def test_nobody_there() -> None:
    async with serving({}) as server:
        pass
    assert reason(await page(server)) is Reason.REFUSED
    assert reason(await get("http://a..b/")) is Reason.NAME_UNRESOLVED


AUTHORITY = trustme.CA()


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(file))
    return str(file)


async def test_a_good_certificate(ca_file: str) -> None:
    leaf = AUTHORITY.issue_cert("127.0.0.1", not_after=day(2090))
    async with serving({"/": OK}, certificate=leaf) as server:
        result = await get(f"https://127.0.0.1:{server.port}/", ca_file=ca_file)
    assert (result.fault, result.status, result.verified) == (None, 200, True)
    assert result.expiry == day(2090).timestamp()
    assert 0 < result.phases["tls"] < 2


@pytest.mark.parametrize(
    ("leaf", "word"),
    [
        (AUTHORITY.issue_cert("127.0.0.1", not_before=day(2020), not_after=day(2021)), "expired"),
        (AUTHORITY.issue_cert("elsewhere.example", not_after=day(2021 + 69)), "not valid for"),
        (trustme.CA().issue_cert("127.0.0.1", not_after=day(2090)), "unable to get local issuer"),
    ],
    ids=["expired", "wrong name", "untrusted"],
)
async def test_a_bad_certificate_still_tells_its_date(ca_file: str, leaf: trustme.LeafCert, word: str) -> None:
    async with serving({"/": OK}, certificate=leaf) as server:
        result = await get(f"https://127.0.0.1:{server.port}/", ca_file=ca_file)
    assert result.fault is not None
    assert result.fault.reason is Reason.TLS
    assert word in result.fault.detail
    assert result.verified is False
    assert result.expiry == (day(2021) if word == "expired" else day(2090)).timestamp()
    assert (result.status, result.seconds) == (None, None)
    assert server.requests == []  # nothing was said to a server that is not trusted


async def test_a_server_that_speaks_no_tls(ca_file: str) -> None:
    async with serving({"/": OK}) as server:
        result = await get(f"https://127.0.0.1:{server.port}/", ca_file=ca_file, timeout=0.5)
    assert reason(result) in {Reason.TLS, Reason.TIMEOUT, Reason.RESET}
    assert (result.verified, result.expiry) == (None, None)


async def test_a_file_of_certificates_that_is_missing(tmp_path: Path) -> None:
    async with serving({"/": OK}, certificate=AUTHORITY.issue_cert("127.0.0.1")) as server:
        result = await get(f"https://127.0.0.1:{server.port}/", ca_file=str(tmp_path / "missing"))
    assert reason(result) is Reason.TLS


async def test_credentials_are_sent_and_never_told() -> None:
    async with serving({"/": (head("500 Internal Server Error"),)}) as server:
        result = await get(f"http://lan:secret@127.0.0.1:{server.port}/")
    assert "Authorization: Basic bGFuOnNlY3JldA==" in server.requests[0]
    assert "secret" not in repr(result)


async def test_a_cancelled_visit_leaves_nothing_behind() -> None:
    if sys.platform != "linux":
        pytest.skip("counts open files in /proc")
    async with serving({"/": (5.0,)}) as server:
        before = len(list(Path("/proc/self/fd").iterdir()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(page(server, timeout=5.0), 0.2)
        await asyncio.sleep(0.05)
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1  # the server's own end


async def proxied(url: str, scripts: Mapping[str, tuple[bytes | float, ...]], **settings: object) -> tuple[HttpResult, WebServer]:
    async with serving(scripts) as proxy:
        scheme = url.partition(":")[0]
        environ = {f"{scheme}_proxy": f"http://u:p@127.0.0.1:{proxy.port}"}
        return await get(url, environ=environ, **settings), proxy  # type: ignore[arg-type]


async def test_a_plain_page_by_proxy() -> None:
    result, proxy = await proxied("http://portal.example/a", {"http://portal.example/a": OK})
    assert (result.fault, result.status) == (None, 200)
    assert "Proxy-Authorization: Basic dTpw" in proxy.requests[0]


async def test_a_proxy_that_refuses_or_is_not_there() -> None:
    script = {"portal.example:443": (head("407 Proxy Authentication Required"),)}
    refused, proxy = await proxied("https://portal.example/", script)
    assert reason(refused) is Reason.PROXY
    assert "407" in (refused.fault.detail if refused.fault else "")
    gone = await get("https://portal.example/", environ={"https_proxy": f"http://u:p@127.0.0.1:{proxy.port}"})
    assert reason(gone) is Reason.PROXY
    assert reason(await get("http://portal.example/", environ={"http_proxy": "socks5://h:1"})) is Reason.PROXY


PROGRAM = """
import asyncio, sys
from collectors.machine import SystemClock
from collectors.probe.http import Request, fetch
url, ca_file, *environ = sys.argv[1:]
settings = dict(word.split("=", 1) for word in environ)
print(asyncio.run(fetch(Request(url, "GET", 5.0, ca_file=ca_file), clock=SystemClock(), environ=settings)))
"""


def phase(said: str, name: str) -> float:
    return float(said.partition(f"'{name}': ")[2].partition(",")[0].rstrip("}"))


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_a_portal_behind_a_slow_line_by_the_tools_own_clocks() -> None:
    with Lab() as lab:
        province = Province(lab)
        site = province.site(proxy=True)
        direct = province.site()

        def visit(url: str, *environ: str, by: object = None) -> str:
            node = site.pc if by is None else direct.pc
            return node.run([sys.executable, "-c", PROGRAM, url, province.ca_file, *environ], cwd=ROOT).stdout

        by_proxy = visit("https://dichvucong.gov.vn/", f"https_proxy={site.proxy_url}")
        assert "fault=None, status=200" in by_proxy
        assert "verified=True" in by_proxy
        assert "fault=None, status=200" in visit("http://dichvucong.gov.vn/", f"http_proxy={site.proxy_url}")
        assert "name_unresolved" in visit("https://nosuch.gov.vn/", by=direct)
        assert "status=503" in visit("https://dichvucong.gov.vn/busy", by=direct)
        third = province.site(ipv6=True)
        over_ipv6 = third.pc.run([sys.executable, "-c", PROGRAM, f"http://[{WEB_V6}]/", province.ca_file], cwd=ROOT).stdout
        assert "fault=None, status=200" in over_ipv6
        with direct.line.delay(0.05), direct.pc.capture("eth0", _is_web) as capture:
            said = visit("https://dichvucong.gov.vn/", by=direct)
    assert "fault=None, status=200" in said
    times = [(frame.direction, frame.timestamp_ns / 1e9) for frame in capture.frames]
    # One round trip each: the name (and its second family), the connection, the page; two for this nginx's TLS 1.2.
    for name, least in (("connect", 0.1), ("tls", 0.2), ("first_byte", 0.1)):
        assert least <= phase(said, name) < least + 0.09, (name, said)
    assert 0.1 <= phase(said, "resolve") < 0.32
    wire = next(at for direction, at in times if direction == "in") - times[0][1]
    assert 0 <= phase(said, "connect") - wire < 0.1


def _is_web(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" and frame[23] == 6 and b"\x01\xbb" in frame[34:38]
