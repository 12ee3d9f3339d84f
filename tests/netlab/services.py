"""Real servers in a node: name service, web, load test, Prometheus, SNMP agent, proxy.

Each helper writes its files below the node's directory, returns when the server answers, and says what the server said
when it does not.  Servers run as the user of the test, in the foreground, and end with the laboratory.
"""

from __future__ import annotations

import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kernel import tool_path
from .node import Node, end_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

# SNMP v2c GET of sysUpTime.0 with community "public", to see that an agent answers at all.
SNMP_GET = bytes.fromhex("302902010104067075626c6963a01c02047e7e7e7e020100020100300e300c06082b060102010103000500")


@dataclass(frozen=True)
class Service:
    """A running server; `log` is what it printed."""

    node: Node
    process: subprocess.Popen[str]
    directory: Path

    @property
    def log(self) -> str:
        """Everything the server has printed so far."""
        return (self.directory / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End it now, as when the server fails."""
        if self.process in self.node.processes:
            self.node.processes.remove(self.process)
            end_processes([self.process], grace=2.0)


def require(*tools: str) -> str | None:
    """None when all `tools` are installed, else a reason to skip a test."""
    missing = [tool for tool in tools if tool_path(tool) is None]
    return "not installed: " + ", ".join(missing) if missing else None


def start(node: Node, name: str, command: Sequence[str | Path], ready: Callable[[], bool], *, timeout: float = 10.0) -> Service:
    """Start `command` and poll `ready` inside the node; for servers without a helper here."""
    directory = workplace(node, name)
    with (directory / "log").open("w", encoding="utf-8") as log:
        process = node.popen(command, stdout=log, stderr=subprocess.STDOUT)
    service = Service(node, process, directory)

    def wait() -> bool:
        end = time.monotonic() + timeout
        while time.monotonic() < end and process.poll() is None:
            if ready():
                return True
            time.sleep(0.005)
        return False

    if not node.entered_thread(wait):
        state = f"ended with status {process.poll()}" if process.poll() is not None else f"no answer in {timeout} s"
        said = service.log
        service.stop()
        message = f"{node.name}: {name}: {state}\n{said}"
        raise RuntimeError(message)
    return service


def workplace(node: Node, name: str) -> Path:
    """The directory of one service; made when it is missing."""
    directory = node.directory / name
    directory.mkdir(exist_ok=True)
    return directory


def tcp(address: str, port: int) -> Callable[[], bool]:
    """A readiness test: somebody accepts connections there."""

    def test() -> bool:
        try:
            with socket.create_connection((address, port), timeout=0.5):
                return True
        except OSError:
            return False

    return test


def dnsmasq(
    node: Node,
    *,
    records: Mapping[str, Iterable[str]] | None = None,
    upstream: str | None = None,
    dhcp: str | None = None,
    options: Iterable[str] = (),
    name: str = "dnsmasq",
    ready: str = "127.0.0.1",
    port: int = 53,
) -> Service:
    """Name service on every address of the node, with DHCP for the range `dhcp` ("first,last,mask,lease").

    `records` maps names to addresses, `*.name` covers everything below one.  Unknown names go to `upstream`, or do not
    exist.  `options` are further lines of its configuration.
    """
    directory = workplace(node, name)
    lines = ["no-hosts", "no-resolv", "bind-dynamic", "log-queries", f"port={port}"]
    lines += [f"dhcp-leasefile={directory / 'leases'}", "cache-size=1000"]
    for host, addresses in (records or {}).items():
        wild = host.startswith("*.")
        kind = f"address=/{host[2:]}/" if wild else f"host-record={host},"
        lines += [kind + address for address in addresses]
    lines += [f"server={upstream}"] if upstream else ["address=/#/"]
    lines += [f"dhcp-range={dhcp}", "dhcp-authoritative", "no-ping"] if dhcp else []
    (directory / "conf").write_text("\n".join([*lines, *options, ""]), encoding="utf-8")
    # Debug mode is the one that stays in the foreground and keeps its user: another one may not exist here.
    command = ["dnsmasq", "--no-daemon", "-C", str(directory / "conf")]
    return start(node, name, command, tcp(ready, port))


def nginx(node: Node, servers: str, *, ready: tuple[str, int] = ("127.0.0.1", 80), name: str = "nginx") -> Service:
    """A web server; `servers` is the inside of its http block."""
    directory = workplace(node, name)
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{path}_temp_path {directory / path};" for path in paths)
    (directory / "conf").write_text(
        f"daemon off; master_process off; user root; pid {directory / 'pid'}; events {{}}\n"
        f"http {{ access_log {directory / 'access'}; {temporary} default_type text/plain;\n{servers}\n}}\n",
        encoding="utf-8",
    )
    command = ["nginx", "-e", str(directory / "error"), "-p", str(directory), "-c", str(directory / "conf")]
    return start(node, name, command, tcp(*ready))


def iperf3_server(node: Node, port: int = 5201) -> Service:
    """The far end of an iperf3 test."""

    def ready() -> bool:  # by looking, since iperf3 would take a connection for the beginning of a test
        return bool(node.run(["ss", "-Hltn", f"sport = :{port}"]).stdout)

    return start(node, f"iperf3-{port}", ["iperf3", "--server", "--port", str(port), "--forceflush"], ready)


def prometheus(node: Node, config: str, *, port: int = 9090, arguments: Sequence[str] = ()) -> Service:
    """Prometheus with the given configuration file text."""
    directory = workplace(node, "prometheus")
    (directory / "prometheus.yml").write_text(config, encoding="utf-8")
    flags = [f"--config.file={directory / 'prometheus.yml'}", f"--storage.tsdb.path={directory / 'data'}"]
    flags += [f"--web.listen-address=0.0.0.0:{port}", "--web.enable-lifecycle", *arguments]

    def ready() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.5) as connection:
                connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
                return connection.recv(64).split()[1:2] == [b"200"]
        except OSError:
            return False

    return start(node, "prometheus", ["prometheus", *flags], ready, timeout=30.0)


def snmpd(node: Node, *, options: str = "", port: int = 161) -> Service:
    """net-snmp's agent with community "public"; `options` are further lines of snmpd.conf."""
    directory = workplace(node, "snmpd")
    conf = f"rocommunity public\nrocommunity6 public\nsyslocation netlab\n{options}\n"
    (directory / "conf").write_text(conf, encoding="utf-8")

    def ready() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.2)
            asking.connect(("127.0.0.1", port))
            try:
                asking.send(SNMP_GET)
                return bool(asking.recv(1500))
            except OSError:
                return False

    command = ["env", f"SNMP_PERSISTENT_DIR={directory}", "snmpd", "-f", "-r", "-Lo", "-C", "-c", str(directory / "conf")]
    return start(node, "snmpd", [*command, f"udp:{port}", f"udp6:{port}"], ready)


def tinyproxy(node: Node, *, port: int = 3128, options: str = "") -> Service:
    """An HTTP proxy (CONNECT included) for everybody who can reach it."""
    directory = workplace(node, "tinyproxy")
    conf = f'Port {port}\nTimeout 60\nMaxClients 50\nPidFile "{directory / "pid"}"\n{options}\n'
    (directory / "conf").write_text(conf, encoding="utf-8")
    return start(node, "tinyproxy", ["tinyproxy", "-d", "-c", str(directory / "conf")], tcp("127.0.0.1", port))
