"""Layer 6: the proxy, and every web service and port that staff need."""

from __future__ import annotations

import asyncio
import datetime
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from agent.diagnose.graph import Check, Outcome, Results, Status, Suspect
from agent.diagnose.ground import Ground
from agent.diagnose.words import milliseconds
from agent.locale import N_
from agent.tasks import spawn
from collectors.http import is_expected
from collectors.model import Reason
from collectors.probe.http import HttpResult, Request, fetch
from collectors.probe.proxy import Proxy, proxy_for
from collectors.probe.sockets import split_host_port
from collectors.probe.tcp import TcpResult, measure

AnswerT = TypeVar("AnswerT", HttpResult, TcpResult)
PROXY_TIMEOUT = 4.0
PROXY_ASKED = 2
PROXY_PASSWORD = 407
FETCH_TIMEOUT = 6.0
LOST_TIMEOUT = 2.5
"""With no line that carries, what is silent so long will not answer."""
QUICK_TIMEOUT = 1.5
CONNECT_TIMEOUT = 5.0
AGAIN_AFTER = 2.0
"""Seconds of silence after which a service is asked anew: one lost question costs a resolver five (resolv.conf(5)), and
one lost segment a connection that knows no round trip yet one, then two, then four (RFC 6298)."""
ODD_ANSWERS = {Reason.STATUS: N_("redirects in a circle"), Reason.MALFORMED: N_("no HTTP")}
"""Answers that are of no use, told in place of a status."""
_SILENCE = frozenset({Reason.TIMEOUT, Reason.NAME_UNRESOLVED})


def build(ground: Ground) -> list[Check]:
    """The checks of layer 6."""
    uplinks = tuple(f"uplink:{uplink.name}" for uplink in ground.context.uplinks)
    around = ("quality", "saturation", "mtu", "captive")
    soft = tuple(f"{kind}:{uplink.name}" for uplink in ground.context.uplinks for kind in around)
    captive = tuple(f"captive:{uplink.name}" for uplink in ground.context.uplinks)
    local = tuple(f"gateway-quality:{uplink.interface}" for uplink in ground.context.uplinks)
    servers = tuple(f"dns:{server}" for server in ground.resolvers())
    checks = []
    proxies = {proxy.host: proxy for target in ground.settings.kinds["http"].targets if (proxy := proxy_of(ground, target.url))}
    for proxy in proxies.values():
        name = f"proxy:{proxy.host}:{proxy.port}"
        checks.append(Check(name, 6, partial(_reach_proxy, ground, proxy), needs=("route",), stands_on=(*uplinks, *local)))
    for target in ground.settings.kinds["http"].targets:
        through = proxy_of(ground, target.url)
        checks.append(
            Check(
                f"service:{target.name}",
                6,
                partial(_fetch, ground, target, (*captive, *(() if through else servers))),
                needs=(f"proxy:{through.host}:{through.port}",) if through else ("route",),
                needs_any=() if through else (servers or uplinks),
                after=() if through else uplinks,
                stands_on=(*uplinks, *soft, *local, "clock", *(() if through else servers)),
                symptoms=("service.unreachable",),
            )
        )
    checks += [
        Check(
            f"service:{target.name}",
            6,
            partial(_connect, ground, target),
            needs=("route",),
            needs_any=uplinks,
            stands_on=(*soft, *local),
            symptoms=("service.unreachable",),
        )
        for target in ground.settings.kinds["tcp"].targets
    ]
    return checks


def carried(results: Results) -> bool:
    """Does any line carry? Without a line that was looked at, it may."""
    lines = [result.outcome for check, result in results.items() if check.startswith("uplink:")]
    return not lines or any(line.carries or line.status is Status.SKIP for line in lines)


def proxy_of(ground: Ground, url: str) -> Proxy | None:
    """The proxy that the environment names for a URL, None where it names none or none that can be used."""
    try:
        return proxy_for(urllib.parse.urlsplit(url), ground.machine.environ)
    except ValueError:
        return None


async def _reach_proxy(ground: Ground, proxy: Proxy, _: Results) -> Outcome:
    """The proxy answers, and lets us through: one that asks for a password is as good as none."""
    clock, environ = ground.machine.clock, ground.machine.environ
    result = await measure(proxy.host, proxy.port, timeout=ground.wait(3.0), clock=clock)
    subject = f"{proxy.host}:{proxy.port}"
    if result.fault is not None:
        return Outcome(Status.FAIL, result.fault.detail, {}, (Suspect("proxy.unreachable", subject),))
    asked = [target for target in ground.settings.kinds["http"].targets if proxy_of(ground, target.url) == proxy]
    requests = [Request(target.url, timeout=ground.wait(PROXY_TIMEOUT)) for target in asked[:PROXY_ASKED]]
    answers = await asyncio.gather(*(fetch(request, clock=clock, environ=environ) for request in requests))
    if answers and all(refused_by_proxy(answer) for answer in answers):
        # It said so itself: no fault of the line explains that.
        detail = answers[0].fault.detail if answers[0].fault is not None else f"status {answers[0].status}"
        return Outcome(Status.FAIL, detail, {"refused": True}, (Suspect("proxy.unreachable", subject, stands_on=()),))
    return Outcome(Status.PASS, milliseconds(result.seconds or 0.0))


