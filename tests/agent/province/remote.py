"""A small pusher for tests: series to a real remote-write receiver, and a real Prometheus and Alertmanager to hold them."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cramjam
import pytest
import yaml

Point = tuple[float, float]
Labelled = tuple[dict[str, str], list[Point]]
PORTS = {
    "victoria-metrics": (8428,),
    "vmalert": (8880,),
    "vmstorage": (8482, 8400, 8401),
    "vminsert": (8480,),
    "vmselect": (8481,),
    "mimir": (9009, 9095, 7946),
}
"""Where each program of an engine listens: HTTP first, then vmstorage for vminsert and vmselect, Mimir for gRPC and memberlist."""
RINGS = ("ingester", "distributor", "compactor", "store-gateway.sharding", "ruler", "query-scheduler", "overrides-exporter")
TENANT = {"X-Scope-OrgID": "lam-dong"}
"""Which province's series a query means, for engines that hold several."""
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def encode(series: Iterable[Labelled]) -> bytes:
    """A remote-write 1.0 request body (prometheus.WriteRequest, Snappy block format)."""
    found = bytearray()
    for labels, points in series:
        body = b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in sorted(labels.items()))
        body += b"".join(
            _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(int(moment * 1000))) for moment, value in points
        )
        found += _field(1, body)
    return bytes(cramjam.snappy.compress_raw(bytes(found)))


def request(
    url: str, body: bytes | None = None, *, user: str = "", password: str = "", context: Any = None, **headers: str
) -> bytes:
    """One HTTP request without any proxy; raises on a status of 400 and above."""
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    asked = urllib.request.Request(url, data=body, headers=headers)
    if context is not None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        with opener.open(asked, timeout=60) as answer:
            return bytes(answer.read())
    with _OPENER.open(asked, timeout=60) as answer:
        return bytes(answer.read())


@dataclass(frozen=True)
class Login:
    """How an agent logs in at the front: its user and password, and the authority of the front's certificate."""

    user: str
    password: str
    ca_file: Path

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


def push(url: str, series: Iterable[Labelled], login: Login | None = None) -> None:
    """Push series to a receiver."""
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    if login is None:
        request(f"{url}/api/v1/write", encode(series), **headers)
    else:
        own = {"user": login.user, "password": login.password, "context": login.context}
        request(f"{url}/api/v1/write", encode(series), **own, **headers)  # type: ignore[arg-type]


def query(url: str, expression: str, *, span: float = 0, step: int = 15, at: float | None = None) -> list[dict[str, Any]]:
    """The result of an instant query, or of a range query over the last `span` seconds."""
    now = time.time() if at is None else at
    fields: dict[str, str] = {"query": expression}
    fields |= {"start": str(now - span), "end": str(now), "step": str(step)} if span else {"time": str(now)}
    path = "query_range" if span else "query"
    try:
        answer = json.loads(request(f"{url}/api/v1/{path}", urllib.parse.urlencode(fields).encode(), **TENANT))
    except urllib.error.HTTPError as error:
        raise AssertionError(expression + "\n" + error.read().decode()) from None
    return list(answer["data"]["result"])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(
    command: list[str], ready: str, log: Path, *, context: Any = None, within: float = 30
) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the end of the block, once its `ready` address answers."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed; `make packages` installs it, if Debian has it")
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        try:
            deadline = time.monotonic() + within
            while True:
                try:
                    request(ready, context=context)
                    break
                except OSError as error:
                    if isinstance(error, urllib.error.HTTPError) and error.code != 503:
                        break
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def prometheus(tree: Path, work: Path, *, alertmanager: str = "", interval: str = "") -> Iterator[str]:
    """The rendered Prometheus on loopback, without TLS; `interval` makes every rule group evaluate at that pace."""
    rules = work / "rules"
    rules.mkdir()
    for file in tree.glob("prometheus/rules/*.yml"):
        text = file.read_text(encoding="utf-8")
        if interval:
            text = re.sub(r"^( *)interval: .*$", rf"\1interval: {interval}", text, flags=re.MULTILINE)
        (rules / file.name).write_text(text, encoding="utf-8")
    config = yaml.safe_load((tree / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
    config["rule_files"] = [f"{rules}/*.yml"]
    config["scrape_configs"] = []
    config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]} if alertmanager else {}
    (work / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={work}/prometheus.yml",
        f"--storage.tsdb.path={work}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        "--web.enable-remote-write-receiver",
        "--storage.tsdb.retention.time=400d",
        "--log.level=warn",
    ]
    with running(command, f"http://127.0.0.1:{port}/-/ready", work / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"


def _known(program: str, flags: Iterable[str]) -> list[str]:
    """The flags that the installed release knows too; the containers' is newer."""
    if shutil.which(program) is None:
        return []
    listed = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=30)
    return [
        flag
        for flag in flags
        if re.search(rf"^  -{re.escape(flag[1:].split('=')[0])}\b", listed.stdout + listed.stderr, re.MULTILINE)
    ]


