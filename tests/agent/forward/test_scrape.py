"""Other exporters: scraped as Prometheus does it, judged by what arrives at the strict receiver."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.clock import TrueClock
from agent.forward.expositions import parse
from agent.forward.scrape import Target
from agent.settings import BasicAuth, Core, ScrapeSettings, ScrapeTarget
from agent.tasks import spawn
from collectors.wire.units import Duration, Size
from tests.agent.site import Hands, SiteUnderTest, settings
from tests.receivers.servers import free_port
from tests.receivers.strict import STALE_BITS, Strict, bits, strict, until

TEXT = """# HELP http_requests_total The total number.
# TYPE http_requests_total counter
http_requests_total{method="GET",instance="theirs"} 100
# TYPE lat_seconds histogram
lat_seconds_bucket{le="0.1"} 2
lat_seconds_bucket{le="+Inf"} 3
lat_seconds_sum 0.5
lat_seconds_count 3
# TYPE q summary
q{quantile="0.5"} NaN
q_sum 0
q_count 0
plain{emoji="🚀",empty=""} -Inf
"""
OPENMETRICS = """# HELP jobs Jobs done.
# TYPE jobs counter
# UNIT memory_bytes bytes
jobs_total{kind="a"} 3 # {trace_id="x"} 1
jobs_created{kind="a"} 1600000000
# TYPE memory_bytes gauge
# UNIT memory_bytes bytes
memory_bytes 5
# EOF
"""


class Exporter:
    """Says what a test wants."""

    def __init__(self) -> None:
        self.body = TEXT
        self.kind = "text/plain; version=0.0.4"
        self.status = 200
        self.delay = 0.0
        self.encoding = ""
        self.leads_to = ""
        self.heads: list[dict[str, str]] = []
        self.port = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.heads.append(dict(request.headers))
        await asyncio.sleep(self.delay)
        if self.leads_to and request.path == "/metrics":
            return web.Response(status=301, headers={"Location": self.leads_to})
        packing, _, how = self.encoding.partition(", ")
        headers = {"Content-Type": self.kind, **({"Content-Encoding": packing} if packing else {})}
        body = gzip.compress(self.body.encode()) if packing else self.body.encode()
        body = {"half": body[: len(body) // 2], "twice": body * 2}.get(how, body)
        return web.Response(status=self.status, body=body, headers=headers)


@asynccontextmanager
async def scraped(
    tmp_path: Path, receiver: Strict, *, every: float = 0.5, **limits: object
) -> AsyncIterator[tuple[Exporter, SiteUnderTest]]:
    exporter = Exporter()
    app = web.Application()
    app.router.add_get("/{tail:metrics/?}", exporter.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    exporter.port = free_port()
    await web.TCPSite(runner, "localhost", exporter.port).start()
    usual = {"url": f"http://127.0.0.1:{exporter.port}/metrics", "interval": Duration(0.3), "timeout": Duration(0.25)}
    target = ScrapeTarget(job="app", **{**usual, "labels": {"kind": "local"}, **limits})  # type: ignore[arg-type]
    base = settings(receiver.url, tmp_path, interval=Duration(every))
    fields = {name: getattr(base.core, name) for name in base.core.__struct_fields__}
    core = Core(**{**fields, "scrape": ScrapeSettings(targets=(target,))})
    site = SiteUnderTest(tmp_path, receiver.url, Hands(runs=True), configured=dataclasses.replace(base, core=core))
    await site.start()
    try:
        yield exporter, site
    finally:
        if site.forward._push is not None:
            await site.stop()
        await runner.cleanup()


def last(receiver: Strict, name: str, **labels: str) -> float:
    return receiver.series(name, **labels)[-1][1]


@pytest.mark.timing
async def test_series_get_job_and_instance_and_keep_theirs_under_another_name(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, site):
        await until(lambda: len(receiver.samples) >= 13, 8)
        instance = f"127.0.0.1:{exporter.port}"
        own = {
            "job": "app",
            "instance": instance,
            "province": "lam-dong",
            "commune": "24781",
            "site": "main",
            "ring": "3",
            "kind": "local",
        }
        assert last(receiver, "http_requests_total", method="GET", exported_instance="theirs", **own) == 100
        assert last(receiver, "lat_seconds_bucket", le="0.1", **own) == 2
        assert last(receiver, "up", **own) == 1
        assert last(receiver, "scrape_samples_scraped", **own) == 9
        assert last(receiver, "scrape_samples_post_metric_relabeling", **own) == 9
        assert 0 < last(receiver, "scrape_duration_seconds", **own) < 0.25
        assert last(receiver, "plain", **own) == float("-inf")
        assert not [key for key in receiver.samples if "empty" in dict(key)]
        assert receiver.series("scrape_series_added")[0][1] == 9
        assert receiver.metadata["http_requests_total"] == (1, "The total number.", "")
        assert exporter.heads[0]["X-Prometheus-Scrape-Timeout-Seconds"] == "0.25"
        before = len(exporter.heads)
        await site.stop()
        assert len(exporter.heads) > before  # once more, and then no markers: the exporter itself goes on
        assert bits(last(receiver, "plain")) != STALE_BITS
    assert [complaint for complaint in receiver.complaints if "no type" not in complaint] == []


async def test_openmetrics(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.body, exporter.kind = (
            OPENMETRICS.replace("# UNIT memory_bytes bytes\njobs", "jobs", 1),
            "application/openmetrics-text; version=1.0.0",
        )
        await until(lambda: any(dict(key)["__name__"] == "jobs_total" for key in receiver.samples), 8)
        assert last(receiver, "jobs_total", exported_kind="a", kind="local") == 3
        assert last(receiver, "memory_bytes") == 5
        assert receiver.metadata["memory_bytes"] == (2, "", "bytes")
        begun = {dict(key)["__name__"]: moment for key, moment in receiver.created.items()}
        assert begun["jobs_total"] == 1_600_000_000_000
        assert not [key for key in receiver.samples if dict(key)["__name__"] == "jobs_created"]


async def test_pages_may_be_compressed_and_limits_hold_for_what_comes_of_them(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver, max_bytes=Size(5000)) as (exporter, _):
        exporter.encoding = "gzip"
        await until(lambda: any(dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        assert exporter.heads[0]["Accept-Encoding"] == "gzip"
        exporter.body = TEXT + "x 1\n" * 5000
        await until(lambda: last(receiver, "up") == 0, 8)


async def test_a_compressed_page_may_have_several_members(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.encoding = "gzip, twice"
        await until(lambda: any(dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        await until(lambda: last(receiver, "scrape_samples_scraped") == 18, 8)


async def test_no_proxy_is_asked_for_an_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Prometheus; the one that leads to the province does not know this site's network."""
    async with strict() as receiver, scraped(tmp_path, receiver, url="http://exporter.invalid/metrics") as (exporter, _):
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{exporter.port}")
        await until(lambda: any(dict(key)["__name__"] == "up" for key in receiver.samples), 8)
        assert last(receiver, "up") == 0
        assert exporter.heads == []


