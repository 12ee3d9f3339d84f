"""The HTTP side: metrics, health, status and reload, over TCP and over a Unix socket for local commands."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent import __version__, exposition, privileges, selfmon
from agent.auth import guard
from agent.forward import api
from agent.httpd import HTML, HttpServer, Request, Response, as_json
from agent.statedir import SOCKET_NAME
from agent.webconfig import WebConfig
from collectors import bandwidth, links
from collectors.model import Histogram, Metric

if TYPE_CHECKING:
    from agent.app import Agent

log = logging.getLogger(__name__)
STOP_WITHIN = 0.5


class ListenError(Exception):
    """The address cannot be listened on."""


class Server:
    """Serves one agent; started before the first collector, stopped after the last."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._servers: list[HttpServer] = []
        self._web = WebConfig()
        self._local: Path | None = None

    async def start(self) -> None:
        """Listen as configured, and on the Unix socket where there is a state directory.

        Raises:
            ListenError: the address is in use or not ours.
            ConfigError: the web configuration cannot be used.
        """
        core = self._agent.settings.core
        if core.web_config_file:
            self._web = WebConfig.load(self._agent.settings.file(core.web_config_file))
        host, _, port = core.listen.rpartition(":")
        host = host.strip("[]")
        lacks = [what for what, given in (("TLS", self._web.tls), ("authentication", self._web.users)) if not given]
        if lacks and not _is_loopback(host):
            log.warning(
                "listening beyond this computer; see web_config_file",
                extra={"listen": core.listen, "without": " and ".join(lacks)},
            )
        try:
            await self._made(guarded=True).listen(None if host in {"", "::"} else host, int(port), self._web.tls)
        except OSError as error:
            code = (
                errno.EADDRNOTAVAIL if error.errno is None else error.errno
            )  # Python 3.13 tries each address, and drops the code
            reason = os.strerror(code) if code > 0 else error.strerror or str(error)
            message = f"cannot listen on {core.listen}: {reason}; name another address with the key listen"
            raise ListenError(message) from None
        if self._agent.directory is not None and hasattr(socket, "AF_UNIX"):
            await self._listen_locally(self._agent.directory / SOCKET_NAME)

    def renew(self) -> None:
        """Take over renewed certificates, keys and users; connections that are open go on as they are.

        Raises:
            ConfigError: they cannot be used; the present ones stay.
        """
        name = self._agent.settings.core.web_config_file
        if name is None:
            return
        found = WebConfig.load(self._agent.settings.file(name))
        if self._web.tls is not None and found.files is not None:
            found.files.load_into(self._web.tls)
        self._web = WebConfig(self._web.tls, found.users, found.files)

    async def _listen_locally(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            old = os.umask(0o117)  # so that the socket is never open to others, not even between bind and chmod
            try:
                await self._made(guarded=False).listen_locally(path)
                self._local = path
            finally:
                os.umask(old)
        except OSError as error:
            log.warning("no local socket: diagnose and gaps see no history", extra={"path": str(path), "error": str(error)})

    def _made(self, *, guarded: bool) -> HttpServer:
        server = HttpServer(guard(lambda: self._web.users) if guarded else None)
        server.add("GET", "/metrics", self._metrics)
        server.add("GET", "/-/healthy", self._healthy)
        server.add("GET", "/-/ready", self._ready)
        server.add("POST", "/-/reload", self._reload)
        server.add("GET", "/api/v1/status", self._status)
        server.add("GET", "/", self._index)
        api.add_routes(server, self._agent.forward, local=not guarded)
        self._servers.append(server)
        return server

    async def stop(self) -> None:
        """Stop listening, and leave no socket behind at which nobody answers."""
        await asyncio.gather(*(server.stop(STOP_WITHIN) for server in self._servers))
        if self._local is not None:
            with contextlib.suppress(OSError):
                self._local.unlink(missing_ok=True)

    async def _metrics(self, request: Request) -> Response:
        openmetrics = exposition.prefers_openmetrics(request.header("accept"))
        body = exposition.render(self._agent.state.series(), openmetrics=openmetrics)
        return Response(body, type=exposition.OPENMETRICS if openmetrics else exposition.TEXT, compress=True)

    async def _healthy(self, _: Request) -> Response:
        return Response("healthy\n")

    async def _ready(self, _: Request) -> Response:
        return Response("ready\n") if self._agent.ready else Response("starting\n", 503)

    async def _reload(self, request: Request) -> Response:
        if request.remote and not _is_loopback(request.remote):  # no address: the Unix socket
            return Response("reload is for this computer only\n", 403)
        outcome = await self._agent.reload()
        return Response("reloaded\n") if outcome.error is None else Response(outcome.error + "\n", 400)

    async def _index(self, _: Request) -> Response:
        links = "".join(
            f'<li><a href="{path}">{path}</a></li>' for path in ("/metrics", "/api/v1/status", "/-/healthy", "/-/ready")
        )
        page = f"<!doctype html><title>commune-agent</title><h1>commune-agent {__version__}</h1><ul>{links}</ul>"
        return Response(page, type=HTML)

    async def _status(self, _: Request) -> Response:
        return as_json(status(self._agent))


def status(agent: Agent) -> dict[str, Any]:
    """What `/api/v1/status` tells: every instance with its last outcome, and what was found around the machine."""
    clock = agent.machine.clock
    rows = []
    taken = {(reading.kind, reading.target): reading.taken for reading in agent.state.readings()}
    for (kind, target), run in sorted(agent.scheduler.runs.items()):
        moment = taken.get((kind, target))
        rows.append(
            {
                "collector": kind,
                "target": target,
                "reason": run.reason.value if run.reason else None,
                "detail": run.detail,
                "duration_seconds": round(run.seconds, 6),
                "taken": None if moment is None else round(clock.true_at(moment), 3),
                "last_success": None if run.last_success is None else round(run.last_success, 3),
                "runs": run.runs,
            }
        )
    around = agent.surroundings
    return {
        "version": __version__,
        "site": {
            name: getattr(agent.settings.core.site, name) for name in ("province", "commune", "site", "instance", "role", "zone")
        },
        "ready": agent.ready,
        "missing_capabilities": [
            capability.name
            for capability in privileges.missing(agent.machine, wireless=any(i.wireless for i in around.interfaces))
        ],
        "time": round(clock.true(), 3),
        "surroundings": {
            "routes": [
                {"family": r.family, "interface": r.interface, "gateway": r.gateway, "metric": r.metric} for r in around.routes
            ],
            "resolvers": list(around.resolvers),
            "interfaces": [{"name": i.name, "addresses": list(i.addresses), "wireless": i.wireless} for i in around.interfaces],
        },
        "instances": rows,
        "clock_offset_seconds": next(iter(_values(agent, selfmon.CLOCK_OFFSET)), None),
        "spool": {
            "pending_samples": next(iter(_values(agent, selfmon.SPOOL_PENDING)), None),
            "oldest_timestamp_seconds": next(iter(_values(agent, selfmon.SPOOL_OLDEST)), None),
        },
        "bandwidth": _tests(agent),
        "utilization": _utilization(agent),
        "changes": agent.changes.rows(),
    }


def _values(agent: Agent, metric: Metric) -> list[float]:
    return [
        series.value for series in agent.state.series() if series.metric is metric and not isinstance(series.value, Histogram)
    ]


def _tests(agent: Agent) -> list[dict[str, Any]]:
    """The last throughput test of each link, in bytes per second."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    names = {bandwidth.DOWNLOAD: "download", bandwidth.UPLOAD: "upload"}
    for series in agent.state.series():
        if series.metric in names:
            labels = dict(zip(series.metric.labels, series.labels, strict=True))
            found.setdefault(series.labels, labels)[names[series.metric]] = series.value
    return list(found.values())


def _utilization(agent: Agent) -> list[dict[str, Any]]:
    """How full each line is, as a share: the whole site's use where the router's port is read."""
    return [
        {**dict(zip(series.metric.labels, series.labels, strict=True)), "ratio": series.value}
        for series in agent.state.series()
        if series.metric is links.UTILIZATION
    ]


def _is_loopback(host: str) -> bool:
    """Is this a loopback address? A name other than localhost is not; nor is the empty one, which means everywhere."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
