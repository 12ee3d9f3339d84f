"""http: web services, phase by phase, with certificate expiry and verification."""

from __future__ import annotations

import importlib
from typing import Annotated, Literal

from msgspec import Meta

from collectors.machine import Machine
from collectors.model import Collector, Observations, Reading, Reason, gauge
from collectors.probe.sockets import Fault, explained
from collectors.site import Context, Name, Settings, Uplink, seconds
from collectors.wire.units import Duration

SERIES = ("target", "link")
SUCCESS = gauge("commune_http_success", "1 when the service answered with an expected status.", *SERIES, urgent=True)
STATUS_CODE = gauge("commune_http_status_code", "Status code of the last answer.", *SERIES)
DURATION = gauge("commune_http_duration_seconds", "Time from the start to the last octet of the answer.", *SERIES)
PHASE_DURATION = gauge("commune_http_phase_duration_seconds", "Time of each phase, redirects added up.", *SERIES, "phase")
CERTIFICATE_EXPIRY = gauge(
    "commune_tls_certificate_expiry_timestamp_seconds", "When the first certificate of the presented chain expires.", "target"
)
TLS_VERIFIED = gauge("commune_tls_verified", "1 when the chain leads to a trusted root and the name fits.", "target")
METRICS = (SUCCESS, STATUS_CODE, DURATION, PHASE_DURATION, CERTIFICATE_EXPIRY, TLS_VERIFIED)

StatusRange = Annotated[
    str, Meta(pattern="^[1-5][0-9][0-9](-[1-5][0-9][0-9])?$", description="a status such as 200 or a range such as 200-499")
]


class HttpTarget(Settings, frozen=True):
    """One address of a web service; the portals' firewalls answer 403, so 2xx to 4xx count as reachable."""

    name: Name
    url: Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")]
    method: Literal["HEAD", "GET"] = "HEAD"
    expect_status: tuple[StatusRange, ...] = ("200-499",)
    link: str | None = None
    ca_file: str | None = None
    follow_redirects: bool = True


class HttpSettings(Settings, frozen=True):
    """Section `http`."""

    interval: Duration = seconds(120)
    timeout: Duration = seconds(15)
    targets: tuple[HttpTarget, ...] = (
        HttpTarget(name="dichvucong.gov.vn", url="https://dichvucong.gov.vn/"),
        HttpTarget(name="xacthuc.dichvucong.gov.vn", url="https://xacthuc.dichvucong.gov.vn/"),
        HttpTarget(name="sso.dancuquocgia.gov.vn", url="https://sso.dancuquocgia.gov.vn/"),
        HttpTarget(name="ocsp.ca.gov.vn", url="http://ocsp.ca.gov.vn/"),
    )


def is_expected(status: int, ranges: tuple[str, ...]) -> bool:
    """Whether a status lies in one of `ranges`, each a status or `from-to`, both included."""
    for text in ranges:
        low, _, high = text.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False


class Http(Collector):
    """One URL, by one uplink or by the routing table's choice."""

    kind = "http"

    def __init__(self, target: HttpTarget, settings: HttpSettings, machine: Machine, uplink: Uplink | None) -> None:
        interface = uplink.interface if uplink else None
        super().__init__(
            target.name,
            interval=settings.interval,
            deadline=2 * settings.timeout + 1.0,
            identity=(target, settings.timeout, interface, uplink is None),
        )
        self._target = target
        self._timeout = float(settings.timeout)
        self._machine = machine
        self._interface = interface
        self._lost = target.link is not None and uplink is None
        self._method: str = target.method

    async def collect(self) -> Reading:
        """Fetch once."""
        from collectors.probe.http import HttpResult, Request, fetch  # noqa: PLC0415  not at import of the declarations

        machine, target = self._machine, self._target
        taken = machine.clock.monotonic()
        if self._lost:
            result = HttpResult(Fault(Reason.UNREACHABLE, f"the link {target.link} is not there now"))
        else:
            request = Request(target.url, self._method, self._timeout, target.follow_redirects, self._interface, target.ca_file)
            result = await fetch(request, clock=machine.clock, environ=machine.environ)
            self._method = result.method  # a server that does not know HEAD is not asked for it again
        fault = result.fault
        if fault is None and result.status is not None and not is_expected(result.status, target.expect_status):
            fault = Fault(Reason.STATUS, f"{result.url} answered {result.status}; expected {', '.join(target.expect_status)}")
        found = Observations()
        labels = (target.name, target.link or "")
        found.set(SUCCESS, float(fault is None), *labels)
        if result.fault is None:
            found.set(STATUS_CODE, result.status, *labels)
            found.set(DURATION, result.seconds, *labels)
            for phase, value in result.phases.items():
                found.set(PHASE_DURATION, value, *labels, phase)
        found.set(CERTIFICATE_EXPIRY, result.expiry, target.name)
        found.set(TLS_VERIFIED, None if result.verified is None else float(result.verified), target.name)
        return Reading(self.kind, self.target, taken, found.items, *explained(fault))


def build(settings: HttpSettings, context: Context) -> list[Collector]:
    """One instance per target."""
    if settings.targets:
        importlib.import_module("collectors.probe.http")  # not in the first measurement's time
    return [Http(target, settings, context.machine, context.uplink(target.link)) for target in settings.targets]
