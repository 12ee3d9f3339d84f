"""The HTTP side as clients meet it: formats, compression, TLS, authentication, reload, status, the local socket."""

import asyncio
import base64
import gzip
import json
import logging
import os
import socket
import ssl
import stat
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import aiohttp
import bcrypt
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from agent import config
from agent.app import Agent
from agent.server import ListenError, _is_loopback
from collectors import links
from collectors.machine import Machine
from collectors.model import Observations, Reading
from tests.agent.running import QUIET, ROOT, free_port
from tests.agent.test_exposition import strict
from tests.netlab import End, Lab, available


@asynccontextmanager
async def serving(folder: Path, text: str = "", listen: str | None = None) -> AsyncIterator[tuple[Agent, str]]:
    """An agent in this process, and its base URL."""
    port = free_port()
    file = folder / "agent.yaml"
    file.write_text(f'listen: "{listen or "127.0.0.1"}:{port}"\nstate_dir: state\n{text}\n{QUIET}')
    agent = Agent(file, config.load(file), Machine())
    task = asyncio.get_running_loop().create_task(agent.run())
    while not agent.ready:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    while not agent.scheduler.runs[("agent", "")].runs:  # noqa: ASYNC110  an agent has no event for that
        await asyncio.sleep(0.01)
    try:
        yield agent, f"127.0.0.1:{port}"
    finally:
        agent.stopping.set()
        await task


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


async def test_both_formats_plain_and_compressed(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, 'site: {name: "Phường", zone: \'a"b\'}') as (_, base):
        async with client.get(f"http://{base}/metrics", headers={"Accept-Encoding": "identity"}) as answer:
            plain = (await answer.read()).decode()
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {family.name: family for family in text_string_to_metric_families(plain)}
        assert families["commune_site_info"].samples[0].labels == {"name": "Phường", "zone": 'a"b'}
        assert "_created" not in plain
        headers = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", "Accept-Encoding": "gzip"}
        async with client.get(f"http://{base}/metrics", headers=headers) as answer:
            assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
            assert answer.headers["Content-Encoding"] == "gzip"
            body = gzip.decompress(await answer.read()).decode()
        assert {family.name for family in strict(body)} >= {"commune_agent", "commune_site"}
        async with client.head(f"http://{base}/metrics") as answer:
            assert (answer.status, await answer.read()) == (200, b"")


async def test_health_status_and_wrong_methods(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, "site: {province: lam-dong, commune: '24781', instance: counter-1}") as (agent, base):
        for path, method, status in [
            ("/-/healthy", "GET", 200),
            ("/-/ready", "GET", 200),
            ("/", "GET", 200),
            ("/nothing", "GET", 404),
            ("/-/reload", "GET", 405),
            ("/metrics", "POST", 405),
        ]:
            async with client.request(method, f"http://{base}{path}") as answer:
                assert (path, answer.status) == (path, status)
        async with client.get(f"http://{base}/api/v1/status") as answer:
            found = json.loads(await answer.read())
        assert found["site"]["commune"] == "24781"
        assert found["ready"] is True
        own = next(row for row in found["instances"] if row["collector"] == "agent")
        assert own["reason"] is None
        assert own["taken"] == pytest.approx(found["time"], abs=5)
        agent.ready = False
        async with client.get(f"http://{base}/-/ready") as answer:
            assert answer.status == 503


