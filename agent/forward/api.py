"""The HTTP side of the ledger and the spool: gaps for everybody who may see metrics, carrying for this computer only."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from agent.httpd import HttpServer, Request, Response, as_json

if TYPE_CHECKING:
    from agent.forward.assembly import Forward

NAME = "X-Spool-Export"


def add_routes(server: HttpServer, forward: Forward, *, local: bool) -> None:
    """Add the routes; `local` is the Unix socket, which only this computer's administrators reach."""
    handlers = _Handlers(forward)
    server.add("GET", "/api/v1/gaps", handlers.gaps)
    if local:
        server.add("POST", "/api/v1/spool/export", handlers.export)
        server.add("POST", "/api/v1/spool/carried", handlers.carried)
        server.add("POST", "/api/v1/spool/release", handlers.release)


class _Handlers:
    def __init__(self, forward: Forward) -> None:
        self._forward = forward

    async def gaps(self, request: Request) -> Response:
        try:
            since = float(request.query.get("since", "0"))
        except ValueError:
            return Response("since is a number of seconds since 1970\n", 400)
        return as_json({"gaps": [dataclasses.asdict(gap) for gap in self._forward.ledger.gaps(since)]})

    async def export(self, request: Request) -> Response:
        spool = self._forward.spool
        if spool is None:
            return Response("no remote_write is configured, so there is no spool\n", 404)
        try:
            if "clock_is_right" in request.query:
                await self._forward.trust_clock()
            name, path = await spool.export()
        except Exception as error:
            return Response(f"the spool cannot be copied: {error}\n", 507)
        try:
            return Response(type="application/octet-stream", headers={NAME: name}, file=path.open("rb"))
        finally:
            path.unlink()

    async def carried(self, request: Request) -> Response:
        spool = self._forward.spool
        if spool is None or not await spool.carried(request.query.get("name", "")):
            return Response("the agent was restarted during the export; repeat it\n", 409)
        return Response(status=204)

    async def release(self, request: Request) -> Response:
        spool = self._forward.spool
        confirmed = "unconfirmed" not in request.query
        samples = 0 if spool is None else await spool.release(confirmed=confirmed)
        return as_json({"samples": samples})
