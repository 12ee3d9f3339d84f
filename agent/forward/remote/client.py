"""One remote write request over HTTP, and what its answer means.

Which version the receiver speaks is negotiated: 2.0 first; 415, or a success that does not say how many samples were
written, means 1.0 (Prometheus before 3 takes a 2.0 request for an empty one and answers 204). Passwords and tokens are
read anew for every request that needs them and never appear in a message.
"""

from __future__ import annotations

import asyncio
import enum
import re
import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent import __version__
from agent.clock import TrueClock
from agent.forward.remote.messages import HEADERS, NO_EXEMPLARS, Columns, Encoder
from agent.forward.remote.ways import CONNECT_WITHIN, Ways
from agent.forward.samples import Description, Exemplar
from agent.forward.store import BLOCK_SAMPLES
from agent.forward.tls import authorization, client_context, judge_of_dates, secret
from agent.http_client import HttpClient
from agent.settings import RemoteWriteSettings
from collectors.machine import Clock
from collectors.wire import http1

if TYPE_CHECKING:
    from collections.abc import Callable

WRITTEN = "x-prometheus-remote-write-samples-written"
OTHERS_WRITTEN = ("x-prometheus-remote-write-histograms-written", "x-prometheus-remote-write-exemplars-written")
LONGEST_RETRY_AFTER = 600.0
SLOW, FAST = 4.0, 1.0
SMALLEST_CHUNK = 500
TEXT_LIMIT = 65536
DETAIL = 300


class Outcome(enum.Enum):
    """What became of a request."""

    TAKEN = "taken"
    """The receiver has `accepted` samples and will never take the others."""
    REFUSED = "refused"
    """The receiver takes no request that holds these samples."""
    AGAIN = "again"
    """Nobody's fault that will last: the same request later."""
    HELD = "held"
    """Address or credentials are wrong: later, when somebody has put them right."""


@dataclass(slots=True)
class Answer:
    """A receiver's answer.

    Attributes:
        wait: seconds that the receiver asked for.
        own: the receiver itself answered, not a portal or a proxy on the way.
        date: its `Date` header, if it is its own and of now; `sent` and `received` are the moments (Clock.monotonic) around it.
    """

    outcome: Outcome
    accepted: int = 0
    detail: str = ""
    wait: float | None = None
    own: bool = False
    date: str | None = None
    sent: float = 0.0
    received: float = 0.0


class AgainError(Exception):
    """Not now; `wait` seconds if the receiver said so."""

    def __init__(self, why: str, *, wait: float | None = None, counts: int = 1) -> None:
        super().__init__(why)
        self.why = why
        self.wait = wait
        self.counts = counts


