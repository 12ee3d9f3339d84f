"""Builds the Wi-Fi laboratory once and runs a command in it; says what is missing where it cannot.

The image is Debian's own kernel and packages; it lies in `$XDG_CACHE_HOME/commune-wifilab`, so that a second run needs no
network.
"""

from __future__ import annotations

import compileall
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
IMAGE = ("vmlinux", "initrd.gz", "root.ext4", "manifest.txt")
TOOLS = ("qemu-system-x86_64", "debootstrap", "mke2fs", "cpio", "depmod", "xz")
PACKAGES = ("pyroute2", "msgspec", "click", "yaml", "_yaml", "psutil")
"""What the collector and `agent diagnose` import, beside the standard library."""
DISTRIBUTIONS = {"yaml": "pyyaml", "_yaml": "pyyaml"}
SCAPY = ("scapy",)
"""What the diagnosis looks at the local network with, when it need not be quick."""


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "commune-wifilab"


def environment() -> dict[str, str]:
    return {**os.environ, "CACHE_DIR": str(cache()), "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}


def is_built() -> bool:
    """Is there an image, of the present recipe?"""
    recipe = hashlib.sha256((HERE / "build.sh").read_bytes() + (HERE / "guest" / "initramfs-init").read_bytes()).hexdigest()
    made = cache() / "recipe"
    return all((cache() / name).exists() for name in IMAGE) and made.exists() and made.read_text().strip() == recipe


def missing() -> str:
    """Why the laboratory cannot run here; empty when it can."""
    built = is_built()
    tools = [tool for tool in (TOOLS[:1] if built else TOOLS) if shutil.which(tool, path=environment()["PATH"]) is None]
    if tools:
        return f"the Wi-Fi laboratory needs {', '.join(tools)} (`make packages` installs it)"
    if not built and os.geteuid() != 0:
        return f"building the Wi-Fi laboratory needs root once; run {HERE / 'build.sh'} as root"
    return ""


def build() -> None:
    """Build the image unless it is there; two test runs at once build it once."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built():
            subprocess.run([HERE / "build.sh"], check=True, env=environment(), capture_output=True, text=True, timeout=900)


def share(folder: Path, *further: str) -> None:
    """Put the agent, what it imports (`further` packages too) and the stories into the folder that the guest sees as /host.

    Compiled files go along where the guest has this Python: compiling took the guest longer than all the rest of its start.
    """
    names = (*PACKAGES, *further)
    for name in ("agent", "collectors"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(HERE / "story.py", folder)
    for file in ("tests/wifilab/clock_story.py", "tests/receivers/time_server.py"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, folder / file)
    found = re.search(r"^python3\s+(\d+)\.(\d+)", (cache() / "manifest.txt").read_text(), re.MULTILINE)
    guest = (int(found[1]), int(found[2])) if found else sys.version_info[:2]
    if guest != sys.version_info[:2]:
        wanted = ["--python-version", ".".join(map(str, guest)), "--only-binary", ":all:", "--no-deps"]
        command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(folder / "site"), *wanted]
        distributions = {DISTRIBUTIONS.get(name, name) for name in names}
        subprocess.run([*command, "-c", str(ROOT / "constraints.txt"), *distributions], check=True, timeout=300)
        return
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, folder / "site" / name)
    for name in ("agent", "collectors", "site"):
        compileall.compile_dir(folder / name, quiet=2)


def run(folder: Path, *command: str, timeout: int = 240, country: str = "BD") -> subprocess.CompletedProcess[str]:
    """Run a command in a fresh guest; `folder` is /host in it."""
    settings = {"SHARE": str(folder), "TIMEOUT": str(timeout), "COUNTRY": country}
    return subprocess.run(
        [HERE / "run.sh", *command],
        env={**environment(), **settings},
        capture_output=True,
        text=True,
        timeout=timeout + 30,
        check=False,
    )


def stories(folder: Path, *names: str, record: bool = False, timeout: int = 600, further: tuple[str, ...] = ()) -> dict[str, Any]:
    """Let `story.py` run these stories in one guest, with `further` packages; its results by step."""
    share(folder, *further)
    settings = ["PYTHONPATH=/host:/host/site", *(["RECORD=1"] if record else [])]
    done = run(folder, "env", *settings, "python3", "story.py", *names, timeout=timeout)
    if done.returncode:
        message = f"the guest ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise RuntimeError(message)
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found
