"""The senders' cases of the Prometheus project's own compliance suites, with this agent in the place of Prometheus.

The suites (github.com/prometheus/compliance, folder remotewrite/sender; the one for 1.0 is that of commit a8c0647, the
last before the cases of 2.0 took its place) start `bin/prometheus-…` of their working directory with a configuration of
Prometheus, and offer to put one's own sender there. This program puts a script there that reads that configuration and
starts the agent with what it asks for: which target to scrape, where to send, which version. `docs/forward.md` says what
passes.

    python -m tests.receivers.compliance DIRECTORY [NAME…]

runs `DIRECTORY/sender1.test` and `DIRECTORY/sender2.test` (those that exist), each in a network namespace of its own,
and prints what passed. NAME picks cases as `go test -run` does.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.receivers.servers import free_port
from tests.receivers.time_server import time_server

ROOT = Path(__file__).parents[2]
BINARIES = {"1.0": "prometheus-2.30.3.linux-amd64", "2.0": "prometheus-3.8.0.linux-amd64"}
TIME_SERVER = "COMPLIANCE_TIME_SERVER"
SUITES = {"1.0": "sender1.test", "2.0": "sender2.test"}
CASES = {"1.0": re.compile("/prometheus/."), "2.0": re.compile("/prometheus$")}
"""What is asked of a sender; the rest are tests that hold cases."""
SCRIPT = """#!/bin/sh
# stands where the suite expects Prometheus
cd '{root}' && exec '{python}' -m tests.receivers.compliance --as-prometheus {version} "$@"
"""


def become_the_agent(version: str, arguments: list[str]) -> None:
    """Replace this process by an agent that does what a configuration of Prometheus says."""
    name = next(one.partition("=")[2] for one in arguments if one.startswith("--config.file="))
    text = Path(name).read_text(encoding="utf-8")
    url = re.search(r"url: '([^']+)'", text)
    target = re.search(r"targets: \['([^']+)'\]", text)
    assert url is not None
    assert target is not None
    if not url[1].startswith("http"):  # the agent says so and ends; the suite as a whole ends with a sender that ends early
        signal.signal(signal.SIGINT, lambda *_: os._exit(2))
        time.sleep(3600)
    protocol = "1.0" if version == "1.0" else "auto"
    folder = Path.cwd() if Path.cwd() != ROOT else Path(tempfile.mkdtemp(prefix="compliance-"))
    (folder / "state").mkdir(exist_ok=True)
    config = folder / "agent.yaml"
    config.write_text(
        f"site: {{instance: '{target[1]}'}}\n"  # the cases of 1.0 want the target's address in every sample, the agent's too
        f"listen: 127.0.0.1:{free_port()}\nstate_dir: {folder}/state\nclock: {{servers: ['{os.environ[TIME_SERVER]}']}}\n"
        f"remote_write: {{url: '{url[1]}', protocol: '{protocol}', interval: 1s}}\n"
        f"scrape: {{targets: [{{job: test, url: 'http://{target[1]}/metrics', interval: 1s, timeout: 1s}}]}}\n"
        "dns: {queries: []}\nhttp: {targets: []}\npath: {targets: []}\nping: {targets: []}\n",  # nothing to be seen but the target
        encoding="utf-8",
    )
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)
    os.execv(sys.executable, [sys.executable, "-m", "agent", "run", "-c", str(config)])


def run(directory: Path, version: str, names: list[str]) -> bool:
    """One suite; tells whether everything passed."""
    suite = directory / SUITES[version]
    if not suite.exists():
        print(f"remote write {version}: {suite} is not there")
        return True
    with tempfile.TemporaryDirectory(prefix="compliance-") as name:
        work = Path(name)
        (work / "bin").mkdir()
        script = work / "bin" / BINARIES[version]
        script.write_text(SCRIPT.format(root=ROOT, python=sys.executable, version=version), encoding="utf-8")
        script.chmod(0o755)
        cases = names or [".+"]  # a bare | parts whole patterns, a / only their levels
        select = "|".join(f"^TestRemoteWrite$/^prometheus$/{case}" if version == "1.0" else case for case in cases)
        done = subprocess.run(
            ["unshare", "-rn", sys.executable, "-m", "tests.receivers.compliance", "--inside", work, suite, select],
            cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(work)},
        )  # fmt: skip
    found = re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)", done.stdout, re.MULTILINE)
    results = {case: result for result, case in found if CASES[version].search(case)}
    counts = {word: sum(1 for result in results.values() if result == word) for word in ("PASS", "FAIL", "SKIP")}
    print(f"remote write {version}: {counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    for case, result in results.items():
        if result != "PASS":
            print(f"  {result} {case}")
    if done.returncode and not counts["FAIL"]:
        print(f"  the suite itself ended with {done.returncode}: {done.stderr[-500:]}")
    (directory / f"compliance-{version}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    return done.returncode == 0 and bool(counts["PASS"])


async def inside(work: str, suite: str, select: str) -> int:
    """In the namespace: a time server, so that the agent knows the time as the suite does, and the suite."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # noqa: ASYNC221  nothing else runs yet
    async with time_server(time.time) as server:
        process = await asyncio.create_subprocess_exec(
            suite, "-test.v", "-test.timeout", "60m", "-test.run", select, cwd=work, env={**os.environ, TIME_SERVER: server}
        )
        return await process.wait()


def main() -> None:
    if sys.argv[1] == "--as-prometheus":
        become_the_agent(sys.argv[2], sys.argv[3:])
    if sys.argv[1] == "--inside":
        sys.exit(asyncio.run(inside(*sys.argv[2:])))
    directory = Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored, and the suites stop senders by it
    results = [run(directory, version, sys.argv[2:]) for version in SUITES]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
