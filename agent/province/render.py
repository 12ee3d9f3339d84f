"""From the inventory to a deployable tree: every file computed first, then written where it differs.

The same inventory in the same folder gives the same bytes. Secrets are made once (`vault`) and copied to where they are
needed; files that a former rendering made and this one does not are removed, secrets never.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

import dashboards
from agent.province import deployment
from agent.province.alertmanager import alertmanager_config
from agent.province.backends import BACKENDS, Backend
from agent.province.bundles import Bundle, agent_bundle, hub_bundle, install_script
from agent.province.inventory import Inventory
from agent.province.series import HEAD, dump, every_site, inventory_rules
from agent.province.vault import Vault

_LIST = ".rendered"
_SECRET = 0o600


@dataclass
class Tree:
    """The files of a rendering: relative path to content and mode."""

    files: dict[str, tuple[str, int]] = field(default_factory=dict)

    def add(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file; writing one path twice is a mistake of ours."""
        if path in self.files:
            message = f"{path} is rendered twice"
            raise ValueError(message)
        self.files[path] = (text, mode)

    def write(self, root: Path) -> int:
        """Write what differs, remove what is rendered no more; the number of changed files."""
        changed = 0
        listing = root / _LIST
        former = set(listing.read_text(encoding="utf-8").splitlines()) if listing.exists() else set()
        for path, (text, mode) in self.files.items():
            changed += _put(root / path, text, mode)
        for path in sorted(former - set(self.files)):
            target = root / path
            if target.is_file() and not path.startswith("secrets/") and root.resolve() in target.resolve().parents:
                target.unlink()
                changed += 1
                _prune(target.parent, root)
        _put(listing, "".join(f"{path}\n" for path in sorted(self.files)), 0o644)
        return changed


def _put(path: Path, text: str, mode: int) -> int:
    data = text.encode()
    try:
        if path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
            return 0
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    temporary.chmod(mode)
    temporary.replace(path)
    return 1


def _prune(folder: Path, root: Path) -> None:
    while folder != root and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


@dataclass(frozen=True)
class Rendered:
    """What a rendering did: files in the tree, files that changed, agents, and secrets that a person still has to write."""

    files: int
    changed: int
    agents: int
    missing: tuple[str, ...]


def render(inventory: Inventory, source: Path, out: Path, backend_name: str = "prometheus", *, renew: bool = False) -> Rendered:
    """Render an inventory.

    Args:
        inventory: what the province has.
        source: the folder that file names in the inventory are relative to.
        out: the tree; made when it is not there.
        backend_name: one of `BACKENDS`.
        renew: make a new server certificate.

    Raises:
        ConfigError: a file that the inventory names cannot be read.
        OSError: the tree cannot be written.
    """
    backend = BACKENDS[backend_name]
    bundles = [
        hub_bundle(inventory),
        *(
            agent_bundle(inventory, commune, site, agent, source)
            for commune, site in every_site(inventory)
            for agent in site.agents
        ),
    ]
    vault = Vault(out / "secrets", renew=renew)
    tree = Tree()
    _engine(tree, inventory, backend, vault, bundles)
    _rules(tree, inventory, backend)
    _people(tree, inventory, backend, vault)
    _bundles(tree, bundles, vault)
    tree.add("docker-compose.yml", deployment.compose(inventory, backend))
    tree.add("Dockerfile", _data("deploy/Dockerfile"))
    tree.add("README.md", deployment.readme(_data("deploy/README.md.tmpl"), inventory, backend))
    vault.save()
    missing = _handwritten(tree, inventory, out)
    return Rendered(len(tree.files), tree.write(out), len(bundles), missing)


def _data(path: str) -> str:
    return dashboards.ROOT.joinpath(*path.split("/")).read_text(encoding="utf-8")


def _folder(name: str, suffix: str) -> list[Traversable]:
    folder = dashboards.ROOT / name
    return sorted((item for item in folder.iterdir() if item.name.endswith(suffix)), key=lambda item: item.name)


