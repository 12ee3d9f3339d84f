"""Basic authentication of the HTTP side, against the bcrypt hashes of the web configuration."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping

from agent.httpd import Guard, Request, Response

ASK = {"WWW-Authenticate": 'Basic realm="commune-agent"'}


def guard(users: Callable[[], Mapping[str, str]]) -> Guard:
    """Let nobody pass whom `users()` does not know; everybody where it is empty."""
    known = knower(users)

    async def check(request: Request) -> Response | None:
        return None if await known(request.head.get("authorization")) else Response("unauthorized\n", 401, headers=ASK)

    return check


def knower(users: Callable[[], Mapping[str, str]]) -> Callable[[str | None], Awaitable[bool]]:
    """A judge of Authorization headers: a user and password of `users()`, bcrypt hashes by name; anything where that is empty.

    bcrypt is slow on purpose; a password that it accepted is remembered as a keyed digest, so that a scrape every
    few seconds does not cost its 50 ms of processor time each time. At most two are computed at once, so that
    guesses from the network take neither the processor nor the threads that collectors work in.
    """
    secret = os.urandom(32)
    accepted: dict[str, tuple[str, bytes]] = {}
    turn = asyncio.Semaphore(2)

    async def known(user: str, password: str) -> bool:
        hashes = users()
        digest = hmac.new(secret, password.encode(), hashlib.sha256).digest()
        # An unknown user costs as much as a known one, so that names cannot be told apart by time.
        stored = hashes.get(user) or next(iter(hashes.values()))
        remembered = accepted.get(user)
        if remembered is not None and remembered[0] == stored and hmac.compare_digest(remembered[1], digest):
            return True
        async with turn:
            matches = await asyncio.to_thread(_matches, password, stored)
        if matches and user in hashes:
            accepted[user] = (stored, digest)
            return True
        return False

    async def judge(header: str | None) -> bool:
        if not users():
            return True
        scheme, _, token = (header or "").partition(" ")
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except ValueError:  # no Base64, or no UTF-8
            return False
        return scheme.lower() == "basic" and bool(user) and await known(user, password)

    return judge


def _matches(password: str, stored: str) -> bool:
    import bcrypt  # noqa: PLC0415  only where authentication is configured

    try:
        return bcrypt.checkpw(password.encode()[:72], stored.encode())
    except ValueError:  # a cost or a NUL that the algorithm does not take
        return False
