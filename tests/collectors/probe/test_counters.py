"""Counters against packets that were really sent, counted by nftables."""

import subprocess
import sys
from pathlib import Path

import pytest

from collectors.machine import Machine
from collectors.probe import counters
from tests.collectors import captured
from tests.netlab import End, Lab, available

NO_LAB = available()


def test_one_interface_of_many(tmp_path: Path) -> None:
    machine = captured.machine(tmp_path, captured.LAPTOP)
    found = counters.read(machine, "wlp3s0")
    assert found == counters.Counters(5_000_000_000, 4_000_000, 1, 12, 700_000_000, 900_000, 2, 3)
    assert counters.read(machine, "eth9") is None


def test_portable_counters_have_the_same_columns() -> None:
    native, portable = counters.read_all(Machine()), counters.read_all(Machine(platform="darwin"))
    assert native.keys() == portable.keys()
    for name, values in native.items():
        assert all(0 <= later - earlier < 10**7 for earlier, later in zip(values, portable[name], strict=True))


@pytest.mark.skipif(NO_LAB is not None, reason=f"no network laboratory here: {NO_LAB}")
def test_as_many_packets_as_nftables_counts() -> None:
    program = (
        "from collectors.machine import Machine; from collectors.probe.counters import read; print(*read(Machine(), 'eth0'))"
    )
    root = Path(__file__).parents[3]
    with Lab() as lab:
        pc, peer = lab.node("pc", {"net.ipv6.conf.default.disable_ipv6": "1"}), lab.node("peer")
        lab.link(End(pc, "eth0", ("10.9.0.1/24",)), End(peer, addresses=("10.9.0.2/24",)))

        def now() -> counters.Counters:
            words = pc.run([sys.executable, "-c", program], cwd=root).stdout.split()
            return counters.Counters(*map(int, words))

        pc.run(["ping", "-c1", "-W1", "10.9.0.2"])
        before, counted = now(), pc.count("icmp type echo-request")
        pc.run(["ping", "-c", "50", "-i", "0.01", "-s", "1000", "10.9.0.2"])
        after, tally = now(), counted.read()
    assert tally.packets == 50
    # An ARP refresh may join in; a frame is the packet and 14 octets of Ethernet header.
    assert 0 <= after.transmit_packets - before.transmit_packets - 50 <= 2
    assert 0 <= after.transmit_bytes - before.transmit_bytes - (tally.bytes + 50 * 14) <= 100
    assert 0 <= after.receive_packets - before.receive_packets - 50 <= 2


def test_statistics_files_agree() -> None:
    if sys.platform != "linux" or not Path("/sys/class/net/lo/statistics").exists():
        pytest.skip("needs a sysfs of this network namespace")
    subprocess.run(["ping", "-c1", "127.0.0.1"], capture_output=True, check=False)
    found = counters.read(Machine(), "lo")
    said = int(Path("/sys/class/net/lo/statistics/rx_packets").read_text())
    assert found is not None
    assert 0 <= said - found.receive_packets < 1000
