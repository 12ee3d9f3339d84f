"""A cable between two nodes, and everything that can happen to it.

    node a, eth0 ===== w1a  (wires)  w1b ===== port1, node b

Both halves end in the namespace `wires`, where one nftables rule passes each frame on.  A fault is a rule in front of
that one, a queue at the exit or a detour through a relay.  It works on frames: IPv4, IPv6, ARP and what nobody thought
of are treated alike, and neither end notices how.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .impair import AB, BA, Cut, Drop, Impairment, Rate, Relay
from .node import Node, end_processes
from .watch import tally

if TYPE_CHECKING:
    import subprocess

MILLION = 1_000_000
RELAY = Path(__file__).with_name("relay.py")
# Neighbour discovery alone travels with hop limit 255: like ARP it belongs to the cable and is spared by default.
IP_ONLY = ("meta protocol ip", "meta protocol ip6 ip6 hoplimit != 255")
ICMP_ONLY = ("meta protocol ip ip protocol icmp", "meta protocol ip6 meta l4proto ipv6-icmp ip6 hoplimit != 255")

Fault = TypeVar("Fault", bound=Impairment)


class Link:
    """Made by `Lab.link`.  `toward=node` limits a fault to the frames that travel to that end."""

    def __init__(self, number: int, wires: Node, nodes: tuple[Node, Node], names: tuple[str, str]) -> None:
        self.number = number
        self.nodes = nodes
        self.names = names
        self.faults: list[Impairment] = []
        self._wires = wires
        self._ends = (f"w{number}a", f"w{number}b")
        self._table = f"netdev link{number}"
        self._numbers = itertools.count(1)
        self._shaped: set[int] = set()
        self._rules()

    def __repr__(self) -> str:
        return f"<Link {self.nodes[0].name}:{self.names[0]} - {self.nodes[1].name}:{self.names[1]}>"

    # Faults

    def cut(self, at: Node | None = None) -> Cut:
        """Pull the plug: no carrier at both ends, or only at the node `at` while the other end still has light."""
        sides = (0, 1) if at is None else (self.nodes.index(at),)
        return self._add(Cut(self, (AB, BA), sides=sides))

    def blackhole(self, *matches: str, toward: Node | None = None) -> Drop:
        """The path is cut beyond: carrier stays, frames vanish.  `matches`: only those (nftables expressions)."""
        return self._add(Drop(self, self._directions(toward), statements=matches or ("",)))

    def loss(self, ratio: float, *matches: str, toward: Node | None = None) -> Drop:
        """Lose each packet independently with probability `ratio`; ARP and neighbour discovery are spared."""
        if not 0.0 <= ratio <= 1.0:
            message = f"loss ratio {ratio} is not between 0 and 1"
            raise ValueError(message)
        threshold = round(ratio * MILLION)
        chance = f"numgen random mod {MILLION} < {threshold}" if threshold < MILLION else ""
        statements = tuple(f"{match} {chance}" for match in matches or IP_ONLY) if threshold else ()
        return self._add(Drop(self, self._directions(toward), statements=statements))

    def block_icmp(self, toward: Node | None = None) -> Drop:
        """A firewall that drops ICMP and ICMPv6, except neighbour discovery."""
        return self.blackhole(*ICMP_ONLY, toward=toward)

    def mtu_blackhole(self, mtu: int, toward: Node | None = None) -> Drop:
        """Packets longer than `mtu` bytes (from the IP header on) vanish and nobody is told."""
        return self.blackhole(f"meta length > {mtu}", toward=toward)

    def rate(
        self,
        bits_per_second: float,
        *,
        toward: Node | None = None,
        burst: int | None = None,
        latency: float = 0.05,
        limit: int | None = None,
    ) -> Rate:
        """Carry at most this much, counted on Ethernet frames without their checksum.

        What exceeds it queues for up to `latency` seconds or `limit` bytes; a large queue is bufferbloat.  `burst`
        is in bytes, by default what passes in 4 ms.
        """
        bucket = burst or max(3028, int(bits_per_second / 8 * 0.004))
        queue = limit or int(bits_per_second / 8 * latency) + bucket
        directions = self._directions(toward)
        return self._add(Rate(self, directions, bits_per_second=bits_per_second, burst=bucket, limit=queue))

    def delay(
        self,
        mean: float,
        jitter: float = 0.0,
        *,
        distribution: str = "uniform",
        reorder: bool = False,
        toward: Node | None = None,
        match: str = "",
        seed: int | None = None,
    ) -> Relay:
        """Hold every frame for `mean` seconds, in each direction unless `toward` names one.

        `jitter` is the half width of "uniform", the standard deviation of "normal", the mean excess of "pareto".
        Frames keep their order unless `reorder`; at high rates that shortens the spread, as a real queue does.
        """
        plan = {"delay": mean, "jitter": jitter, "distribution": distribution, "reorder": reorder, "seed": seed}
        return self._add(Relay(self, self._directions(toward), plan=plan, match=match))

    def corrupt(self, ratio: float, *, toward: Node | None = None, match: str = "", seed: int | None = None) -> Relay:
        """Flip one bit behind the IP header in this share of the frames."""
        return self._add(Relay(self, self._directions(toward), plan={"corrupt": ratio, "seed": seed}, match=match))

    def duplicate(self, ratio: float, *, toward: Node | None = None, match: str = "", seed: int | None = None) -> Relay:
        """Deliver this share of the frames twice."""
        return self._add(Relay(self, self._directions(toward), plan={"duplicate": ratio, "seed": seed}, match=match))

    def burst_loss(self, start: float, end: float, *, toward: Node | None = None, seed: int | None = None) -> Relay:
        """Lose in bursts (Gilbert): per frame a burst starts with one probability and ends with the other.

        The long-run loss is start / (start + end), the mean burst 1 / end frames.
        """
        plan = {"burst_start": start, "burst_end": end, "seed": seed}
        return self._add(Relay(self, self._directions(toward), plan=plan))

    def mtu(self, size: int) -> None:
        """Set the MTU of the interfaces at both ends: a router there says so to senders (fragmentation needed)."""
        for node, name in zip(self.nodes, self.names, strict=True):
            node.ip(f"link set dev {name} mtu {size}")

    def restore(self) -> None:
        """Heal everything."""
        for fault in reversed(self.faults.copy()):
            self.heal(fault)

    # What the kernel is told

    def dropped(self, fault: Drop) -> int:
        """Frames that `fault` has taken so far."""
        listing = self._wires.run(["nft", "-j", "list", "counters"]).stdout
        return tally(listing, self._table.split()[1], fault.counter).packets

    def heal(self, fault: Impairment) -> None:
        """Take one fault away; the others stay as they are."""
        if fault not in self.faults:
            return
        self.faults.remove(fault)
        if isinstance(fault, Cut):
            self._carrier()
        elif isinstance(fault, Rate):
            self._queues()
        else:
            if isinstance(fault, Relay):
                self._relays(fault)
            self._rules()
            if isinstance(fault, Drop):
                fault.total = self.dropped(fault)
                self._wires.nft(f"delete counter {self._table} {fault.counter}")

    def _add(self, fault: Fault) -> Fault:
        fault.number = next(self._numbers)
        self.faults.append(fault)
        try:
            if isinstance(fault, Cut):
                self._carrier()
            elif isinstance(fault, Rate):
                self._queues()
            else:
                if isinstance(fault, Relay):
                    self._relays()
                self._rules()
        except BaseException:
            self.faults.remove(fault)
            raise
        return fault

    def _directions(self, toward: Node | None) -> tuple[int, ...]:
        if toward is None:
            return (AB, BA)
        if toward not in self.nodes:
            message = f"{toward} is not at {self}"
            raise ValueError(message)
        return (AB,) if toward is self.nodes[1] else (BA,)

    def _carrier(self) -> None:
        dark = {side for fault in self.faults if isinstance(fault, Cut) for side in fault.sides}
        states = [f"link set dev {wire} {'down' if side in dark else 'up'}" for side, wire in enumerate(self._ends)]
        self._wires.ip(*states)
        for side, (node, name) in enumerate(zip(self.nodes, self.names, strict=True)):
            node.await_carrier(name, up=side not in dark)

    def _queues(self) -> None:
        for direction in (AB, BA):
            wire = self._ends[1 - direction]
            rates = [fault for fault in self.faults if isinstance(fault, Rate) and direction in fault.directions]
            if rates:
                rate = rates[-1]
                shape = f"rate {round(rate.bits_per_second)}bit burst {rate.burst} limit {rate.limit}"
                self._wires.run(["tc", "qdisc", "replace", "dev", wire, "root", "tbf", *shape.split()])
                self._shaped.add(direction)
            elif direction in self._shaped:
                self._wires.run(["tc", "qdisc", "del", "dev", wire, "root"])
                self._shaped.discard(direction)

    def _chain(self, direction: int) -> list[Relay]:
        """Relays a frame passes one after the other: the newest first, those with a match apart."""
        relays = [fault for fault in self.faults if isinstance(fault, Relay) and direction in fault.directions]
        return [relay for relay in reversed(relays) if not relay.match]

    def _relays(self, removed: Relay | None = None) -> None:
        """Start what is missing; after a removal, restart the directions whose order has changed."""
        if removed is not None:
            end_processes(list(removed.processes.values()), grace=0.0)
            self._wires.ip(*(f"link del dev {removed.inlet(direction)}" for direction in removed.processes))
            for direction in removed.processes:
                for relay in self._chain(direction):
                    end_processes([relay.processes.pop(direction)], grace=0.0)
        for direction in (AB, BA):
            far = sink = self._ends[1 - direction]
            for relay in [fault for fault in self.faults if isinstance(fault, Relay) and direction in fault.directions]:
                if direction not in relay.processes:
                    relay.processes[direction] = self._start(relay, direction, far if relay.match else sink)
                if not relay.match:
                    sink = relay.inlet(direction)

    def _start(self, relay: Relay, direction: int, sink: str) -> subprocess.Popen[str]:
        inlet, outlet = relay.inlet(direction), relay.outlet(direction)
        pair = f"link add dev {inlet} mtu 9000 up type veth peer name {outlet} mtu 9000"
        present = self._wires.run(["ip", "link", "show", "dev", inlet], check=False).returncode == 0
        if not present:
            self._wires.ip(pair, f"link set dev {outlet} up")
        plan = json.dumps({**relay.plan, "source": outlet, "sink": sink})
        process = self._wires.popen([sys.executable, "-I", "-S", RELAY, plan])
        said = process.stdout.readline() if process.stdout else ""
        if said != "ready\n":
            message = f"{self}: the relay did not start: {said}{process.stdout.read() if process.stdout else ''}"
            raise RuntimeError(message)
        return process

    def _rules(self) -> None:
        lines = [f"add table {self._table}"]
        drops = [fault for fault in self.faults if isinstance(fault, Drop)]
        lines += [f"add counter {self._table} {fault.counter}" for fault in drops]
        for direction, source in enumerate(self._ends):
            chain = f"{self._table} {'ab'[direction]}"
            hook = f"{{ type filter hook ingress device {source} priority 0 ; }}"
            lines += [f"add chain {chain} {hook}", f"flush chain {chain}"]
            for fault in drops:
                if direction in fault.directions:
                    lines += [f"add rule {chain} {s} counter name {fault.counter} drop" for s in fault.statements]
            for relay in self.faults:
                if isinstance(relay, Relay) and relay.match and direction in relay.directions:
                    lines.append(f"add rule {chain} {relay.match} {_pass(relay.inlet(direction))}")
            whole = self._chain(direction)
            out = whole[0].inlet(direction) if whole else self._ends[1 - direction]
            lines.append(f"add rule {chain} {_pass(out)}")
        self._wires.nft("\n".join(lines))


def _pass(interface: str) -> str:
    """Send the frame on as a copy and let go of the original.

    The original still counts against the send buffer of the socket it came from, and would do so while it queues or
    waits in `wires`: the sender would notice and slow down, as no sender does for a queue in another building.
    """
    return f"dup to {interface} drop"
