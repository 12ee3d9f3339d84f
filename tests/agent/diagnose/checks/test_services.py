"""Layer 6: what answers say; services that answer are in tests/e2e."""

from pathlib import Path

import pytest

from agent.diagnose.checks.services import _suspect, build
from collectors.model import Reason
from collectors.probe.http import HttpResult
from collectors.probe.sockets import Fault
from tests.agent.diagnose.grounds import ground

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
