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
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import aiohttp
from aiohttp import web
from msgspec import Meta

from agent.config import ConfigError, read_as
from agent.settings import HostPort
from agent.tasks import spawn
from collectors.site import Name, Settings, seconds
from collectors.wire.units import Duration

log = logging.getLogger(__name__)
LIMIT = 2000
_ATTEMPTS = 4
_FIRST_WAIT = 1.0
_KEPT = 7 * 86400
_WORDS = {
    "vi": {
        "new": "SỰ CỐ",
        "update": "CẬP NHẬT",
        "end": "ĐÃ KHÔI PHỤC",
        "next": "Việc cần làm",
        "more": "và {} việc khác",
        "since": "từ",
    },
    "en": {
        "new": "INCIDENT",
        "update": "UPDATE",
        "end": "RECOVERED",
        "next": "Next step",
        "more": "and {} more",
        "since": "since",
    },
}
_SILENT = {
    "vi": "SỰ CỐ: hệ thống giám sát của tỉnh im lặng từ {} phút. Kiểm tra máy chủ Prometheus và Alertmanager; trong lúc này không có cảnh báo nào.",
    "en": "INCIDENT: the province's monitoring has been silent for {} minutes. Check Prometheus and Alertmanager; no alarm comes meanwhile.",
}
_BACK = {
    "vi": "ĐÃ KHÔI PHỤC: hệ thống giám sát của tỉnh hoạt động lại.",
    "en": "RECOVERED: the province's monitoring works again.",
}


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
    listen: HostPort = "127.0.0.1:9796"
    api: Annotated[str, Meta(pattern="^https?://[^/].*$", description="an http:// or https:// URL")] = (
        "https://bot-api.zaloplatforms.com"
    )
    state_file: str | None = None
    timeout: Duration = seconds(10)
    deadman: DeadmanSettings = DeadmanSettings()


class DeliveryError(Exception):
    """Zalo did not take the message; the text says why, without the token."""


def compose(payload: dict[str, Any], lang: str, *, known: bool) -> str:
    """The text of one notification of Alertmanager (webhook version 4).

    Args:
        payload: what Alertmanager sent.
        lang: `vi` or `en`.
        known: this incident was told before, so that a firing one is an update.
    """
    words = _WORDS[lang]
    alerts = [alert for alert in payload.get("alerts", []) if isinstance(alert, dict)]
    ended = payload.get("status") == "resolved"
    head = words["end"] if ended else words["update" if known else "new"]
    firing = [alert for alert in alerts if alert.get("status") == "firing"] or alerts
    lines = []
    for alert in firing:
        notes = alert.get("annotations", {})
        text = str(notes.get(f"summary_{lang}") or alert.get("labels", {}).get("alertname", "?"))
        if not ended and notes.get(f"action_{lang}"):
            text += f"\n{words['next']}: {notes[f'action_{lang}']}"
        lines.append(text)
    link = next(
        (str(alert["annotations"]["dashboard_url"]) for alert in firing if alert.get("annotations", {}).get("dashboard_url")), ""
    )
    return _fitted(f"{head}: ", list(dict.fromkeys(lines)), link, words["more"])


def _fitted(head: str, lines: list[str], link: str, more: str) -> str:
    """As many whole lines as the limit allows, then how many were left out; the link stays."""
    tail = f"\n{link}" if link else ""
    for count in range(len(lines), 0, -1):
        rest = f"\n{more.format(len(lines) - count)}" if count < len(lines) else ""
        text = head + "\n".join(lines[:count]) + rest + tail
        if len(text) <= LIMIT:
            return text
    return (head + (lines[0] if lines else ""))[: LIMIT - len(tail) - 1] + "…" + tail


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
        self.token = _token(folder / settings.token_file)
        self.state_file = folder / settings.state_file if settings.state_file is not None else None
        self.told: dict[str, float] = self._load()
        self.last_sign = clock()
        self.silent = False
        self.first_wait = _FIRST_WAIT
        self.session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """The web application: `POST /alerts/<chat>?lang=vi`, `POST /deadman`, `/-/healthy`."""
        app = web.Application(client_max_size=4 * 2**20)
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
        if lang not in _WORDS:
            return web.Response(status=400, text="lang is vi or en\n")
        known = key in self.told
        if status == "resolved" and not known:
            return web.Response(text="never told, so nothing to take back\n")
        try:
            await self.send(request.match_info["chat"], compose(payload, lang, known=known))
        except DeliveryError as error:
            log.warning("not delivered; Alertmanager will try again", extra={"error": str(error)})
            return web.Response(status=503, text=f"{error}\n")
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
            await self._tell_all(_BACK)
        return web.Response(text="noted\n")

    async def _watch(self) -> None:
        after = float(self.settings.deadman.after)
        while True:
            await asyncio.sleep(min(after / 4, 15.0))
            if not self.silent and self.clock() - self.last_sign > after:
                self.silent = True
                await self._tell_all({lang: text.format(round(after / 60)) for lang, text in _SILENT.items()})

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
            reason, again = await self._try(self.session, chat, text)
            if reason is None:
                return
            if not again or attempt == _ATTEMPTS - 1:
                raise DeliveryError(reason)
            await asyncio.sleep(wait)
            wait *= 2
        return

    async def _try(self, session: aiohttp.ClientSession, chat: str, text: str) -> tuple[str | None, bool]:
        """None when delivered, else why not and whether another try makes sense."""
        url = f"{self.settings.api.rstrip('/')}/bot{self.token}/sendMessage"
        try:
            async with session.post(url, json={"chat_id": chat, "text": text}) as answer:
                body = await answer.json(content_type=None)
                if answer.status < 300 and isinstance(body, dict) and body.get("ok") is True:
                    return None, False
                said = str(body.get("description", "")) if isinstance(body, dict) else ""
                again = answer.status in {408, 429} or answer.status >= 500
                return f"Zalo answered {answer.status} {said}".replace(self.token, "<token>").strip(), again
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            # Their text may hold the address, and the address holds the token.
            return f"Zalo cannot be reached: {type(error).__name__}", True

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


def _token(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}; write the bot's token into it"
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
