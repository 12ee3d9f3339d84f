"""The HTTP side of the ledger and the spool: gaps for everybody who may see metrics, carrying for this computer only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from agent.forward.assembly import Forward

NAME = "X-Spool-Export"


def add_routes(app: web.Application, forward: Forward, *, local: bool) -> None:
    """Add the routes; `local` is the Unix socket, which only this computer's administrators reach."""
    handlers = _Handlers(forward)
    app.router.add_get("/api/v1/gaps", handlers.gaps)
    if local:
        app.router.add_post("/api/v1/spool/export", handlers.export)
        app.router.add_post("/api/v1/spool/carried/{name}", handlers.carried)
        app.router.add_post("/api/v1/spool/release", handlers.release)


class _Handlers:
    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    async def gaps(self, request: web.Request) -> web.Response:
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            return web.Response(status=400, text="since is a number of seconds since 1970\n")
        return web.json_response({"gaps": [dataclasses.asdict(gap) for gap in self._forward.ledger.gaps(since)]})

    async def export(self, request: web.Request) -> web.StreamResponse:
        spool = self._forward.spool
        if spool is None:
            return web.Response(status=404, text="no remote_write is configured, so there is no spool\n")
        try:
            name, path = await spool.export()
        except Exception as error:
            return web.Response(status=507, text=f"the spool cannot be copied: {error}\n")
        try:
            response = web.StreamResponse(headers={NAME: name, "Content-Length": str(path.stat().st_size)})
            await response.prepare(request)
            with path.open("rb") as handle:
                while chunk := handle.read(65536):
                    await response.write(chunk)
            await response.write_eof()
        finally:
            path.unlink()
        return response

    async def carried(self, request: web.Request) -> web.Response:
        spool = self._forward.spool
        if spool is not None:
            await spool.carried(request.match_info["name"])
        return web.Response(status=204)

    async def release(self, request: web.Request) -> web.Response:
        spool = self._forward.spool
        confirmed = "unconfirmed" not in request.query
        samples = 0 if spool is None else await spool.release(confirmed=confirmed)
        return web.json_response({"samples": samples})
