"""Layer 6: what answers say; services that answer are in tests/e2e."""

import asyncio
from pathlib import Path

import pytest

from agent.diagnose.checks.services import _suspect, build, carried, insist, refused_by_proxy
from agent.diagnose.graph import Outcome, Status
from collectors.model import Reason
from collectors.probe.http import HttpResult
from collectors.probe.sockets import Fault
from tests.agent.diagnose.grounds import ended, ground

YESTERDAY = 1.0
TLS = Fault(Reason.TLS, "https://portal/: certificate has expired")


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (HttpResult(None, 200), None),
        (HttpResult(None, 404), None),
        (HttpResult(None, 500), "service.error"),
        (HttpResult(None, 503), "service.error"),
        (HttpResult(TLS, None, expiry=YESTERDAY), "service.tls_expired"),
        (HttpResult(TLS, None, expiry=4e9), "service.tls_untrusted"),
        (HttpResult(TLS, None), "service.tls_untrusted"),
        (HttpResult(Fault(Reason.TIMEOUT, "no answer")), "service.unreachable"),
        (HttpResult(Fault(Reason.MALFORMED, "no status line")), "service.error"),
        (HttpResult(Fault(Reason.STATUS, "more than 10 redirects")), "service.error"),
    ],
)
def test_what_an_answer_says(tmp_path: Path, result: HttpResult, code: str | None) -> None:
    site = ground(tmp_path)
    suspect = _suspect(site, site.settings.kinds["http"].targets[0], result, ())
    assert (suspect.code if suspect else None) == code


def test_services_need_names_and_stand_on_the_line(tmp_path: Path) -> None:
    first = build(ground(tmp_path))[0]
    assert first.id == "service:dichvucong.gov.vn"
    assert first.needs_any == ("dns:192.168.1.1",)
    assert {"uplink:eth0", "quality:eth0", "mtu:eth0", "captive:eth0"} <= set(first.stands_on)


def test_a_line_that_was_not_judged_may_carry() -> None:
    assert carried({})
    assert carried(ended("uplink:a", Outcome(Status.SKIP)))
    assert carried(ended("uplink:a", Outcome(Status.FAIL)) | ended("uplink:b", Outcome(Status.PASS)))
    assert not carried(ended("uplink:a", Outcome(Status.FAIL)))


@pytest.mark.parametrize(
    ("result", "refused"),
    [
        (HttpResult(Fault(Reason.PROXY, "the proxy answered 407 to CONNECT a:443")), True),
        (HttpResult(Fault(Reason.PROXY, "the proxy answered 403 to CONNECT a:443")), True),
        (HttpResult(Fault(Reason.PROXY, "the proxy answered 502 to CONNECT a:443")), False),
        (HttpResult(Fault(Reason.TIMEOUT, "answered 403 ")), False),
        (HttpResult(None, 407), True),
        (HttpResult(None, 403), False),
    ],
)
def test_when_the_proxy_itself_says_no(result: HttpResult, *, refused: bool) -> None:
    assert refused_by_proxy(result) is refused


def test_an_answer_is_explained_by_what_puts_another_in_its_place(tmp_path: Path) -> None:
    site = ground(tmp_path)
    target = site.settings.kinds["http"].targets[0]
    error = _suspect(site, target, HttpResult(None, 500), ("captive:eth0",))
    expired = _suspect(site, target, HttpResult(TLS, None, expiry=YESTERDAY), ("captive:eth0",))
    assert error is not None
    assert error.stands_on == ("captive:eth0",)
    assert expired is not None
    assert expired.stands_on == ("captive:eth0", "clock")


SILENCE = HttpResult(Fault(Reason.TIMEOUT, "no answer"))


@pytest.mark.parametrize(
    ("answers", "came"),
    [
        ([SILENCE, HttpResult(None, 200)], HttpResult(None, 200)),
        ([SILENCE, HttpResult(TLS)], HttpResult(TLS)),
        ([HttpResult(Fault(Reason.REFUSED, "refused")), HttpResult(None, 200)], HttpResult(Fault(Reason.REFUSED, "refused"))),
        ([SILENCE, SILENCE], SILENCE),
    ],
)
async def test_what_is_silent_is_asked_anew_and_what_answers_is_believed(
    tmp_path: Path, answers: list[HttpResult], came: HttpResult
) -> None:
    asked: list[float] = []

    async def attempt(left: float) -> HttpResult:
        asked.append(left)
        answer = answers[len(asked) - 1]
        await asyncio.sleep(left if answer is SILENCE else 0.0)
        return answer

    assert await insist(ground(tmp_path, quick=True), attempt, 1.4) == came
    assert asked == pytest.approx([1.4, 0.7][: 2 if answers[0] is SILENCE else 1])
