"""The laboratory: starts the keeper, makes nodes and links, and ends everything.

Two namespaces exist besides the nodes: the keeper's, which owns all processes, and `wires`, where both halves of every
cable end.  What a cable does to packets happens in `wires` and never in a node, so a node's own counters, captures and
socket timestamps tell the truth about that node.
"""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from .kernel import CLONE_NEWPID, available, in_thread, offload_off, unshare
from .link import Link
from .node import Node, end_processes

if TYPE_CHECKING:
    from types import TracebackType

KEEPER = Path(__file__).with_name("keeper.py")
SO_PASSCRED_SIZE = struct.calcsize("3i")

# Addresses are usable at once and nothing is filtered behind the test's back.
DEFAULT_SYSCTLS = {
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.ping_group_range": "0 0",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv6.icmp.ratelimit": "0",
}
FORWARDING = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1", "net.ipv6.conf.default.forwarding": "1"}


class LabError(RuntimeError):
    """The laboratory could not be built; says what the machine refused."""


@dataclass(frozen=True)
class End:
    """One end of a link: which node, what its interface is called there and which addresses (with prefix) it has."""

    node: Node
    name: str = ""  # default: eth0, eth1, … on a computer, port1, port2, … on a switch
    addresses: tuple[str, ...] = ()
    mac: str | None = None


class Lab:
    """`with Lab() as lab:` builds; leaving the block, or dying in it, leaves nothing behind."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.links: list[Link] = []
        self.directory = Path()
        self._ports: dict[str, int] = {}
        self._channel: socket.socket | None = None
        self._keeper: subprocess.Popen[bytes] | None = None
        self._process_space = -1

    def __enter__(self) -> Self:
        self.directory = Path(tempfile.mkdtemp(prefix="netlab-"))
        self.directory.chmod(0o755)  # daemons drop their privileges and still read their files
        try:
            self._start_keeper()
            self.wires = self.node("wires", {"net.ipv6.conf.default.disable_ipv6": "1"})
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def node(self, name: str, sysctls: dict[str, str] | None = None, *, router: bool = False) -> Node:
        """A new node.  `router` forwards IPv4 and IPv6; `sysctls` are set before it has any interface."""
        if name in self.nodes:
            message = f"a node {name!r} exists already"
            raise LabError(message)
        settings = {**DEFAULT_SYSCTLS, **(FORWARDING if router else {}), **(sysctls or {})}
        directory = self.directory / name
        request = {"name": name, "directory": str(directory), "sysctls": settings}
        answer, pid, fds = self._ask(request)
        node = Node(name, directory, pid, int(answer["pid"]), (fds[0], fds[1], fds[2]), self._process_space)
        node.missing = list(answer["missing"])
        self.nodes[name] = node
        node.ip("link set dev lo up")
        return node

    def switch(self, name: str) -> Node:
        """A node whose links are ports of one bridge.  It neither delays forwarding nor holds multicast back."""
        node = self.node(name)
        node.ip("link add dev br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0", "link set dev br0 up")
        node.bridge = "br0"
        return node

    def link(self, a: Node | End, b: Node | End, *, mtu: int = 1500) -> Link:
        """A cable between two nodes; impairments say `toward=` one of them."""
        ends = (self._complete(a), self._complete(b))
        number = len(self.links) + 1
        wires = (f"w{number}a", f"w{number}b")
        lines: list[str] = []
        for side, end, wire in zip("ab", ends, wires, strict=True):
            # An index unlike the peer's: the kernel reports changes of carrier at once only when the two differ.
            index = 1_000_000 + 2 * number + (side == "b")
            mac = end.mac or f"02:00:00:{number // 256:02x}:{number % 256:02x}:0{side}"
            peer = f"peer name {end.name} address {mac} mtu {mtu} netns {end.node.inner_pid}"
            lines += [f"link add dev {wire} index {index} mtu 9000 type veth {peer}", f"link set dev {wire} up"]
        self.wires.ip(*lines)
        for end in ends:
            with end.node.enter():
                offload_off(end.name)
            master = f" master {end.node.bridge}" if end.node.bridge else ""
            settings = [f"link set dev {end.name}{master} up"]
            settings += [f"addr add {address} dev {end.name}" for address in end.addresses]
            end.node.ip(*settings)
        link = Link(number, self.wires, (ends[0].node, ends[1].node), (ends[0].name, ends[1].name))
        self.links.append(link)
        return link

    def _complete(self, end: Node | End) -> End:
        end = End(end) if isinstance(end, Node) else end
        if end.name:
            return end
        count = self._ports.get(end.node.name, 0)
        self._ports[end.node.name] = count + 1
        name = f"port{count + 1}" if end.node.bridge else f"eth{count}"
        return End(end.node, name, end.addresses, end.mac)

    # The keeper

    def _start_keeper(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        ours.settimeout(20.0)
        self._channel = ours

        def start() -> subprocess.Popen[bytes]:
            try:
                unshare(CLONE_NEWPID)
            except OSError as error:
                raise LabError(available() or str(error)) from error
            command = [sys.executable, "-I", "-S", str(KEEPER), str(theirs.fileno()), str(self.directory)]
            return subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL)

        with theirs:
            self._keeper = in_thread(start)
        self._process_space = os.open(f"/proc/{self._keeper.pid}/ns/pid", os.O_RDONLY)
        self._receive()

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], int, list[int]]:
        if self._channel is None:
            message = "the laboratory is closed; use it as: with Lab() as lab"
            raise LabError(message)
        self._channel.send(json.dumps(request).encode())
        return self._receive()

    def _receive(self) -> tuple[dict[str, Any], int, list[int]]:
        assert self._channel is not None
        room = socket.CMSG_SPACE(SO_PASSCRED_SIZE) + socket.CMSG_SPACE(16)
        data, ancillary, _, _ = self._channel.recvmsg(65536, room, socket.MSG_CMSG_CLOEXEC)
        if not data:
            message = f"the keeper did not start: {available() or 'see its standard error above'}"
            raise LabError(message)
        pid, fds = 0, array.array("i")
        for level, kind, value in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds.frombytes(value[: len(value) - len(value) % fds.itemsize])
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                pid = struct.unpack("3i", value)[0]
        answer: dict[str, Any] = json.loads(data)
        if "error" in answer:
            raise LabError(answer["error"])
        return answer, pid, list(fds)

    def close(self) -> None:
        """End every command, the keeper and with it every namespace and file.  Safe to call twice."""
        processes = [process for node in self.nodes.values() for process in node.processes]
        end_processes(processes, grace=1.0)
        for node in self.nodes.values():
            node.processes.clear()
            node.close()
        self.nodes.clear()
        for link in self.links:
            link.faults.clear()  # a `with` block that ends after the laboratory has nothing left to heal
        self.links.clear()
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._keeper is not None:
            self._keeper.wait(20.0)
            self._keeper = None
        if self._process_space >= 0:
            os.close(self._process_space)
            self._process_space = -1
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)