class Client:
    """Talks to one receiver over one connection that stays open.

    Args:
        settings: the section `remote_write`.
        file: makes a path of a file named in the configuration.
        clock: the agent's; a `TrueClock` knows whether the computer's own clock may judge certificates.
        ways: the computer's lines to choose from; without them the kernel chooses.
    """

    def __init__(
        self,
        settings: RemoteWriteSettings,
        file: Callable[[str], Path],
        clock: Clock,
        ways: Ways | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._file = file
        self._encoder = Encoder()
        self._auto = str(settings.protocol) == "auto"
        self.version = "2.0" if self._auto else str(settings.protocol)
        self._ways = ways or Ways(tuple, clock.monotonic)
        self._http = HttpClient(self._ways.connect)
        self._context: ssl.SSLContext | None = None
        self._made_with: tuple[object, ...] = ((), None)
        self.chunk = BLOCK_SAMPLES // 4
        """Samples of a request: as many as the line takes within seconds; what it is like is not known at first."""

    async def post(
        self,
        columns: Columns,
        created: Mapping[Description, int],
        *,
        describe: Collection[Description],
        exemplars: Mapping[Description, Exemplar] = NO_EXEMPLARS,
    ) -> Answer:
        """Send samples once (twice when the version had to be negotiated)."""
        samples = sum(len(times) for times, _ in columns.values())

        def body() -> bytes:
            return self._encoder.encode(self.version, columns, created, describe=describe, exemplars=exemplars)

        answer = await self._post(body(), samples)
        if answer.outcome is Outcome.HELD and answer.detail.startswith(_OTHER_VERSION) and self._auto:
            self.version = "1.0" if self.version == "2.0" else "2.0"
            answer = await self._post(body(), samples)
            if answer.detail.startswith(_OTHER_VERSION):
                answer.detail = "the receiver takes neither remote write 2.0 nor 1.0"
        return answer

    async def _post(self, body: bytes, samples: int) -> Answer:
        begin = time.perf_counter()
        answer = await self._request("POST", body)
        taken = time.perf_counter() - begin
        if answer.outcome is Outcome.TAKEN:
            if answer.accepted < 0:
                if self.version == "2.0":
                    return Answer(Outcome.HELD, detail=f"{_OTHER_VERSION}: it does not say what it has written")
                answer.accepted = samples
            if taken < FAST:
                self.chunk = min(BLOCK_SAMPLES, self.chunk * 2)
        if taken > SLOW and answer.outcome in {Outcome.TAKEN, Outcome.AGAIN}:  # what did not arrive in time must get smaller too
            self.chunk = max(SMALLEST_CHUNK, self.chunk // 2)
        answer.accepted = min(answer.accepted, samples)
        return answer

    async def hear_time(self, clock: TrueClock) -> bool:
        """Ask the receiver for nothing but the time; tell whether it answered itself."""
        answer = await self._request("HEAD", b"")
        clock.hear_date(answer.date, answer.sent, answer.received)
        return answer.own and answer.outcome is not Outcome.AGAIN

    async def _request(self, method: str, body: bytes) -> Answer:
        """One exchange, and what its answer means."""
        try:
            if method == "POST":
                headers = {**self._headers(), **self._credentials()}
            else:  # only the time is wanted, for which a certificate of any date may pass: no credentials
                headers = {"User-Agent": _AGENT, _VERSION: HEADERS[self.version][_VERSION]}
            await self._renew()
            async with asyncio.timeout(self._settings.timeout):
                reply = await self._http.request(
                    method,
                    self._settings.url,
                    headers,
                    body,
                    context=self._context,
                    server_name=self._settings.tls.server_name,
                    open_within=CONNECT_WITHIN if self._ways.several else None,
                    limit=TEXT_LIMIT,
                )
        except (FileNotFoundError, PermissionError) as error:
            return Answer(Outcome.HELD, detail=_say(error))
        except (OSError, ValueError) as error:
            if isinstance(error, OSError):
                self._ways.failed()
            return Answer(Outcome.AGAIN, detail=_say(error))
        answer = judge(reply.status, dict(reply.head.fields), reply.text, self.version)
        answer.received = self._clock.monotonic()
        answer.own = reply.status not in _NOT_THE_RECEIVER
        if answer.own and reply.head.get("age") is None:
            answer.date = reply.head.get("date")
        answer.sent = answer.received - reply.seconds
        return answer

    def _headers(self) -> dict[str, str]:
        return {"User-Agent": _AGENT, "Content-Encoding": "snappy", **HEADERS[self.version], **self._settings.headers}

    def _credentials(self) -> dict[str, str]:
        settings = self._settings
        if settings.basic_auth is not None:
            return authorization(settings.basic_auth, self._file)
        if settings.bearer_token is not None:
            return {"Authorization": f"Bearer {settings.bearer_token!s}"}
        if settings.bearer_token_file is not None:
            return {"Authorization": f"Bearer {secret(self._file(settings.bearer_token_file))}"}
        return {}

    async def _renew(self) -> None:
        """Trust as the files and the clock say now; another trust or another line needs another connection."""
        tls = self._settings.tls
        names = [name for name in (tls.ca_file, tls.cert_file, tls.key_file) if name]
        judge = judge_of_dates(self._clock, to_learn=True) if isinstance(self._clock, TrueClock) else None
        learning = isinstance(self._clock, TrueClock) and self._clock.base is None
        trusted = (learning, judge is None, *(self._file(name).stat().st_mtime_ns for name in names))
        made_with = (trusted, self._ways.chosen)
        if made_with == self._made_with:
            return
        await self._http.close()
        if self._settings.url.startswith("https:") and (self._context is None or trusted != self._made_with[0]):
            self._context = client_context(tls, self._file, judge)
        self._made_with = made_with

    async def close(self) -> None:
        """Close the connection."""
        await self._http.close()


_AGENT = f"commune-agent/{__version__}"
_SAMPLE_FAULTS = ("too old sample", "out of order sample", "out of bounds", "duplicate sample for timestamp")
"""Prometheus 2.39 to 2.47 says these with a status of 500, for ever: no retry ever succeeds."""
_NOT_THE_RECEIVER = {*range(300, 400), 407, 511}
"""Captive portals and proxies on the way answer with these, and have clocks of their own."""
_VERSION = "X-Prometheus-Remote-Write-Version"
_WHOLE = re.compile("[0-9]{1,18}")
_OTHER_VERSION = "the receiver does not know this version of remote write"


def judge(status: int, headers: Mapping[str, str], text: str, version: str = "2.0") -> Answer:
    """What a status, its headers and the first of its text mean (remote write 2.0, "Required partial write response headers").

    Names of `headers` are in lower case. `accepted` is -1 for a success that does not say how much was written.
    """
    written = headers.get(WRITTEN, "")
    count = int(written) if _WHOLE.fullmatch(written) else -1
    if count < 0 and version == "2.0" and any(name in headers for name in OTHERS_WRITTEN):
        count = 0  # what it does not name it has not written; of an answer to 1.0 that must not be assumed
    detail = f"HTTP {status}: {' '.join(text.split())[:DETAIL]}".rstrip(": ")
    if 200 <= status < 300:
        return Answer(Outcome.TAKEN, count, detail)
    if status >= 500 and any(words in text for words in _SAMPLE_FAULTS):
        return Answer(Outcome.REFUSED, 0, detail)
    if status in {408, 429} or status >= 500:
        return Answer(Outcome.AGAIN, 0, detail, _retry_after(headers.get("retry-after"), headers.get("date")))
    if status == 415:
        return Answer(Outcome.HELD, 0, f"{_OTHER_VERSION}: {detail}")
    if status in {400, 409, 413, 422}:
        return Answer(Outcome.TAKEN if count > 0 else Outcome.REFUSED, max(count, 0), detail)
    return Answer(Outcome.HELD, 0, detail)


def _retry_after(value: str | None, date: str | None) -> float | None:
    """Seconds from a Retry-After header (RFC 9110 section 10.2.3): a number, or a date by the clock of the receiver's `Date`."""
    if value is None:
        return None
    if _WHOLE.fullmatch(value):
        return min(float(value), LONGEST_RETRY_AFTER)
    moment, now = http1.moment(value), http1.moment(date)
    if moment is None:
        return None
    return min(max(0.0, moment - (time.time() if now is None else now)), LONGEST_RETRY_AFTER)


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:DETAIL] if str(error) else type(error).__name__