async def test_a_page_that_says_up_itself_does_not_hide_ours(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.body = "up 7\na 1\n"
        await until(lambda: any(dict(key)["__name__"] == "a" for key in receiver.samples), 8)
        exporter.status = 500
        await until(lambda: last(receiver, "up") == 0, 8)
        assert {value for _, value in receiver.series("up")} == {0, 1}


@pytest.mark.parametrize("told", ["nan", "1e300", "-1e300", "inf"])
async def test_a_time_that_is_none_does_not_stop_the_sending(tmp_path: Path, told: str) -> None:
    page = f"# TYPE c counter\nc_total 5 # {{}} 1 {told}\nc_created {told}\n# EOF\n"
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.body, exporter.kind = page, "application/openmetrics-text; version=1.0.0"
        await until(lambda: any(dict(key)["__name__"] == "c_total" for key in receiver.samples), 8)
        await until(lambda: len(receiver.series("c_total")) > 2, 8)
    assert receiver.created == {}
    assert [complaint for complaint in receiver.complaints if "no type" not in complaint] == []


async def test_a_configured_label_without_a_value_is_none(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver, labels={"kind": "", "room": "1"}) as (exporter, _):
        exporter.body = 'a{kind="theirs"} 1\n'
        await until(lambda: any(dict(key)["__name__"] == "a" for key in receiver.samples), 8)
        assert last(receiver, "a", kind="theirs", room="1") == 1
    assert [complaint for complaint in receiver.complaints if "no type" not in complaint] == []


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("http://[fe80::1]:9100/metrics", "[fe80::1]:9100"),
        ("https://u:p@Exporter.example/m", "exporter.example:443"),
        ("http://10.0.0.1", "10.0.0.1:80"),
    ],
)
def test_an_instance_is_host_and_port(url: str, instance: str) -> None:
    clock = TrueClock(Hands())
    assert Target(ScrapeTarget(job="a", url=url), Core(), Path, clock, None).instance == instance  # type: ignore[arg-type]


