"""The Zalo bridge against a Zalo of our own on loopback."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.config import ConfigError
from agent.province.notify import Bridge, Chat, DeadmanSettings, NotifySettings, run
from collectors.wire.units import Duration
from tests.agent.province.test_message import incident

TOKEN = "123:geheim"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Zalo:
    """What the Bot API does, as far as the bridge sees it."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}

    async def handle(self, request: web.Request) -> web.Response:
        assert request.path == f"/bot{TOKEN}/sendMessage"
        if self.answers:
            status, body = self.answers.pop(0)
            return web.json_response(body, status=status, headers=self.headers)
        sent = await request.json()
        self.messages.append((sent["chat_id"], sent["text"]))
        return web.json_response({"ok": True, "result": {"message_id": "1"}})


class Setup:
    def __init__(self, zalo: Zalo, bridge: Bridge, url: str) -> None:
        self.zalo, self.bridge, self.url = zalo, bridge, url
        self.login = {"Authorization": basic("alertmanager", "parole")}

    async def post(self, path: str, payload: Any) -> int:
        async with aiohttp.ClientSession(headers=self.login) as session, session.post(self.url + path, json=payload) as answer:
            return answer.status


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    zalo = Zalo()
    app = web.Application()
    app.router.add_post("/{tail:.*}", zalo.handle)
    async with TestServer(app) as api:
        (tmp_path / "token").write_text(TOKEN + "\n", encoding="utf-8")
        deadman = DeadmanSettings(after=Duration(0.4), chats=(Chat(id="42"), Chat(id="43", lang="en")))
        (tmp_path / "password").write_text("parole\n", encoding="utf-8")
        settings = NotifySettings(
            token_file="token", password_file="password", api=str(api.make_url("")), state_file="state.json", deadman=deadman
        )
        bridge = Bridge(settings, tmp_path)
        bridge.first_wait = 0.01
        bridge.last_sign += 3600
        async with TestServer(bridge.application()) as server:
            yield Setup(zalo, bridge, str(server.make_url("")).rstrip("/"))


async def test_incident_update_and_recovery_are_one_message_each(setup: Setup) -> None:
    assert await setup.post("/alerts/77", incident()) == 200
    assert await setup.post("/alerts/77", incident(count=2)) == 200
    assert await setup.post("/alerts/77", incident("resolved")) == 200
    texts = [text for chat, text in setup.zalo.messages if chat == "77"]
    assert [re.split(" lúc |:", text)[0] for text in texts] == ["SỰ CỐ", "CẬP NHẬT", "ĐÃ KHÔI PHỤC"]
    assert "Việc cần làm: Gọi đầu mối." in texts[0]
    assert "http://g/d/commune-commune" in texts[0]


async def test_english_and_what_was_never_told(setup: Setup) -> None:
    assert await setup.post("/alerts/78?lang=en", incident("resolved")) == 200
    assert setup.zalo.messages == []
    assert await setup.post("/alerts/78?lang=en", incident()) == 200
    assert setup.zalo.messages == [("78", "INCIDENT at 14:05 26/11: A is dark.\nNext step: Call.\nhttp://g/d/commune-commune")]


async def test_a_busy_zalo_is_asked_again(setup: Setup) -> None:
    setup.zalo.answers = [(429, {"ok": False, "error_code": 429, "description": "slow down"}), (502, {})]
    assert await setup.post("/alerts/77", incident()) == 200
    assert len(setup.zalo.messages) == 1


async def test_a_busy_zalo_is_left_alone_as_long_as_it_asks(setup: Setup) -> None:
    setup.zalo.answers = [(429, {"ok": False}), (200, {"ok": False, "error_code": 429, "description": "slow down"})]
    setup.zalo.headers = {"Retry-After": "1"}
    begin = time.monotonic()
    assert await setup.post("/alerts/77", incident()) == 200
    assert time.monotonic() - begin >= 2
    assert len(setup.zalo.messages) == 1


async def test_a_zalo_that_stays_away_leaves_it_to_alertmanager(setup: Setup) -> None:
    setup.zalo.answers = [(503, {})] * 4
    assert await setup.post("/alerts/77", incident()) == 503
    assert await setup.post("/alerts/77", incident()) == 200
    assert len(setup.zalo.messages) == 1


async def test_only_alertmanager_may_send(setup: Setup) -> None:
    login = setup.login
    setup.login = {}
    assert await setup.post("/alerts/77", incident()) == 401
    assert await setup.post("/deadman", {}) == 401
    setup.login = {"Authorization": basic("alertmanager", "falsch")}
    assert await setup.post("/alerts/77", incident()) == 401
    assert setup.zalo.messages == []
    setup.login = login
    assert await setup.post("/alerts/77", incident()) == 200


async def test_a_refusal_is_handed_back_without_the_token(setup: Setup) -> None:
    refusal = {"ok": False, "error_code": 401, "description": f"bad token {TOKEN}"}
    setup.zalo.answers = [(401, refusal)]
    async with (
        aiohttp.ClientSession(headers=setup.login) as session,
        session.post(setup.url + "/alerts/77", json=incident()) as answer,
    ):
        assert answer.status == 422, "no use in trying again at once"
        text = await answer.text()
    assert "bad token" in text
    assert TOKEN not in text
    assert await setup.post("/alerts/77", incident()) == 200
    assert setup.zalo.messages[0][1].startswith("SỰ CỐ"), "what was not delivered was not told"


async def test_incidents_survive_a_restart(setup: Setup, tmp_path: Path) -> None:
    await setup.post("/alerts/77", incident())
    again = Bridge(setup.bridge.settings, tmp_path)
    assert again.told.keys() == setup.bridge.told.keys() != set()


async def test_silence_of_the_provinces_monitoring_is_told_once(setup: Setup) -> None:
    setup.bridge.last_sign -= 7200
    await asyncio.sleep(0.5)
    assert [chat for chat, _ in setup.zalo.messages] == ["42", "43"]
    assert setup.zalo.messages[1][1].startswith("INCIDENT: the province's monitoring has been silent")
    assert await setup.post("/deadman", {}) == 200
    assert [text.split(":")[0] for _, text in setup.zalo.messages[2:]] == ["ĐÃ KHÔI PHỤC", "RECOVERED"]


async def test_nonsense_is_refused(setup: Setup) -> None:
    assert await setup.post("/alerts/77", {"hello": 1}) == 400
    assert await setup.post("/alerts/77?lang=fr", incident()) == 400
    assert setup.zalo.messages == []


def test_mistakes_are_told(tmp_path: Path) -> None:
    (tmp_path / "notify.yaml").write_text("token_file: none\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="write the bot's token into it"):
        run(tmp_path / "notify.yaml")
    (tmp_path / "token").write_text("t\n", encoding="utf-8")
    (tmp_path / "notify.yaml").write_text("token_file: token\ntimezone: Asia/Saigonn\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="timezone: Asia/Saigonn is no time zone"):
        run(tmp_path / "notify.yaml")
    (tmp_path / "notify.yaml").write_text("token: abc\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"notify.yaml:1: token: unknown key; did you mean token_file\?"):
        run(tmp_path / "notify.yaml")
