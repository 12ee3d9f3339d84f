"""`agent province notify`: from Alertmanager's webhook to Zalo, one message an incident, then its updates and its end.

The Zalo Bot API takes `POST /bot<token>/sendMessage` with `{chat_id, text}` of at most 2,000 characters and answers
`{ok, result | error_code, description}`. The bridge says yes to Alertmanager only when Zalo did, so that Alertmanager's own
retries carry a message over a longer outage. It also watches the sign of life: when the province's monitoring falls
silent, the bridge itself tells the people on call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import zoneinfo
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import aiohttp
import bcrypt
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Meta

from agent.auth import ASK, knower
from agent.config import ConfigError, read_as
from agent.province.message import BACK, SILENT, WORDS, compose
from agent.settings import HostPort
from agent.tasks import spawn
from collectors.site import Name, Settings, seconds
from collectors.wire.units import Duration

log = logging.getLogger(__name__)
_ATTEMPTS = 4
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 15.0
"""Alertmanager gives up on a notification when its group's next turn comes, after a minute."""
_KEPT = 7 * 86400


class Chat(Settings, frozen=True):
    """Somebody who is told."""

    id: Name
    lang: Literal["vi", "en"] = "vi"


class DeadmanSettings(Settings, frozen=True):
    """The watch over the province's own monitoring; without chats nobody watches."""

    after: Duration = seconds(300)
    chats: tuple[Chat, ...] = ()


class NotifySettings(Settings, frozen=True):
    """The bridge's configuration file."""

    token_file: str
    password_file: str | None = None
    """Alertmanager's password (user `alertmanager`); without one everybody who reaches the port can send."""
    listen: HostPort = "127.0.0.1:9796"
    api: Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")] = (
        "https://bot-api.zaloplatforms.com"
    )
    state_file: str | None = None
    timeout: Duration = seconds(10)
    timezone: str = "Asia/Ho_Chi_Minh"
    deadman: DeadmanSettings = DeadmanSettings()


class DeliveryError(Exception):
    """Zalo did not take the message; the text says why, without the token.

    Attributes:
        again: it may take it later.
        wanted: the seconds that it wants to be left alone before that.
    """

    def __init__(self, message: str, *, again: bool = True, wanted: float = 0.0) -> None:
        super().__init__(message)
        self.again, self.wanted = again, wanted


def _guard(known: Callable[[str | None], Awaitable[bool]]) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if await known(request.headers.get("Authorization")):
            return await handler(request)
        return web.Response(status=401, text="unauthorized\n", headers=ASK)

    return check


