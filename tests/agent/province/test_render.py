"""The rendered tree: the same twice, secrets kept, and every file accepted by the program that reads it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import bcrypt
import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509

from agent import config
from agent.cli import main
from agent.province.backends import BACKENDS
from agent.province.crosscheck import load
from agent.province.render import render
from tests.agent.province import fleet

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config/province.example.yaml"


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed; `make packages` installs it")
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp("out") / "tree"
    render(load(EXAMPLE), EXAMPLE.parent, out, request.param)
    return request.param, out


def test_rendering_twice_changes_nothing(tree: tuple[str, Path]) -> None:
    backend, out = tree
    before = contents(out)
    assert render(load(EXAMPLE), EXAMPLE.parent, out, backend).changed == 0
    assert contents(out) == before


def test_two_deployments_differ_in_their_secrets_alone(tree: tuple[str, Path], tmp_path: Path) -> None:
    backend, out = tree
    render(load(EXAMPLE), EXAMPLE.parent, tmp_path / "other", backend)
    one, other = contents(out), contents(tmp_path / "other")
    assert one.keys() == other.keys()
    differing = {name for name in one if one[name] != other[name]}
    assert all(
        name.startswith("secrets/")
        or name.split("/")[-1] in {"password", "ca.crt", "server.crt", "server.key", "web.yml", "users"}
        or name.endswith(".password")
        for name in differing
    ), differing


def test_rules_are_accepted_by_their_engine(tree: tuple[str, Path]) -> None:
    backend, out = tree
    folder = out / BACKENDS[backend].rules(load(EXAMPLE))
    files = sorted(folder.glob("*.yml"))
    assert len(files) >= 6
    run("promtool", "check", "rules", *files)
    if backend.startswith("victoria"):
        run("vmalert", f"-rule={folder}/*.yml", "-dryRun")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert "__GRAFANA__" not in text
    assert "__RUNBOOKS__" not in text
    assert ("keep_firing_for" in text) == BACKENDS[backend].holds


def test_configurations_are_accepted(tree: tuple[str, Path]) -> None:
    backend, out = tree
    run("amtool", "check-config", out / "alertmanager/alertmanager.yml")
    if backend == "prometheus":
        run("promtool", "check", "config", out / "prometheus/prometheus.yml")
        run("promtool", "check", "web-config", out / "prometheus/web.yml")
    elif backend == "victoriametrics":
        run("victoria-metrics", f"-promscrape.config={out}/prometheus/prometheus.yml", "-dryRun")
    else:
        run("promtool", "check", "config", out / "prometheus/prometheus.yml")
    compose = yaml.safe_load((out / "docker-compose.yml").read_text(encoding="utf-8"))
    readme = (out / "README.md").read_text(encoding="utf-8")
    for name in readme.split("kill -s HUP ")[1].split("`")[0].split(" && ")[0].split():
        assert name in compose["services"], name
    for item in compose["services"].values():
        for mount in item.get("volumes", []):
            source = mount.split(":")[0]
            assert source in compose["volumes"] or (source.startswith("./") and (out / source).exists()), mount


def test_every_agent_configuration_is_valid(tree: tuple[str, Path]) -> None:
    _, out = tree
    files = [*out.glob("agents/*/*/*/agent.yaml"), out / "hub/agent.yaml"]
    assert len(files) == 5
    for file in files:
        settings = config.load(file)
        assert settings.core.remote_write is not None
        assert settings.core.remote_write.url == "https://metrics.lamdong.example:9443/api/v1/write"
    full = config.load(out / "agents/24781/main/counter-1/agent.yaml")
    assert [link.name for link in full.kinds["links"]] == ["internet", "tslcd"]
    assert "2026-09-02" in full.core.site.service_hours.closed
    hub = config.load(out / "hub/agent.yaml")
    assert {target.name for target in hub.kinds["ping"].targets} == {"gateway", "24781/main/internet", "24781/main/tslcd"}


def test_the_front_is_accepted_by_nginx(tree: tuple[str, Path], tmp_path: Path) -> None:
    _backend, out = tree
    text = (out / "front/nginx.conf").read_text(encoding="utf-8").replace("/etc/nginx/tls", str(out / "front/tls"))
    for host in ("prometheus:9090", "victoriametrics:8428", "vminsert:8480", "mimir:9009", "grafana:3000"):
        text = text.replace(host, "127.0.0.1:9")  # container names resolve in the deployment only
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{text}\n}}\n", encoding="utf-8"
    )
    run("nginx", "-t", "-c", tmp_path / "nginx.conf", "-p", tmp_path)


def test_passwords_fit_their_hashes_and_files_are_private(tree: tuple[str, Path]) -> None:
    backend, out = tree
    if BACKENDS[backend].native_users:
        users = yaml.safe_load((out / "prometheus/web.yml").read_text(encoding="utf-8"))["basic_auth_users"]
    else:
        users = dict(line.split(":", 1) for line in (out / "front/tls/users").read_text(encoding="utf-8").splitlines())
    password = (out / "agents/24781/main/counter-1/password").read_bytes().strip()
    assert len(password) >= 32
    assert bcrypt.checkpw(password, users["24781-main-counter-1"].encode())
    assert not bcrypt.checkpw(password, users["24781-main-counter-2"].encode())
    for path in [*out.glob("secrets/*"), *out.rglob("password"), *out.rglob("*.key"), *out.rglob("web.yml")]:
        assert path.stat().st_mode & 0o077 == 0, path
    assert out.joinpath("secrets").stat().st_mode & 0o077 == 0
    for path in out.glob("front/tls/users"):
        assert path.stat().st_mode & 0o004, "nginx asks it as another user than the one that holds the certificate's key"


def test_secrets_outlive_a_change_of_the_inventory(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = tmp_path / "province.yaml"
    source.write_text(fleet.as_yaml(fleet.province(3)), encoding="utf-8")
    render(load(source), tmp_path, out)
    kept = contents(out)
    (out / "secrets/24000-main-counter-1.password").write_text("written-by-hand-0123456789abcdef\n", encoding="utf-8")
    smaller = fleet.province(2, portals=[{"name": "p", "url": "https://p.example/"}])
    source.write_text(fleet.as_yaml(smaller), encoding="utf-8")
    render(load(source), tmp_path, out)
    now = contents(out)
    for name in ("secrets/ca.key", "secrets/24001-main-counter-1.password", "secrets/server.key"):
        assert now[name] == kept[name]
    assert now["agents/24000/main/counter-1/password"] == b"written-by-hand-0123456789abcdef\n"
    users = yaml.safe_load(now["prometheus/web.yml"])["basic_auth_users"]
    assert bcrypt.checkpw(b"written-by-hand-0123456789abcdef", users["24000-main-counter-1"].encode())
    assert "24002-main-counter-1" not in users, "a computer that left the inventory loses its access"
    assert not (out / "agents/24002").exists()
    assert "secrets/24002-main-counter-1.password" in now, "secrets are never removed"


def test_certificates_renew_on_demand_under_the_same_authority(tmp_path: Path) -> None:
    source = tmp_path / "province.yaml"
    source.write_text(fleet.as_yaml(fleet.province(1)), encoding="utf-8")
    render(load(source), tmp_path, tmp_path / "out")
    before = contents(tmp_path / "out")
    render(load(source), tmp_path, tmp_path / "out", renew=True)
    after = contents(tmp_path / "out")
    assert after["front/tls/server.crt"] != before["front/tls/server.crt"]
    assert after["hub/ca.crt"] == before["hub/ca.crt"]
    server = x509.load_pem_x509_certificate(after["front/tls/server.crt"])
    server.verify_directly_issued_by(x509.load_pem_x509_certificate(after["hub/ca.crt"]))


def test_a_further_name_changes_the_certificate_and_no_secret(tmp_path: Path) -> None:
    source, out = tmp_path / "province.yaml", tmp_path / "out"
    source.write_text(fleet.as_yaml(fleet.province(1)), encoding="utf-8")
    render(load(source), tmp_path, out)
    before = contents(out)
    server = {"names": ["127.0.0.1", "metrics.example"], "port": 9443, "grafana": "https://grafana.example:8443/"}
    source.write_text(fleet.as_yaml(fleet.province(1, server=server)), encoding="utf-8")
    render(load(source), tmp_path, out)
    after = contents(out)
    assert {name for name in before if name.startswith("secrets/") and before[name] != after[name]} == {"secrets/server.crt"}
    certificate = x509.load_pem_x509_certificate(after["front/tls/server.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["metrics.example", "grafana.example", "prometheus", "localhost"]
    services = yaml.safe_load(after["docker-compose.yml"])["services"]
    assert services["front"]["ports"] == ["9443:9443", "8443:443"]
    assert services["grafana"]["ports"] == [], "with TLS or not at all"


def test_secrets_that_a_person_writes_reach_who_uses_them(tmp_path: Path) -> None:
    notify = {
        "email": {"smarthost": "smtp.example:587", "sender": "m@p.example", "username": "m"},
        "zalo": {},
        "webhooks": [{"name": "ioc", "url": "https://ioc.example/", "token": True}],
    }
    source, out = tmp_path / "province.yaml", tmp_path / "out"
    source.write_text(fleet.as_yaml(fleet.province(1, notify=notify)), encoding="utf-8")
    names = ("zalo-token", "smtp-password", "webhook-ioc")
    assert render(load(source), tmp_path, out).missing == tuple(f"secrets/{name}" for name in names)
    for name in names:
        (out / "secrets" / name).write_text(f"{name} of a person\n", encoding="utf-8")
    assert render(load(source), tmp_path, out).missing == ()
    for used in ("notify/zalo-token", "alertmanager/secrets/smtp-password", "alertmanager/secrets/webhook-ioc"):
        assert (out / used).read_text(encoding="utf-8") == f"{used.split('/')[-1]} of a person\n"
        assert (out / used).stat().st_mode & 0o077 == 0
    assert (out / "notify/password").read_bytes() == (out / "alertmanager/secrets/notify.password").read_bytes()
    run("amtool", "check-config", out / "alertmanager/alertmanager.yml")


def test_secrets_of_snmp_move_into_files_of_the_bundle(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("geheim-123\n", encoding="utf-8")
    auth = {"version": 3, "username": "ops", "auth": {"protocol": "SHA256", "password_file": "key.txt"}}
    source = tmp_path / "province.yaml"
    source.write_text(fleet.as_yaml(fleet.province(1, snmp_auths={"default": auth})), encoding="utf-8")
    render(load(source), tmp_path, tmp_path / "out")
    folder = tmp_path / "out/agents/24000/main/counter-1"
    assert "geheim" not in (folder / "agent.yaml").read_text(encoding="utf-8")
    assert (folder / "snmp-default-auth").read_text(encoding="utf-8") == "geheim-123\n"
    assert config.load(folder / "agent.yaml").kinds["snmp"].auths["default"].auth.password_file.endswith("snmp-default-auth")


def test_an_install_bundle_installs(tmp_path: Path) -> None:
    render(load(EXAMPLE), EXAMPLE.parent, tmp_path / "out")
    folder = tmp_path / "out/agents/24781/main/counter-1"
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/agent").write_text('#!/bin/sh\ntest "$1" = check-config && test -e "$2"\n', encoding="utf-8")
    (tmp_path / "bin/agent").chmod(0o755)
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "COMMUNE_ETC": str(tmp_path / "etc")}
    subprocess.run(["sh", str(folder / "install.sh")], env=env, check=True, timeout=20, capture_output=True)
    assert {path.name for path in (tmp_path / "etc").iterdir()} == {"agent.yaml", "ca.crt", "password", "snmp-default-community"}
    assert config.load(tmp_path / "etc/agent.yaml").core.site.instance == "counter-1"


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a user and a service, in a copy of /etc of its own: root")
def test_an_install_bundle_makes_a_service_that_can_read_its_secrets(tmp_path: Path) -> None:
    """The unit is the one that packages install; its user owns the secrets, so that no agent runs as root."""
    render(load(EXAMPLE), EXAMPLE.parent, tmp_path / "out")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/said\n', encoding="utf-8")
    (tmp_path / "bin/systemctl").chmod(0o755)
    (tmp_path / "story.sh").write_text(
        f"""set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
