"""The rules of the house, as far as a program can hold one to them."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [
    path
    for package in ("agent", "collectors", "dashboards")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name not in {"__init__.py", "__main__.py"}
]

ELSEWHERE = {
    "agent/accepts.py": "the words in every message of tests/agent/config/bad",
    "agent/auth.py": "authentication is tested through the server, as clients meet it",
    "agent/crosscheck.py": "one file per mistake in tests/agent/config/bad",
    "agent/reader.py": "one file per mistake in tests/agent/config/bad, and the fuzz in test_config.py",
    "agent/settings.py": "types only; test_schema.py compares them with the example file",
    "agent/webconfig.py": "the web configuration is tested through the server and check-config",
    "agent/yamltree.py": "one file per mistake in tests/agent/config/bad, and the fuzz in test_config.py",
    "agent/forward/carry.py": "export and release in test_spool.py, salvage in test_bad_disks.py",
    "agent/province/backends.py": "every backend's tree is rendered and given to its own programs in test_render.py",
    "agent/province/bundles.py": "every bundle is read by the agent's own configuration in test_render.py",
    "agent/province/crosscheck.py": "one mistake each in tests/agent/province/test_inventory.py",
    "agent/province/deployment.py": "rendered and given to nginx in test_render.py",
    "agent/province/holidays.py": "tested with the inventory, against the new moons",
    "agent/province/month.py": "what is asked of a real Prometheus is read off the pages and tables in test_report.py",
    "agent/province/report_html.py": "the pages are read in test_report.py",
    "agent/province/series.py": "rendered rules run in promtool and Prometheus in test_render.py and test_alertmanager.py",
    "agent/province/vault.py": "secrets outlive renderings in test_render.py",
    "dashboards/build/alert.py": "what it builds is tested in tests/dashboards",
    "dashboards/build/boards.py": "what it builds is tested in tests/dashboards",
    "dashboards/build/boards_more.py": "what it builds is tested in tests/dashboards",
    "dashboards/build/boards_service.py": "what it builds is tested in tests/dashboards",
    "dashboards/build/outages.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/panels.py": "what it builds is tested in tests/dashboards",
    "dashboards/build/promql.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/quality.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/recording.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/rules.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/stories_outage.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/stories_quality.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/story.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "dashboards/build/upkeep.py": "promtool holds the rules to their stories in tests/dashboards/test_rules.py",
    "collectors/families.py": "declarations only; test_catalog.py judges them",
    "collectors/model.py": "the vocabulary; every test of a collector, of the state and of the exposition speaks it",
    "collectors/probe/iperf3.py": "over lines of known rates in test_transfer_netlab.py",
    "collectors/probe/rates.py": "a value that bandwidth leaves to conference; test_conference.py reads it",
    "collectors/probe/web.py": "every fault of a transfer in test_transfer_netlab.py goes through it",
    "collectors/probe/snmp.py": "every device in tests/collectors/snmp is asked through it, by both backends",
    "collectors/probe/snmp_client.py": "types only; both backends are held to them",
    "collectors/probe/snmp_gufo.py": "the same tests run over both backends in test_device.py and test_version_3.py",
    "collectors/probe/snmp_pysnmp.py": "the same tests run over both backends in test_device.py and test_version_3.py",
    "collectors/snmp/assemble.py": "recordings of real devices in test_recordings.py",
    "collectors/snmp/events.py": "traps of the real snmptrap in test_traps.py",
    "collectors/snmp/identify.py": "recordings of real devices in test_recordings.py",
    "collectors/snmp/trap_engine.py": "traps of the real snmptrap in test_traps.py",
    "collectors/site.py": "types only; test_plan.py and the configuration's tests use them",
}
"""Modules without a test file of their own, and what holds them instead. This list should only shrink."""
LONG: dict[str, str] = {}
"""Modules of more than 420 lines, and why."""
CROSSWISE = {
    "tests/test_calm.py",
    "tests/test_project.py",
    "tests/cli/test_stories.py",
    "tests/test_netlab.py",
    "tests/agent/forward/test_bad_disks.py",
    "tests/collectors/snmp/test_hostile.py",
    "tests/collectors/snmp/test_recordings.py",
    "tests/collectors/snmp/test_version_3.py",
}
"""Tests of no single module of the product."""
OWN_GROUND = (
    "tests/dashboards",
    "tests/netlab",
    "tests/wifilab",
    "tests/bench",
    "tests/e2e",
    "tests/packaging",
    "tests/golden",
    "tests/fixtures",
    "tests/agent/config",
)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def mirror(source: str) -> Path:
    folder, _, name = source.rpartition("/")
    return ROOT / "tests" / folder / f"test_{name}"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_every_module_has_its_test(path: Path) -> None:
    source = relative(path)
    if source.startswith("agent/cli/"):
        command = path.stem
        assert list((ROOT / "tests/cli").glob(f"*{command}*")), f"no story in tests/cli is named after {command}"
    elif source in ELSEWHERE:
        assert not mirror(source).exists(), f"{source} has a test of its own: take it off the list"
    elif re.search(r"^\s*(async )?def (?!__post_init__)", path.read_text(), re.MULTILINE):  # else it only declares
        assert mirror(source).exists(), f"{source} needs {relative(mirror(source))}"


def test_every_test_has_its_module() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        name = relative(path)
        if name in CROSSWISE or name.startswith(OWN_GROUND):
            continue
        source = ROOT / name.removeprefix("tests/").replace("test_", "", 1).replace("_netlab.py", ".py")
        package = source.with_suffix("")
        assert source.exists() or package.is_dir(), f"{name} tests nothing that there is"


def test_exceptions_are_still_needed() -> None:
    for source in ELSEWHERE:
        assert (ROOT / source).exists(), f"{source} is gone: take it off the list"


TEXTS = [
    path
    for path in sorted(ROOT.rglob("*"))
    if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".service", ".sh", ""}
    and path.is_file()
    and not any(part.startswith((".", "__pycache__")) or part in {"build", "dist"} for part in path.relative_to(ROOT).parts[:-1])
    and not path.name.startswith(".")
    and ".egg-info" not in str(path)
]
FORBIDDEN = re.compile(
    "|".join([re.escape(str(ROOT)), "pypi[.]org", "files[.]python" + "hosted", "deb[.]debian[.]org"]), re.IGNORECASE
)
"""Written so that the pattern does not find itself."""


def test_no_path_of_a_developers_machine_and_no_package_host() -> None:
    found = [
        f"{relative(path)}: {match[0]}"
        for path in TEXTS
        if path.stat().st_size < 2**20 and (match := FORBIDDEN.search(path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == []


def test_modules_say_why_they_exist_and_stay_readable() -> None:
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.startswith('"""'), f"{relative(path)} has no docstring"
        assert (text.count("\n") > 420) == (relative(path) in LONG), f"{relative(path)} is long: does it do two things?"