def _engine(tree: Tree, inventory: Inventory, backend: Backend, vault: Vault, bundles: list[Bundle]) -> None:
    authority = vault.authority(f"commune-agent {inventory.province.slug}")
    certificate, key = vault.server(deployment.certificate_names(inventory))
    users = {bundle.user: vault.hash(bundle.user) for bundle in bundles}
    if backend.native_users:
        users |= {name: vault.hash(name) for name in ("grafana", "prometheus", "report")}
        web = {
            "tls_server_config": {"cert_file": "tls/server.crt", "key_file": "tls/server.key", "min_version": "TLS12"},
            "basic_auth_users": dict(sorted(users.items())),
        }
        tree.add("prometheus/web.yml", HEAD + dump(web), _SECRET)
        tree.add("prometheus/tls/ca.crt", authority)
        tree.add("prometheus/tls/server.crt", certificate)
        tree.add("prometheus/tls/server.key", key, _SECRET)
        tree.add("prometheus/secrets/prometheus.password", vault.password("prometheus") + "\n", _SECRET)
    else:
        # Nginx reads it as another user than its own files; hashes of 32 random characters give nothing away.
        tree.add("front/tls/users", "".join(f"{user}:{stored}\n" for user, stored in sorted(users.items())))
    tree.add("front/tls/ca.crt", authority)
    tree.add("front/tls/server.crt", certificate)
    tree.add("front/tls/server.key", key, _SECRET)
    tree.add("front/nginx.conf", deployment.front_config(inventory, backend))
    for path, text in backend.files(inventory).items():
        tree.add(path, text)


def _rules(tree: Tree, inventory: Inventory, backend: Backend) -> None:
    folder = backend.rules(inventory)
    runbooks = inventory.server.runbooks or f"https://{inventory.server.names[0]}:{inventory.server.port}/runbooks"
    tree.add(f"{folder}/inventory.yml", inventory_rules(inventory))
    for item in _folder("rules", ".yml"):
        text = backend.dialect(item.read_text(encoding="utf-8"))
        text = text.replace("__GRAFANA__", inventory.server.grafana.rstrip("/")).replace("__RUNBOOKS__", runbooks.rstrip("/"))
        tree.add(f"{folder}/{item.name}", text)
    for item in _folder("runbooks", ".md"):
        tree.add(f"runbooks/{item.name}", item.read_text(encoding="utf-8"))


def _people(tree: Tree, inventory: Inventory, backend: Backend, vault: Vault) -> None:
    tree.add("alertmanager/alertmanager.yml", alertmanager_config(inventory))
    for item in _folder("alertmanager", ".tmpl"):
        tree.add(f"alertmanager/templates/{item.name}", item.read_text(encoding="utf-8"))
    if inventory.notify.zalo is not None:
        tree.add("notify/notify.yaml", deployment.notify_config(inventory))
        tree.add("notify/password", vault.password("notify") + "\n", _SECRET)
        tree.add("alertmanager/secrets/notify.password", vault.password("notify") + "\n", _SECRET)
    for path, text in deployment.grafana_files(inventory, backend).items():
        tree.add(path, text)
    for item in _folder("grafana", ".json"):
        tree.add(f"grafana/dashboards/{item.name}", item.read_text(encoding="utf-8"))
    tree.add("grafana/secrets/grafana.password", vault.password("grafana") + "\n", _SECRET)
    tree.add("grafana/secrets/grafana-admin.password", vault.password("grafana-admin") + "\n", _SECRET)
    tree.add("grafana/secrets/ca.crt", vault.authority(""))


def _bundles(tree: Tree, bundles: list[Bundle], vault: Vault) -> None:
    authority = vault.authority("")
    template, unit = _data("deploy/install.sh.tmpl"), _data("deploy/commune-agent.service")
    for bundle in bundles:
        tree.add(f"{bundle.folder}/agent.yaml", bundle.config)
        tree.add(f"{bundle.folder}/ca.crt", authority)
        tree.add(f"{bundle.folder}/password", vault.password(bundle.user) + "\n", _SECRET)
        tree.add(f"{bundle.folder}/install.sh", install_script(template, unit, bundle), 0o755)
        for name, text in bundle.secrets.items():
            tree.add(f"{bundle.folder}/{name}", text, _SECRET)


def _handwritten(tree: Tree, inventory: Inventory, out: Path) -> tuple[str, ...]:
    """Secrets that only a person has: copied to where they are used, named when they are not there yet."""
    wanted = []
    if inventory.notify.zalo is not None:
        wanted.append(("zalo-token", "notify/zalo-token"))
    if inventory.notify.email is not None and inventory.notify.email.username is not None:
        wanted.append(("smtp-password", "alertmanager/secrets/smtp-password"))
    wanted += [
        (f"webhook-{hook.name}", f"alertmanager/secrets/webhook-{hook.name}") for hook in inventory.notify.webhooks if hook.token
    ]
    missing = []
    for name, target in wanted:
        path = out / "secrets" / name
        if path.exists():
            tree.add(target, path.read_text(encoding="utf-8"), _SECRET)
        else:
            missing.append(f"secrets/{name}")
    return tuple(missing)