sh {tmp_path}/out/agents/24781/main/counter-1/install.sh
cd /etc/commune-agent && stat -c '%U %a %n' ca.crt password snmp-default-community agent.yaml
setpriv --reuid commune-agent --regid commune-agent --clear-groups cat password
cat /etc/systemd/system/commune-agent.service /etc/systemd/system/commune-agent.service.d/wifi-scans.conf
systemd-analyze verify /etc/systemd/system/commune-agent.service
""",
        encoding="utf-8",
    )
    path = f"{tmp_path}/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = ["unshare", "-m", "sh", str(tmp_path / "story.sh")]
    done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode and "mount" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    owned = [line for line in done.stdout.splitlines() if line.startswith(("commune-agent ", "root "))]
    private = ("ca.crt", "password", "snmp-default-community")
    assert owned == [*(f"commune-agent 600 {name}" for name in private), "root 644 agent.yaml"]
    assert (tmp_path / "out/agents/24781/main/counter-1/password").read_text(encoding="utf-8") in done.stdout
    unit = (ROOT / "packaging/systemd/commune-agent.service").read_text(encoding="utf-8")
    agent = str(Path(sys.executable).parent / "agent")
    assert unit.replace("/opt/commune-agent/bin/agent", agent) in done.stdout
    assert "\nAmbientCapabilities=CAP_NET_ADMIN\n" in done.stdout, "a computer that stands in a zone scans by itself"
    assert (tmp_path / "said").read_text(encoding="utf-8").splitlines()[-1] == "restart commune-agent"


def test_124_communes_render_in_less_than_5_seconds(tmp_path: Path) -> None:
    source = tmp_path / "province.yaml"
    source.write_text(fleet.as_yaml(fleet.province(124)), encoding="utf-8")
    begin = time.process_time()
    done = render(load(source), tmp_path, tmp_path / "out")
    assert time.process_time() - begin < 5
    assert done.agents == 124 * 2 + 1


def test_the_command_says_what_it_did_and_what_is_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["province", "render", str(EXAMPLE), "--out", str(tmp_path / "out")])
    assert done.exit_code == 0
    assert "5 agents, backend prometheus" in done.output
    assert f"write {tmp_path}/out/secrets/zalo-token, then render again" in done.output
    (tmp_path / "bad.yaml").write_text("province: {}\n", encoding="utf-8")
    bad = CliRunner().invoke(main, ["province", "render", str(tmp_path / "bad.yaml"), "--out", str(tmp_path / "out")])
    assert bad.exit_code == 2
    assert f"{tmp_path}/bad.yaml:1: province.code: missing; write the province" in bad.output
