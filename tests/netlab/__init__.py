"""A network laboratory in plain Python calls: communes, carriers and faults out of Linux network namespaces.

A monitoring agent is only as good as its answers on a bad day, and bad days do not come when tests run.  Here they are
made: a complete site stands in a third of a second, each cable can be cut, lossy, slow, late or narrow, and what
happened to the packets is known from the kernel's own counters and timestamps.

    from tests.netlab import Lab, Province, available, round_trips

    pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

    def test_agent_sees_a_slow_line():
        with Lab() as lab:
            site = Province(lab).site()                        # computer, switch, gateway, two carriers, portals
            agent = site.pc.popen(["agent", "run", "-c", config])
            with site.line.delay(0.1, 0.01), site.line.loss(0.05, toward=site.gateway) as loss:
                with site.pc.capture("eth0") as capture:       # the second source
                    time.sleep(30)
            truth = round_trips(capture.frames), loss.dropped
            with site.line.cut():                              # `restore()` or the end of the block heals
                ...

It needs Linux, iproute2 and nftables, and root or `unshare -Urn`.  Nodes have veth, bridge and loopback interfaces of
the laboratory only, so no packet leaves it.  When the test ends, fails or is killed, everything is gone (keeper.py).

- `Lab`, `End`, `Node`, `Link`: build anything from parts.
- `Province`, `Site`: the ready-made topology; see province.py and site.py for addresses and names.
- `services`: dnsmasq, nginx, iperf3, Prometheus, snmpd, tinyproxy; each returns when it answers.
- `Capture`, `Counter`, `round_trips`, `icmp_echo`: what really happened.

Accuracy, measured on two shared cores with these very tools: a delay of 100 ms at 20 to 50 packets a second adds 0.05 ms
in the median and 0.15 ms in the worst twentieth, waking included; a cable without faults answers in 0.04 ms; a rate from
1 to 100 Mbit/s is kept within 0.3 %; loss is the kernel's random number generator, and `dropped` counts it exactly.

Limits: a relay passes about 1 Gbit/s of large frames, loses VLAN tags, and frames it holds are lost when a fault before
or behind it changes; a province has room for 99 sites; a switch does not learn loops (no spanning tree); wireless and
modems are not modelled.
"""

from . import services
from .certificates import Authority, Certificate
from .impair import Cut, Drop, Impairment, Rate, Relay
from .kernel import available
from .lab import End, Lab, LabError
from .link import Link
from .node import CommandError, Node
from .province import Province
from .services import Service
from .site import Site
from .watch import Capture, Counter, Frame, Tally, icmp_echo, round_trips

__all__ = [
    "Authority",
    "Capture",
    "Certificate",
    "CommandError",
    "Counter",
    "Cut",
    "Drop",
    "End",
    "Frame",
    "Impairment",
    "Lab",
    "LabError",
    "Link",
    "Node",
    "Province",
    "Rate",
    "Relay",
    "Service",
    "Site",
    "Tally",
    "available",
    "icmp_echo",
    "round_trips",
    "services",
]
