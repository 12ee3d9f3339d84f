"""`agent diagnose` as a technician meets it: the whole command at a real site, whatever state the computer is in."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from rich.cells import cell_len

from tests.netlab import Lab, Node, Province, Site, available
from tests.netlab.services import require

AGENT = (sys.executable, "-m", "agent")
ROOT = Path(__file__).parents[3]
T = TypeVar("T")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
VERDICT_FIRST = (
    "Đường truyền eth0 bị đứt phía sau router (chưa rõ nhà mạng).",
    "  Cần làm: Xem đèn của modem",
    "  Căn cứ: uplink:eth0",
    "x đường truyền",
)
WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set", "-all", "--inh-caps", "-all")

pytestmark = [pytest.mark.netlab, pytest.mark.skipif(available() is not None, reason=str(available()))]


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def province(lab: Lab) -> Province:
    return Province(lab)


@pytest.fixture(scope="module")
def site(province: Province) -> Site:
    return province.site(uplinks="one")


def environ(province: Province, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "NO_COLOR"}
    return {**kept, "SSL_CERT_FILE": str(province.ca_file), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **more}


def diagnose(
    node: Node, province: Province, *arguments: str, before: Sequence[str] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    command = [*before, *AGENT, "diagnose", *arguments]
    done = node.run(command, check=False, timeout=60, env=environ(province, **more))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def repeated(attempt: Callable[[], T], is_good: Callable[[T], bool]) -> T:
    """A few attempts: `--quick` waits less than a second for an answer, and this machine may stop for longer."""
    for _ in range(5):
        found = attempt()
        if is_good(found):
            break
    return found


def on_a_terminal(site: Site, province: Province, *arguments: str, **more: str) -> str:
    """What a terminal of the command is sent."""
    ours, theirs = pty.openpty()
    process = site.pc.popen(
        [*AGENT, "diagnose", *arguments], stdout=theirs, stderr=theirs, env=environ(province, TERM="xterm-256color", **more)
    )
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):  # the end of the other side
        while part := os.read(ours, 65536):
            seen += part
    os.close(ours)
    process.wait(10)
    return seen.decode().replace("\r\n", "\n").replace("\r", "\n")  # progress is drawn over itself


def test_with_no_network_at_all(lab: Lab, province: Province) -> None:
    done = diagnose(lab.node("alone"), province, "--quick")
    assert done.returncode == 1
    assert done.stdout.startswith("No signal on the network cable of LAN.\n  To do: Plug the cable in")


def test_with_no_name_server_entered(site: Site, province: Province) -> None:
    site.pc.resolvers()
    try:
        done = diagnose(site.pc, province, "--quick", "--json")
    finally:
        site.pc.resolvers(site.gateway_address)
    assert json.loads(done.stdout)["verdict"] == "dns.unreachable"
    assert done.returncode == 1


@pytest.mark.skipif(require("setpriv") is not None, reason=str(require("setpriv")))
def test_without_privilege_it_says_what_privilege_would_add(site: Site, province: Province) -> None:
    document = json.loads(diagnose(site.pc, province, "--json", before=WITHOUT_PRIVILEGE).stdout)
    skipped = {check["id"]: check["detail"] for check in document["checks"] if check["detail"] == "CAP_NET_RAW"}
    assert set(skipped) == {"duplicate:eth0", "dhcp:eth0"}
    assert any("CAP_NET_RAW (run as root)" in note for note in document["notes"])


@pytest.mark.skipif(require("setpriv") is not None, reason=str(require("setpriv")))
def test_where_pings_are_forbidden_the_line_is_judged_all_the_same(site: Site, province: Province) -> None:
    site.pc.sysctl("net.ipv4.ping_group_range", "1\t0")
    try:
        arguments = ("--quick", "--lang", "vi")
        done = repeated(
            lambda: diagnose(site.pc, province, *arguments, before=WITHOUT_PRIVILEGE), lambda one: one.returncode == 0
        )
    finally:
        site.pc.sysctl("net.ipv4.ping_group_range", "0\t0")
    assert done.stdout.startswith("Không phát hiện lỗi.")
    assert "net.ipv4.ping_group_range" in done.stdout


def test_with_a_full_disk_and_a_home_that_cannot_be_written(site: Site, province: Province) -> None:
    full = "mount -t tmpfs -o size=16k none /mnt && head -c 99999 /dev/zero >/mnt/fill 2>/dev/null; mount -o remount,ro /mnt; "
    home = {"HOME": "/mnt", "TMPDIR": "/mnt", "STATE_DIRECTORY": "/mnt/state", "XDG_STATE_HOME": "/mnt"}
    before = ("unshare", "-m", "sh", "-c", full.replace("; mount -o remount,ro /mnt", "") + 'exec "$@"', "sh")
    done = diagnose(site.pc, province, "--quick", "--html", "/mnt/page.html", before=before, **home)
    assert done.stdout.startswith("The disk at /mnt is full")
    assert "+ route" in done.stdout
    assert done.stderr == "/mnt/page.html: cannot be written: No space left on device; name another file\n"
    assert done.returncode == 2
    before = ("unshare", "-m", "sh", "-c", full + 'exec "$@"', "sh")
    done = diagnose(site.pc, province, "--quick", before=before, **home)
    assert done.stdout.startswith("The disk at /mnt is full")
    assert (done.returncode, done.stderr) == (1, "")


def test_a_page_that_cannot_be_written_costs_no_verdict(site: Site, province: Province, tmp_path: Path) -> None:
    page = tmp_path / "missing" / "page.html"
    with site.cables[0].cut():
        done = diagnose(site.pc, province, "--quick", "--html", str(page))
    assert done.returncode == 2
    assert done.stdout.startswith("No signal on the network cable of eth0.")
    assert done.stderr == f"{page}: cannot be written: No such file or directory; name another file\n"


def test_no_secret_reaches_the_page_and_every_address_does(site: Site, province: Province, tmp_path: Path) -> None:
    config, page = tmp_path / "agent.yaml", tmp_path / "page.html"
    gone = f"192.168.{site.number}.77"
    config.write_text(
        f"snmp: {{devices: [{{name: ups, address: {gone}, auth: default}}], "
        "auths: {default: {version: 2c, community: sesame}}}\n"
    )
    proxy = f"http://bob:hunter2@{site.gateway_address}:9999"
    arguments = ("--quick", "--html", str(page), "-c", str(config))
    done = diagnose(site.pc, province, *arguments, https_proxy=proxy)
    told = page.read_text(encoding="utf-8") + done.stdout + done.stderr
    assert done.returncode == 1
    assert not re.search("hunter2|bob|sesame", told)
    assert f"{site.gateway_address}:9999" in page.read_text(encoding="utf-8")


def test_on_a_terminal_the_verdict_comes_first(site: Site, province: Province) -> None:
    with site.line.blackhole():
        screen = on_a_terminal(site, province, "--quick", "--lang", "vi", LANG="C", COLUMNS="80", LINES="24")
    assert COLOUR.search(screen)
    lines = CONTROL.sub("", screen).splitlines()[-23:]  # above is what progress left behind
    told = [next(number for number, line in enumerate(lines) if line.startswith(part)) for part in VERDICT_FIRST]
    assert told == sorted(told), screen
    assert all(cell_len(line) <= 80 for line in lines)


def test_a_narrow_terminal_without_colours(site: Site, province: Province) -> None:
    narrow = {"NO_COLOR": "1", "COLUMNS": "40", "LINES": "24"}
    screen = repeated(lambda: on_a_terminal(site, province, "--quick", **narrow), lambda one: "No fault found." in one)
    assert not COLOUR.search(screen)
    lines = CONTROL.sub("", screen).splitlines()
    assert lines[-9] == "No fault found.", screen
    assert all(cell_len(line.rstrip()) <= 40 for line in lines[-9:])


def test_piped_in_vietnamese_where_the_system_speaks_ascii(site: Site, province: Province) -> None:
    plain = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = diagnose(site.pc, province, "--lang", "vi", "--quick", **plain)
    assert done.returncode in {0, 1}
    assert re.search("Kh.ng ph.t hi.n l.i|C.n l.m", done.stdout)  # letters that the encoding lacks may be lost, the answer is not
    assert "\x1b" not in done.stdout
    spoken = diagnose(site.pc, province, "--quick", LANG="vi_VN.UTF-8").stdout
    assert "+ disk" in spoken
    assert "tốt" in spoken


def test_a_line_that_fell_three_times_is_told_so_by_the_running_agent(site: Site, province: Province, tmp_path: Path) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text(
        f"listen: 127.0.0.1:9797\nstate_dir: {tmp_path / 'state'}\nping: {{interval: 100ms, timeout: 300ms}}\n"
        "lan: {arp: false, dhcp: false}\nclock: {servers: []}\npath: {targets: []}\n"
    )
    with (tmp_path / "log").open("w") as log:
        command = [*AGENT, "run", "-c", str(config)]
        agent = site.pc.popen(command, stdout=log, stderr=log, env=environ(province))
    try:
        wait_for(site, 1.0, tmp_path)
        for _ in range(2):
            with site.line.blackhole():
                wait_for(site, 0.0, tmp_path)
            wait_for(site, 1.0, tmp_path)
        with site.line.blackhole():
            wait_for(site, 0.0, tmp_path)
            arguments = ("--quick", "-c", str(config))
            done = repeated(lambda: diagnose(site.pc, province, "--json", *arguments), lambda one: '"wan.down"' in one.stdout)
            told = repeated(lambda: diagnose(site.pc, province, "--lang", "vi", *arguments), lambda one: "lần thứ" in one.stdout)
    finally:
        agent.terminate()
        agent.wait(10)
    document = json.loads(done.stdout)
    assert document["verdict"] == "wan.down", document
    # On the stroke of midnight the first of the three would be yesterday's.
    assert re.fullmatch(r"Since [0-9]{2}:[0-9]{2}, (third|second|first) time today\.", document["findings"][0]["history"])
    if time.strftime("%H:%M") > "00:05":
        assert "third time today" in document["findings"][0]["history"]
        assert ", lần thứ ba trong hôm nay." in told.stdout


def wait_for(site: Site, state: float, directory: Path) -> None:
    """Until the running agent has seen both beacons answer (1) or fall silent (0), as its own status says."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9797/api/v1/status', timeout=5).read().decode())"
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(AssertionError):
            rows = json.loads(site.pc.python(ask))["changes"]
            beacons = {row["labels"]["target"]: row["value"] for row in rows if row["metric"] == "commune_ping_up"}
            if state in beacons.values() and {beacons.get("1.1.1.1"), beacons.get("8.8.8.8")} == {state}:
                return
        time.sleep(0.2)
    raise AssertionError((directory / "log").read_text())