async def test_the_status_tells_how_full_each_line_is(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as (agent, base):
        found = Observations()
        found.set(links.UTILIZATION, 0.97, "internet", "download")
        agent.state.apply(Reading("links", "internet", agent.machine.clock.monotonic(), tuple(found.items)), 60.0)
        async with client.get(f"http://{base}/api/v1/status") as answer:
            told = json.loads(await answer.read())["utilization"]
        assert told == [{"link": "internet", "direction": "download", "ratio": 0.97}]


async def test_a_reload_takes_the_new_file_or_says_why_not(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path) as (agent, base):
        file = tmp_path / "agent.yaml"
        good = file.read_text()
        file.write_text(good + "hosts: {}\n")
        async with client.post(f"http://{base}/-/reload") as answer:
            assert answer.status == 400
            assert "hosts: unknown key; did you mean host?" in await answer.text()
        assert agent.settings.core.site.name == ""
        file.write_text(good + "site: {name: new}\n")
        async with client.post(f"http://{base}/-/reload") as answer:
            assert (answer.status, await answer.text()) == (200, "reloaded\n")
        assert agent.settings.core.site.name == "new"


async def test_the_local_socket_is_for_its_group_and_needs_no_password(tmp_path: Path) -> None:
    path = tmp_path / "state/agent.sock"
    users = {"ops": bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()}
    (tmp_path / "web.yml").write_text(json.dumps({"basic_auth_users": users}))
    async with serving(tmp_path, "web_config_file: web.yml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as local,
            local.get("http://agent/-/healthy") as answer,
            local.post("http://agent/-/reload") as reload,
        ):
            assert (answer.status, reload.status) == (200, 200)
    assert not path.exists()


async def test_an_address_in_use_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file = tmp_path / "agent.yaml"
        file.write_text(f"listen: 127.0.0.1:{port}\nstate_dir: state\n{QUIET}")
        with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use; name another address"):
            await Agent(file, config.load(file), Machine()).run()


@pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="no IPv6 in this kernel")
async def test_listens_on_ipv6(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, listen="[::1]") as (_, base):
        port = base.rpartition(":")[2]
        async with client.get(f"http://[::1]:{port}/-/healthy") as answer:
            assert answer.status == 200


@pytest.mark.parametrize(("listen", "warned"), [("0.0.0.0", True), ("", True), ("127.0.0.1", False), ("localhost", False)])
async def test_listening_to_others_is_warned_of(
    tmp_path: Path,
    listen: str,
    warned: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.WARNING, "agent.server")
    monkeypatch.setattr("agent.httpd.HttpServer.listen", lambda *_: asyncio.sleep(0))  # nothing is opened to others here
    file = tmp_path / "agent.yaml"
    file.write_text(f'listen: "{listen}:9797"\nstate_dir: state\n')
    agent = Agent(file, config.load(file), Machine())
    await agent.server.start()
    await agent.server.stop()
    said = [(record.message, vars(record)["without"]) for record in caplog.records if "listening" in record.message]
    assert said == ([("listening beyond this computer; see web_config_file", "TLS and authentication")] if warned else [])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True), ("", False),
     ("0.0.0.0", False), ("::", False), ("::ffff:10.0.0.1", False), ("192.168.1.5", False), ("pc.local", False), ("127.0.0.1.evil", False)],
)  # fmt: skip
def test_what_counts_as_this_computer(host: str, loopback: bool) -> None:  # noqa: FBT001
    assert _is_loopback(host) is loopback


# ── TLS and authentication ───────────────────────────────────────────────────────────────────────────────────────

CA = trustme.CA()


def web_config(folder: Path, **tls: str) -> None:
    """A web configuration with a certificate for 127.0.0.1 and the user ops, password hunter2."""
    certificate = CA.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    CA.cert_pem.write_to_path(folder / "ca.pem")
    server = {"cert_file": "cert.pem", "key_file": "key.pem", **tls}
    users = {"ops": bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()}
    (folder / "web.yml").write_text(json.dumps({"tls_server_config": server, "basic_auth_users": users}))