class Bridge:
    """The running bridge.

    Args:
        settings: what the configuration says.
        folder: what its file names are relative to.
        clock: seconds since 1970; tests move it.
    """

    def __init__(self, settings: NotifySettings, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.token = _secret(folder / settings.token_file, "write the bot's token into it")
        self.users: dict[str, str] = {}
        if settings.password_file is not None:
            password = _secret(folder / settings.password_file, "write Alertmanager's password into it")
            self.users["alertmanager"] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        self.zone = _zone(settings.timezone)
        self.state_file = folder / settings.state_file if settings.state_file is not None else None
        self.told: dict[str, float] = self._load()
        self.last_sign = clock()
        self.silent = False
        self.first_wait = _FIRST_WAIT
        self.session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """The web application: `POST /alerts/<chat>?lang=vi`, `POST /deadman`, `/-/healthy`."""
        app = web.Application(client_max_size=4 * 2**20, middlewares=[_guard(knower(lambda: self.users))])
        app.add_routes(
            [
                web.post("/alerts/{chat}", self._alerts),
                web.post("/deadman", self._deadman),
                web.get("/-/healthy", _healthy),
            ]
        )
        app.cleanup_ctx.append(self._resources)
        return app

    async def _resources(self, _app: web.Application) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=float(self.settings.timeout))
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True) as session:
            self.session = session
            watch = spawn(self._watch(), "deadman")
            yield
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch

    async def _alerts(self, request: web.Request) -> web.Response:
        lang = request.query.get("lang", "vi")
        try:
            payload = json.loads(await request.text())
            key = f"{request.match_info['chat']} {payload['groupKey']}"
            status = payload["status"]
        except (ValueError, KeyError, TypeError):
            return web.Response(status=400, text="not an Alertmanager webhook (version 4)\n")
        if lang not in WORDS:
            return web.Response(status=400, text="lang is vi or en\n")
        known = key in self.told
        if status == "resolved" and not known:
            return web.Response(text="never told, so nothing to take back\n")
        try:
            await self.send(request.match_info["chat"], compose(payload, lang, self.zone, known=known))
        except DeliveryError as error:
            log.warning("not delivered", extra={"error": str(error), "again": error.again})
            # On 5xx Alertmanager tries again at once; of a refusal it tells, and comes back with the group's next turn.
            return web.Response(status=503 if error.again else 422, text=f"{error}\n")
        if status == "resolved":
            del self.told[key]
        else:
            self.told[key] = self.clock()
        self._save()
        return web.Response(text="delivered\n")

    async def _deadman(self, _request: web.Request) -> web.Response:
        self.last_sign = self.clock()
        if self.silent:
            self.silent = False
            await self._tell_all(BACK)
        return web.Response(text="noted\n")

    async def _watch(self) -> None:
        after = float(self.settings.deadman.after)
        while True:
            await asyncio.sleep(min(after / 4, 15.0))
            if not self.silent and self.clock() - self.last_sign > after:
                self.silent = True
                await self._tell_all({lang: text.format(round(after / 60)) for lang, text in SILENT.items()})

    async def _tell_all(self, texts: dict[str, str]) -> None:
        for chat in self.settings.deadman.chats:
            try:
                await self.send(chat.id, texts[chat.lang])
            except DeliveryError as error:
                log.error("not delivered", extra={"error": str(error)})

    async def send(self, chat: str, text: str) -> None:
        """Send one message, with a few tries.

        Raises:
            DeliveryError: Zalo refused it, or could not be reached.
        """
        if self.session is None:
            message = "the bridge is not running"
            raise DeliveryError(message)
        wait = self.first_wait
        for attempt in range(_ATTEMPTS):
            try:
                return await self._try(self.session, chat, text)
            except DeliveryError as error:
                if not error.again or attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(max(wait, error.wanted))
            wait *= 2
        return None

    async def _try(self, session: aiohttp.ClientSession, chat: str, text: str) -> None:
        url = f"{self.settings.api.rstrip('/')}/bot{self.token}/sendMessage"
        try:
            async with session.post(url, json={"chat_id": chat, "text": text}) as answer:
                body = await answer.json(content_type=None)
                if answer.status < 300 and isinstance(body, dict) and body.get("ok") is True:
                    return
                found = body if isinstance(body, dict) else {}
                said = f"Zalo answered {answer.status} {found.get('description', '')}".replace(self.token, "<token>").strip()
                codes = {answer.status, found.get("error_code")}
                again = bool(codes & {408, 429}) or answer.status >= 500
                wanted = answer.headers.get("Retry-After", "")
                raise DeliveryError(said, again=again, wanted=min(float(wanted), _LONGEST_WAIT) if wanted.isdigit() else 0.0)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            # Their text may hold the address, and the address holds the token.
            message = f"Zalo cannot be reached: {type(error).__name__}"
            raise DeliveryError(message) from None

    def _load(self) -> dict[str, float]:
        if self.state_file is None:
            return {}
        try:
            found = json.loads(self.state_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): float(value) for key, value in found.items()}

    def _save(self) -> None:
        self.told = {key: moment for key, moment in self.told.items() if self.clock() - moment < _KEPT}
        if self.state_file is not None:
            temporary = self.state_file.with_suffix(".new")
            temporary.write_text(json.dumps(self.told), encoding="utf-8")
            temporary.replace(self.state_file)


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _secret(path: Path, advice: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}; {advice}"
        raise ConfigError([message]) from None


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        message = f"timezone: {name} is no time zone; write one such as Asia/Ho_Chi_Minh"
        raise ConfigError([message]) from None


def run(path: Path) -> None:
    """Run the bridge until it is told to stop.

    Raises:
        ConfigError: a mistake in the configuration.
    """
    settings = read_as(path, NotifySettings)
    bridge = Bridge(settings, path.absolute().parent)
    host, _, port = settings.listen.rpartition(":")
    web.run_app(bridge.application(), host=host.strip("[]") or None, port=int(port), print=None)