def test_the_changelog_knows_this_version_or_the_next() -> None:
    assert re.search(r"^## \[Unreleased\]$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_links_in_the_documentation_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").rglob("*.md")]
    links = [(path, target) for path in pages for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))]
    here = [(path, target) for path, target in links if not re.match(r"[a-z]+:", target)]
    assert [f"{relative(path)}: {target}" for path, target in here if not (path.parent / target).exists()] == []


# ── imports ──────────────────────────────────────────────────────────────────────────────────────────────────────

MODULES = [
    relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for package in ("agent", "collectors")
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name not in {"__main__.py", "snmp_gufo.py"}  # the latter is loaded only where its wheel exists
]
AS_WINDOWS = """
import asyncio, importlib, sys
import sysconfig, psutil, aiohttp, aiohttp.web, msgspec, yaml, click, ssl, subprocess, socket, concurrent.futures, multiprocessing, ctypes  # as they are here
sysconfig.get_config_vars()
for name in ("fcntl", "termios", "pwd", "grp", "resource", "pty", "tty", "posix_ipc", "pyroute2", "dbus_fast", "gufo"):
    sys.modules[name] = None
sys.platform = "win32"
for module in {modules}:
    importlib.import_module(module)
"""


def test_nothing_is_linux_only_at_import() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_WINDOWS.format(modules=MODULES)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


HEAVY = ("scapy", "pysnmp", "matplotlib", "PIL", "numpy", "rich", "cryptography", "pyroute2", "dbus_fast", "pydantic", "sqlite3")
"""What the resident agent must not load just by starting (memory; docs/benchmarks.md)."""
WHAT_STARTS = """
import sys, agent.cli, agent.cli.run, agent.app, collectors
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_starting_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", WHAT_STARTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & set(HEAVY) == set()


def test_declarations_cost_little() -> None:
    code = "import collectors, resource, sys; print(len(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 250


# ── packaging ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_wheel_needs_no_checkout(tmp_path: Path) -> None:
    """Built from what git knows, so that a stray file of the working tree cannot help."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    copy = tmp_path / "source"
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, copy],
        check=True,
        capture_output=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    (wheel,) = tmp_path.glob("commune_agent-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    data = [
        name
        for name in listed.stdout.splitlines()
        if name.startswith(("agent/", "collectors/", "config/", "dashboards/")) and (ROOT / name).is_file()
    ]
    assert {"agent/app.py", "config/agent.example.yaml", "config/agent.schema.json"} <= set(data)
    assert [name for name in data if name not in inside] == []
    assert not any(name.startswith(("tests/", "docs/")) for name in inside)