async def test_others_get_their_turn_while_a_large_page_is_read(tmp_path: Path) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    target = Target(ScrapeTarget(job="a", url="http://127.0.0.1:1/"), Core(), Path, TrueClock(Hands()), None)  # type: ignore[arg-type]
    counting = spawn(count(), "count")
    found = await target._take(parse("".join(f'a{{x="{n}"}} 1\n' for n in range(5000)), "text/plain"), 1.0)
    counting.cancel()
    assert (len(found), turns >= 9) == (5000, True)


async def test_redirects_are_followed_and_credentials_stay_at_home(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("secret\n")
    auth = BasicAuth(username="u", password_file=str(tmp_path / "word"))
    async with strict() as receiver, scraped(tmp_path, receiver, basic_auth=auth) as (exporter, _):
        exporter.leads_to = f"http://localhost:{exporter.port}/metrics/"
        await until(lambda: any(dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        assert last(receiver, "up", instance=f"127.0.0.1:{exporter.port}") == 1
        heads = {head["Host"].partition(":")[0]: head.get("Authorization") for head in exporter.heads[-2:]}
        assert heads == {"127.0.0.1": "Basic dTpzZWNyZXQ=", "localhost": None}


async def test_names_that_collide_and_samples_that_come_twice_are_as_prometheus_has_them(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.body = 'm{job="a",exported_job="b",instance=""} 1\nm{job="a",exported_job="b"} 2\n'
        await until(lambda: any(dict(key)["__name__"] == "m" for key in receiver.samples), 8)
        assert last(receiver, "m", job="app", exported_job="b", exported_exported_job="a") == 1
        assert last(receiver, "scrape_samples_scraped") == 2


@pytest.mark.parametrize("how", ["status", "slow", "bytes", "series", "garbage", "half"])
async def test_a_failed_scrape_is_up_0_and_its_series_end(tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    choices: dict[str, dict[str, Any]] = {"bytes": {"max_bytes": Size(1000)}, "series": {"max_series": 20}}
    limits = choices.get(how, {})
    async with strict() as receiver, scraped(tmp_path, receiver, **limits) as (exporter, _):
        await until(lambda: any(dict(key)["__name__"] == "up" for key in receiver.samples), 8)
        assert last(receiver, "up") == 1
        if how == "status":
            exporter.status = 500
        elif how == "slow":
            exporter.delay = 0.3
        elif how == "half":  # the exporter died in the middle: the other series did not end
            exporter.encoding = "gzip, half"
        else:
            exporter.body = {"garbage": "s 1\n{{{ not metrics", "bytes": TEXT + "x 1\n" * 300}.get(
                how, "".join(f"s{n} 1\n" for n in range(21))
            )
        await until(lambda: last(receiver, "up") == 0, 8)
        assert last(receiver, "scrape_samples_scraped") == {"series": 21, "garbage": 1}.get(how, 0)
        await until(lambda: bits(last(receiver, "plain")) == STALE_BITS, 3)
    assert caplog.text.count("not scraped") == 1


async def test_a_series_that_disappears_gets_a_marker(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        await until(lambda: any(dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        exporter.body = TEXT.rpartition("plain")[0]
        await until(lambda: bits(last(receiver, "plain")) == STALE_BITS, 5)
        assert bits(last(receiver, "lat_seconds_count")) != STALE_BITS


async def test_a_target_that_is_scraped_no_more_gets_markers(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (_, site):
        await until(lambda: any(dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        configured = site.settings
        fields = {name: getattr(configured.core, name) for name in configured.core.__struct_fields__}
        await site.forward.reload(dataclasses.replace(configured, core=Core(**{**fields, "labels": {"ring": "3", "a": "b"}})))
        await until(lambda: any(dict(key).get("a") == "b" and dict(key)["__name__"] == "plain" for key in receiver.samples), 8)
        ended = [
            bits(samples[-1][1]) == STALE_BITS for key, samples in receiver.samples.items() if dict(key)["__name__"] == "plain"
        ]
        assert sorted(ended) == [False, True]
        for name in ("up", "scrape_duration_seconds"):
            ends = [bits(samples[-1][1]) for key, samples in receiver.samples.items() if dict(key)["__name__"] == name]
            assert sorted(end == STALE_BITS for end in ends) == [False, True]


@pytest.mark.parametrize("how", ["answers", "gone", "hangs"])
async def test_at_a_stop_only_a_scrape_that_succeeds_counts(tmp_path: Path, how: str) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver, every=120.0, interval=Duration(60.0)) as (exporter, site):
        (target,) = site.forward._push.scraper._targets  # type: ignore[union-attr]
        await until(lambda: bool(target._seen), 8)
        site.read(targets=1)
        exporter.status = 503 if how == "gone" else 200
        exporter.delay = 60.0 if how == "hangs" else 0.0
        await site.stop()
        assert bits(receiver.series("commune_test_up")[-1][1]) == STALE_BITS
        assert [value for _, value in receiver.series("up")] == ([1, 1] if how == "answers" else [1])
        assert [bits(value) == STALE_BITS for _, value in receiver.series("plain")] == [False] * (2 if how == "answers" else 1)
        assert len(receiver.requests) == (2 if how == "answers" else 1)  # the agent's own end waits for no exporter
    assert [complaint for complaint in receiver.complaints if "no type" not in complaint] == []


LENIENT = """# TYPE requests counter
requests 1000 # {trace_id="abc",span_id="d"} 999 1234567890.123
# TYPE jobs counter
# HELP jobs Done.
jobs_total{a="b"} 5 # {} 1
# TYPE lat histogram
lat_bucket{le="0.1"} 3 # {trace_id="x y # z"} 0.05
lat_bucket{le="+Inf"} 3
lat_sum 1
lat_count 3
# EOF
"""


async def test_exemplars_go_with_the_samples_of_their_scrape(tmp_path: Path) -> None:
    async with strict() as receiver, scraped(tmp_path, receiver) as (exporter, _):
        exporter.body, exporter.kind = LENIENT, "application/openmetrics-text; version=1.0.0"
        await until(lambda: len(receiver.exemplars) >= 3, 8)
        exporter.body = LENIENT.replace("abc", "def")
        await until(lambda: any(one[1].get("trace_id") == "def" for one in receiver.exemplars), 8)
    told = [(dict(key)["__name__"], own, value) for key, own, value, _ in receiver.exemplars]
    assert ("requests", {"trace_id": "abc", "span_id": "d"}, 999) in told
    assert len(told) <= 3 * sum(len(samples) for key, samples in receiver.samples.items() if dict(key)["__name__"] == "requests")
    moments = {dict(key)["__name__"]: time for key, _, _, time in receiver.exemplars}
    assert moments["requests"] == 1_234_567_890_123
    assert abs(moments["lat_bucket"] / 1000 - time.time()) < 600  # by the clock of the scrape
    assert [complaint for complaint in receiver.complaints if "no type" not in complaint] == []