def refused_by_proxy(answer: HttpResult) -> bool:
    """Did the proxy itself say no (407: it wants a password, 403: it does not allow it)?"""
    told = answer.fault.detail if answer.fault is not None and answer.fault.reason is Reason.PROXY else ""
    return answer.status == PROXY_PASSWORD or any(f"answered {status} " in told for status in (403, PROXY_PASSWORD))


async def insist(ground: Ground, attempt: Callable[[float], Awaitable[AnswerT]], within: float) -> AnswerT:
    """The first attempt that is answered, whatever the answer; where all is silence, what the longest wait says of it.

    Attempts follow each other while the earlier ones still wait, so that on a lossy line one lost packet does not stand
    for the service.
    """
    pause = ground.wait(AGAIN_AFTER)

    async def later(start: float) -> AnswerT:
        await asyncio.sleep(start)
        return await attempt(within - start)

    attempts = [spawn(later(number * pause), "diagnose/attempt") for number in range(max(1, int(within / pause)))]
    try:
        for ended in asyncio.as_completed(attempts):
            answer: AnswerT = await ended
            if answer.fault is None or answer.fault.reason not in _SILENCE:
                return answer
        first: AnswerT = await attempts[0]
        return first
    finally:
        for one in attempts:
            one.cancel()


async def _fetch(ground: Ground, target: Any, misled: tuple[str, ...], results: Results) -> Outcome:
    """Ask for the page; `misled` are the checks whose faults put somebody else in the service's place."""
    uplink = ground.context.uplink(target.link)
    request = Request(
        target.url,
        target.method,
        timeout=QUICK_TIMEOUT if ground.quick else FETCH_TIMEOUT if carried(results) else LOST_TIMEOUT,
        follow_redirects=target.follow_redirects,
        interface=uplink.interface if uplink else None,
        ca_file=str(ground.settings.file(target.ca_file)) if target.ca_file else None,
    )
    clock, environ = ground.machine.clock, ground.machine.environ
    result = await insist(
        ground, lambda left: fetch(replace(request, timeout=left), clock=clock, environ=environ), request.timeout
    )
    data: dict[str, Any] = {"status": result.status, "seconds": result.seconds}
    if result.date is not None:
        data["clock_offset_seconds"] = ground.machine.clock.wall() - result.date
    suspect = _suspect(ground, target, result, misled)
    if suspect is None:
        return Outcome(Status.PASS, f"{result.status} {milliseconds(result.seconds or 0.0)}", data)
    return Outcome(Status.FAIL, result.fault.detail if result.fault else f"status {result.status}", data, (suspect,))


def _suspect(ground: Ground, target: Any, result: HttpResult, misled: tuple[str, ...]) -> Suspect | None:
    """What the answer says; somebody who answered was reached, so that a poor line explains none of that."""
    name = target.name
    if result.fault is None:
        if result.status is not None and not is_expected(result.status, target.expect_status):
            return Suspect("service.error", name, {"status": str(result.status)}, stands_on=misled)
        return None
    if result.fault.reason is Reason.TLS:
        # Judged by true time: a wrong clock here makes no certificate expire there.
        trusted = (*misled, "clock")
        if result.expiry is not None and result.expiry < ground.machine.clock.true():
            expired = datetime.datetime.fromtimestamp(result.expiry, datetime.UTC).date().isoformat()
            return Suspect("service.tls_expired", name, {"expired": expired}, stands_on=trusted)
        return Suspect("service.tls_untrusted", name, {"why": result.fault.detail.rpartition(": ")[2]}, stands_on=trusted)
    if result.fault.reason in ODD_ANSWERS:
        return Suspect("service.error", name, {"status": ODD_ANSWERS[result.fault.reason]}, stands_on=misled)
    return Suspect("service.unreachable", name, {"why": result.fault.detail})


async def _connect(ground: Ground, target: Any, _: Results) -> Outcome:
    uplink = ground.context.uplink(target.link)
    host, port = split_host_port(target.address)
    interface = uplink.interface if uplink else None
    clock, within = ground.machine.clock, QUICK_TIMEOUT if ground.quick else CONNECT_TIMEOUT
    result = await insist(ground, lambda left: measure(host, port, timeout=left, clock=clock, interface=interface), within)
    if result.fault is not None:
        return Outcome(Status.FAIL, result.fault.detail, {}, (Suspect("service.unreachable", target.name),))
    return Outcome(Status.PASS, milliseconds(result.seconds or 0.0))
