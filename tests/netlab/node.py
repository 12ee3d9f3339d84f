"""A node: one computer, router or server of the laboratory.

It is a set of namespaces (network, mounts, host name, processes) and nothing else, so a command started in it is an
ordinary child of the test: its pid, signals, pipes and exit status are real.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeVar

from .kernel import (
    CLONE_FS,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    in_thread,
    setns,
    tool_path,
    unshare,
)
from .watch import Capture, Counter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
Stream = int | IO[str] | IO[bytes] | None


class CommandError(AssertionError):
    """A command in a node failed although the test relied on it; carries what it said."""


class Node:
    """Made by `Lab.node`.  `bridge` names the bridge that new links join when the node is a switch."""

    def __init__(  # noqa: PLR0917 - what the keeper reports about a node
        self, name: str, directory: Path, pid: int, inner_pid: int, fds: tuple[int, int, int], process_space: int
    ) -> None:
        self.name = name
        self.directory = directory
        self.pid = pid  # as this test sees it: nsenter -t PID -n -m shows the node to a person
        self.inner_pid = inner_pid  # as commands inside the laboratory see it
        self.bridge: str | None = None
        self.missing: list[str] = []  # what this machine refused: a /proc of its own, a sysctl
        self.processes: list[subprocess.Popen[str]] = []
        self.captures: list[Capture] = []
        self._fds = fds
        self._process_space = process_space

    def __repr__(self) -> str:
        return f"<Node {self.name}>"

    # Commands

    def popen(
        self,
        command: Sequence[str | Path],
        *,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = subprocess.PIPE,
        stderr: Stream = subprocess.STDOUT,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[str]:
        """Start a command in the node; it is ended with the laboratory at the latest.

        Its output goes to a pipe.  Pass a file as `stdout` for a command that talks a lot and is not read.

        The proxies of the machine that runs the test are taken out of the environment: nodes cannot reach them.
        """
        words = [str(word) for word in command]
        words[0] = tool_path(words[0]) or words[0]
        environment = dict(os.environ if env is None else env)
        if env is None:
            environment = {key: value for key, value in environment.items() if not key.lower().endswith("_proxy")}
        where = str(cwd or Path.cwd())

        def start() -> subprocess.Popen[str]:
            self._step_in()
            setns(self._process_space, CLONE_NEWPID)
            return subprocess.Popen(
                words,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=where,
                pass_fds=pass_fds,
                text=True,
                encoding="utf-8",
                errors="replace",
            )

        process = in_thread(start)
        self.processes.append(process)
        return process

    def run(
        self,
        command: Sequence[str | Path],
        *,
        check: bool = True,
        timeout: float = 30.0,
        input: str | None = None,  # noqa: A002 - the name subprocess.run uses
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.  Raises CommandError with its output when `check` and it fails, or it is late."""
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = self.popen(command, stdin=stdin, stderr=subprocess.PIPE, env=env, cwd=cwd)
        said = f"{self.name}: {' '.join(str(word) for word in command)}"
        try:
            out, err = process.communicate(input, timeout)
        except subprocess.TimeoutExpired as error:
            process.kill()
            out, err = process.communicate()
            message = f"{said}: no end after {timeout} s\n{out}{err}"
            raise CommandError(message) from error
        finally:
            self.processes.remove(process)
        if check and process.returncode != 0:
            message = f"{said}: exit status {process.returncode}\n{input or ''}{out}{err}"
            raise CommandError(message)
        return subprocess.CompletedProcess(list(command), process.returncode, out, err)

    def python(self, code: str | Path, *arguments: str, timeout: float = 30.0) -> str:
        """Run Python source text or a script in the node with this interpreter; returns its standard output."""
        source = [str(code)] if isinstance(code, Path) else ["-c", code]
        return self.run([sys.executable, *source, *arguments], timeout=timeout).stdout

    # Being there

    @contextlib.contextmanager
    def enter(self) -> Iterator[None]:
        """Move the calling thread into the node's network: sockets opened inside stay the node's for good.

        Names still resolve by the test machine's files; use `entered_thread` where that matters.
        """
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            setns(self._fds[0], CLONE_NEWNET)
            try:
                yield
            finally:
                setns(home, CLONE_NEWNET)
        finally:
            os.close(home)

    def entered_thread(self, work: Callable[[], T]) -> T:
        """Run `work` in a thread of its own inside the node, with the node's network, files and host name.

        The thread is still the test's, and the node's /proc shows the laboratory's processes only: /proc/self and what
        hangs on it (/proc/net) do not exist for it.  Use `run` or `python` for those.
        """

        def body() -> T:
            self._step_in()
            return work()

        return in_thread(body)

    def _step_in(self) -> None:
        net, mounts, host_name = self._fds
        setns(net, CLONE_NEWNET)
        setns(host_name, CLONE_NEWUTS)
        unshare(CLONE_FS)
        setns(mounts, CLONE_NEWNS)

    # Settings

    def ip(self, *lines: str) -> None:
        """Run `ip` command lines (without the word ip), all in one process."""
        if lines:
            self.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n")

    def nft(self, rules: str) -> None:
        """Load nftables text as one transaction."""
        self.run(["nft", "-f", "-"], input=rules + "\n")

    def sysctl(self, key: str, value: object) -> None:
        """Set one network sysctl of this node, e.g. `net.ipv4.ip_forward`."""
        path = Path("/proc/sys") / key.replace(".", "/")
        self.entered_thread(lambda: path.write_text(str(value), encoding="utf-8"))

    def route(self, destination: str, via: str | None = None, *, dev: str | None = None, metric: int = 0) -> None:
        """Add a route; a second default route needs another metric."""
        words = ["route", "add", destination]
        words += ["via", via] if via else []
        words += ["dev", dev] if dev else []
        words += ["metric", str(metric)] if metric else []
        self.ip(" ".join(words))

    def await_carrier(self, interface: str, *, up: bool, timeout: float = 5.0) -> None:
        """Return once the kernel has made up its mind whether `interface` has carrier, which takes it a moment."""
        state = Path(f"/sys/class/net/{interface}/operstate")
        flags = Path(f"/sys/class/net/{interface}/flags")

        def wait() -> bool:
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                switched_on = int(flags.read_text(encoding="ascii"), 16) & 1
                if not switched_on or (state.read_text(encoding="ascii").strip() == "up") == up:
                    return True
                time.sleep(0.001)
            return False

        if not self.entered_thread(wait):
            message = f"{self.name}: {interface} did not go {'up' if up else 'down'} within {timeout} s"
            raise CommandError(message)

    def resolvers(self, *addresses: str, search: str | None = None) -> None:
        """What this node's /etc/resolv.conf says."""
        lines = [f"nameserver {address}" for address in addresses] + ([f"search {search}"] if search else [])
        (self.directory / "resolv.conf").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def hosts(self, names: Mapping[str, str]) -> None:
        """Add `{name: address}` to this node's /etc/hosts."""
        with (self.directory / "hosts").open("a", encoding="utf-8") as file:
            file.writelines(f"{address} {name}\n" for name, address in names.items())

    # A second source for what a monitor claims

    def count(self, match: str, hook: str = "output") -> Counter:
        """Count packets and bytes that match an nftables expression at `hook` (input, forward, output, …)."""
        return Counter(self.nft, lambda: self.run(["nft", "-j", "list", "counters"]).stdout, match, hook)

    def capture(self, interface: str, match: Callable[[bytes], bool] | None = None) -> Capture:
        """Record the frames of `interface` with the kernel's timestamps while the context lasts."""
        with self.enter():
            capture = Capture(interface, match)
        self.captures.append(capture)
        return capture

    def end(self, grace: float = 1.0) -> None:
        """End and reap every command still running, politely first."""
        end_processes(self.processes, grace)

    def close(self) -> None:
        """Stop captures and give the namespaces back; nothing can be started afterwards."""
        for capture in self.captures:
            capture.stop()
        for fd in self._fds:
            os.close(fd)


def end_processes(processes: list[subprocess.Popen[str]], grace: float) -> None:
    """SIGTERM to all at once, `grace` seconds for all together, SIGKILL for the rest; all are reaped."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            grace = 0.0
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
    processes.clear()