def trusting(client_name: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    if client_name is not None:
        CA.issue_cert(client_name).configure_cert(context)
    return context


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def test_tls_and_basic_authentication(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    web_config(tmp_path)
    async with serving(tmp_path, "web_config_file: web.yml") as (_, base):
        url = f"https://{base}/metrics"
        for headers, status in [
            ({}, 401),
            (basic("ops", "hunter2"), 200),
            (basic("ops", "hunter2"), 200),
            (basic("ops", "hunter3"), 401),
            (basic("admin", "hunter2"), 401),
            (basic("ops", ""), 401),
            (basic("", ""), 401),
            (basic("ops", "x" * 100), 401),
            (basic("ops", "a\0b"), 401),
            ({"Authorization": "Basic !!!"}, 401),
            ({"Authorization": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode()}, 401),
            ({"Authorization": "Bearer hunter2"}, 401),
        ]:
            async with client.get(url, headers=headers, ssl=trusting()) as answer:
                assert (headers, answer.status) == (headers, status)
                assert ("WWW-Authenticate" in answer.headers) is (status == 401)
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"http://{base}/metrics")
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(url)


async def test_client_certificates(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    web_config(tmp_path, client_ca_file="ca.pem", client_auth_type="RequireAndVerifyClientCert")
    async with serving(tmp_path, "web_config_file: web.yml") as (_, base):
        async with client.get(f"https://{base}/metrics", headers=basic("ops", "hunter2"), ssl=trusting("scraper")) as answer:
            assert answer.status == 200
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await client.get(f"https://{base}/metrics", headers=basic("ops", "hunter2"), ssl=trusting())


async def test_old_tls_is_refused(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    web_config(tmp_path, min_version="TLS13")
    async with serving(tmp_path, "web_config_file: web.yml") as (_, base):
        context = trusting()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(aiohttp.ClientError):
            await client.get(f"https://{base}/metrics", ssl=context)


async def test_a_reload_renews_certificate_and_users(tmp_path: Path) -> None:
    web_config(tmp_path)

    async def serial(base: str) -> str:
        host, _, port = base.partition(":")
        _, writer = await asyncio.open_connection(host, int(port), ssl=trusting())
        peer = writer.get_extra_info("peercert")
        writer.close()
        return str(peer["serialNumber"])

    async with serving(tmp_path, "web_config_file: web.yml") as (agent, base):
        before = await serial(base)
        web_config(tmp_path)
        assert (await agent.reload()).error is None
        after = await serial(base)
        assert before != after
        (tmp_path / "cert.pem").write_text("nonsense")
        told = (await agent.reload()).error
        assert told is not None
        assert "tls_server_config" in told
        assert await serial(base) == after


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "key.pem").unlink(), "tls_server_config: certificate, key or client_ca_file cannot be used: No such file"),
        (lambda folder: (folder / "cert.pem").write_text("x"), "cannot be used: not pem"),
        (lambda folder: (folder / "web.yml").write_text("tls_server_config: {cert_file: cert.pem}"), "1: tls_server_config.key_file: missing"),
        (lambda folder: web_config(folder, client_auth_type="RequireAndVerifyClientCert"), "client_ca_file: missing"),
        (lambda folder: web_config(folder, min_version="TLS10"), "'TLS10' does not fit; accepted: TLS12 | TLS13"),
        (lambda folder: (folder / "key.pem").write_bytes(locked_key()), "cannot be used"),
    ],
    ids=["no key file", "no certificate", "key not named", "no authority", "old TLS", "key with a password"],
)  # fmt: skip
def test_check_config_reads_the_web_configuration_too(tmp_path: Path, change: Callable[[Path], object], said: str) -> None:
    web_config(tmp_path)
    change(tmp_path)
    file = tmp_path / "agent.yaml"
    file.write_text("web_config_file: web.yml\n")
    with pytest.raises(config.ConfigError) as caught:
        config.load(file)
    assert said in str(caught.value)
    assert str(tmp_path / "web.yml") in str(caught.value)


def locked_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(os.urandom(8))
    )


@pytest.mark.netlab
@pytest.mark.skipif(available() is not None, reason=str(available()))
def test_another_computer_reads_but_does_not_reload(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(f'listen: "[::]:9797"\nstate_dir: {tmp_path}/state\n{QUIET}')

    def ask(url: str, method: str) -> int:
        with suppress(URLError):
            try:
                return int(urlopen(Request(url, method=method), timeout=5).status)
            except HTTPError as error:
                return error.code
        return 0

    with Lab() as lab, (tmp_path / "log").open("w") as log:
        pc, other = lab.node("pc"), lab.node("other")
        lab.link(End(pc, "eth0", ("10.9.0.1/24", "fd00::1/64")), End(other, "eth0", ("10.9.0.2/24", "fd00::2/64")))
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        pc.popen([sys.executable, "-m", "agent", "run", "-c", str(file)], env=environ, stdout=log, stderr=log, cwd=ROOT)
        for _ in range(300):
            if pc.entered_thread(lambda: ask("http://127.0.0.1:9797/-/ready", "GET")) == 200:
                break
            time.sleep(0.05)
        for host in ("10.9.0.1", "[fd00::1]"):
            assert other.entered_thread(lambda host=host: ask(f"http://{host}:9797/metrics", "GET")) == 200  # type: ignore[misc]
            assert other.entered_thread(lambda host=host: ask(f"http://{host}:9797/-/reload", "POST")) == 403  # type: ignore[misc]
        for host in ("127.0.0.1", "[::1]"):
            assert pc.entered_thread(lambda host=host: ask(f"http://{host}:9797/-/reload", "POST")) == 200  # type: ignore[misc]