@contextlib.contextmanager
def engine(tree: Path, work: Path, alertmanager: str) -> Iterator[tuple[str, str]]:
    """The rendered engine (VictoriaMetrics, its cluster, Mimir) and TLS front, with the flags of `docker-compose.yml`.

    Gives the address that answers queries and the one that agents write to. Nginx runs as in its container: begun by root, its
    workers somebody else, the folder of certificates and users mounted where anybody may look.
    """
    compose = yaml.safe_load((tree / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    images = {name: service["image"].partition(":")[0].rpartition("/")[2] for name, service in compose.items()}
    programs = {name: program for name, program in images.items() if program in PORTS}
    places = {
        "/etc/prometheus": str(tree / "prometheus"),
        "/etc/commune/rules": str(tree / "rules"),
        "/etc/mimir": str(work),
        "alertmanager:9093": alertmanager,
    }
    for name, program in programs.items():
        places |= {f"{name}:{port}": f"127.0.0.1:{free_port()}" for port in PORTS[program]}

    def here(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    with tempfile.TemporaryDirectory() as mounted, contextlib.ExitStack() as stack:
        for name, program in programs.items():
            listen, *others = (places[f"{name}:{port}"] for port in PORTS[program])
            flags = _known(program, [here(flag.replace("/data", str(work / name))) for flag in compose[name]["command"]])
            health = "health"
            if program == "vmstorage":
                flags += [f"-vminsertAddr={others[0]}", f"-vmselectAddr={others[1]}"]
            if program == "mimir":
                text = here((tree / "mimir/mimir.yml").read_text(encoding="utf-8").replace("/data", str(work / name)))
                (work / "mimir.yml").write_text(text, encoding="utf-8")
                flags += _mimir_flags(listen, *others)
                health = "ready"
            else:
                flags.append(f"-httpListenAddr={listen}")
            stack.enter_context(running([program, *flags], f"http://{listen}/{health}", work / f"{name}.log", within=120))
        Path(mounted).chmod(0o755)
        shutil.copytree(tree / "front/tls", f"{mounted}/tls")
        front = f"127.0.0.1:{free_port()}"
        text = here((tree / "front/nginx.conf").read_text(encoding="utf-8")).replace("/etc/nginx/tls", f"{mounted}/tls")
        text = text.replace("listen 9443", f"listen {front}")
        paths = "".join(f"{path}_temp_path {mounted}/{path}; " for path in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (work / "nginx.conf").write_text(
            f"daemon off; pid {work}/pid; events {{}}\nhttp {{ {paths}\n{text}\n}}\n", encoding="utf-8"
        )
        trusted = ssl.create_default_context(cafile=str(tree / "front/tls/ca.crt"))
        nginx = ["nginx", "-e", f"{work}/nginx.log", "-p", str(work), "-c", f"{work}/nginx.conf"]
        stack.enter_context(running(nginx, f"https://{front}/-/healthy", work / "nginx.out", context=trusted))
        sources = yaml.safe_load((tree / "grafana/provisioning/datasources/commune.yml").read_text(encoding="utf-8"))
        yield here(sources["datasources"][0]["url"]), f"https://{front}"


@contextlib.contextmanager
def served(backend: str, tree: Path, work: Path, manager: str) -> Iterator[tuple[str, str, Login | None]]:
    """The rendered engine: where it answers, where agents write, and how one logs in there (Prometheus: past its front)."""
    if backend == "prometheus":
        with prometheus(tree, work, alertmanager=manager) as url:
            yield url, url, None
    else:
        user = min(path.stem for path in tree.glob("secrets/*-counter-1.password"))
        login = Login(user, (tree / f"secrets/{user}.password").read_text().strip(), tree / "front/tls/ca.crt")
        with engine(tree, work, manager) as (url, front):
            yield url, front, login


def _mimir_flags(http: str, grpc: str, memberlist: str) -> list[str]:
    """Everything on loopback: in its container it takes the address of its network card."""
    flags = ["-memberlist.bind-addr=127.0.0.1", "-memberlist.advertise-addr=127.0.0.1"]
    flags += [f"-memberlist.bind-port={memberlist.partition(':')[2]}", "-query-frontend.instance-addr=127.0.0.1"]
    for kind, listen in (("http", http), ("grpc", grpc)):
        flags += [f"-server.{kind}-listen-address=127.0.0.1", f"-server.{kind}-listen-port={listen.partition(':')[2]}"]
    return [*flags, *(f"-{part}{'-' if part.endswith('sharding') else '.'}ring.instance-addr=127.0.0.1" for part in RINGS)]


@contextlib.contextmanager
def alertmanager(config: Path, work: Path) -> Iterator[str]:
    """A real Alertmanager on loopback; gives host:port."""
    port = free_port()
    command = [
        "prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={work}/alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    with running(command, f"http://127.0.0.1:{port}/-/ready", work / "alertmanager.log"):
        yield f"127.0.0.1:{port}"
