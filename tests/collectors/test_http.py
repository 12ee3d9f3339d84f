"""http: golden file, statuses that count as reachable, and what a failed visit leaves out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import trustme

from collectors import http
from collectors.http import HttpSettings, HttpTarget, is_expected
from collectors.machine import Machine
from collectors.model import Reason
from collectors.site import Context, Link, Site, Surroundings, Uplink
from collectors.wire.units import Duration
from tests.collectors import golden
from tests.collectors.probe.webserver import Script, WebServer, day, head, serving

OK = (head("200 OK", body=b"ok"),)


def context() -> Context:
    uplinks = (Uplink(Link(name="internet"), None, None),)
    return Context(Machine(environ={}), Site(), Surroundings(), uplinks)


@pytest.mark.parametrize(
    ("status", "ranges", "expected"),
    [
        (200, ("200-499",), True),
        (403, ("200-499",), True),
        (500, ("200-499",), False),
        (199, ("200-499",), False),
        (204, ("200", "204"), True),
        (201, ("200", "204"), False),
    ],
)
def test_expected_statuses(status: int, ranges: tuple[str, ...], expected: bool) -> None:  # noqa: FBT001
    assert is_expected(status, ranges) is expected


async def test_golden(tmp_path: Path) -> None:
    authority = trustme.CA()
    file = str(tmp_path / "ca.pem")
    authority.cert_pem.write_to_path(file)
    good = authority.issue_cert("127.0.0.1", not_after=day(2090))
    expired = authority.issue_cert("127.0.0.1", not_before=day(2020), not_after=day(2021))
    scripts: dict[str, Script] = {
        "/": OK,
        "/busy": (head("503 Service Unavailable"),),
        "/waf": (head("403 Forbidden"),),
        "/slow": (9.0,),
    }
    async with (
        serving(scripts) as plain,
        serving(scripts, certificate=good) as secure,
        serving(scripts, certificate=expired) as old,
    ):

        def target(name: str, server: WebServer, path: str = "/", link: str | None = None) -> HttpTarget:
            scheme = "http" if server is plain else "https"
            return HttpTarget(name=name, url=f"{scheme}://127.0.0.1:{server.port}{path}", link=link, ca_file=file)

        targets = (
            target("portal", secure),
            target("firewall", secure, "/waf", "internet"),
            target("busy", plain, "/busy"),
            target("slow", plain, "/slow"),
            target("expired", old),
            target("lost", plain, "/", "gone"),
        )
        built = http.build(HttpSettings(timeout=Duration(3), targets=targets), context())
        readings = await asyncio.gather(*(collector.collect() for collector in built))
    reasons = [reading.reason for reading in readings]
    assert reasons == [None, None, Reason.STATUS, Reason.TIMEOUT, Reason.TLS, Reason.UNREACHABLE]
    golden.check("http", readings, volatile=r"commune_http_(phase_)?duration_seconds")


async def test_a_server_that_refused_head_is_not_asked_for_it_again() -> None:
    async with serving({"HEAD /": (head("501 Not Implemented"),), "GET /": OK}) as server:
        targets = (HttpTarget(name="portal", url=f"http://127.0.0.1:{server.port}/"),)
        (collector,) = http.build(HttpSettings(targets=targets), context())
        for _ in range(2):
            assert (await collector.collect()).reason is None
    assert [request.split(" ")[0] for request in server.requests] == ["HEAD", "GET", "GET"]


async def test_credentials_stay_out_of_what_a_reading_says() -> None:
    async with serving({"/": (head("500 Internal Server Error"),)}) as server:
        targets = (HttpTarget(name="portal", url=f"http://lan:secret@127.0.0.1:{server.port}/"),)
        (collector,) = http.build(HttpSettings(targets=targets), context())
        reading = await collector.collect()
    assert reading.reason is Reason.STATUS
    assert "answered 500; expected 200-499" in reading.detail
    assert "secret" not in reading.detail
