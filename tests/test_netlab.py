"""The laboratory proves itself before other tests lean on it: what it claims to do to packets is measured here."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import netlab
from tests.netlab import (
    CommandError,
    End,
    Lab,
    Link,
    Node,
    Province,
    Site,
    round_trips,
    services,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REASON = netlab.available()
pytestmark = pytest.mark.skipif(REASON is not None, reason=f"no network laboratory here: {REASON}")
HERE = str(Path(netlab.__file__).parents[2])


@pytest.fixture(scope="module")
def province() -> Iterator[Province]:
    with Lab() as lab:
        yield Province(lab)


@pytest.fixture(scope="module")
def site(province: Province) -> Site:
    return province.site(ipv6=True)


@pytest.fixture
def pair() -> Iterator[tuple[Node, Node, Link]]:
    with Lab() as lab:
        a, b = lab.node("a"), lab.node("b")
        yield a, b, lab.link(End(a, addresses=("10.9.0.1/24",)), End(b, addresses=("10.9.0.2/24",)))


def ping(node: Node, address: str, *words: str, count: int = 3, interval: float = 0.02) -> tuple[int, str]:
    """Replies received, and all that ping said."""
    command = ["ping", "-n", "-c", str(count), "-i", str(interval), "-W", "0.4", *words, address]
    done = node.run(command, check=False)
    found = re.search(r"(\d+) received", done.stdout)
    return int(found[1]) if found else 0, done.stdout + done.stderr


def answers_again(node: Node, address: str) -> None:
    """After an outage the kernel may wait up to a second with its next try to resolve a neighbour."""
    end = time.monotonic() + 3
    while ping(node, address, count=1)[0] == 0:
        assert time.monotonic() < end


def tail(successes: int, trials: int, chance: float) -> float:
    """The smaller tail of the binomial distribution at `successes`."""

    def log_mass(k: int) -> float:
        ways = math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
        return ways + k * math.log(chance) + (trials - k) * math.log1p(-chance)

    low = range(successes + 1) if successes < trials * chance else range(successes, trials + 1)
    return math.fsum(math.exp(log_mass(k)) for k in low)


# The site


def test_site_stands_quickly() -> None:
    began = time.perf_counter()
    with Lab() as lab:
        site = Province(lab).site()
        built = time.perf_counter() - began
        assert ping(site.pc, "dichvucong.gov.vn", count=1)[0] == 1
    assert built < 1.5 * (1 + os.getloadavg()[0] / 2)


@pytest.mark.parametrize("address", ["192.168.1.1", "1.1.1.1", "10.0.0.10", "203.0.113.10", "2606:4700:4700::1111"])
def test_addresses_answer(site: Site, address: str) -> None:
    received, said = ping(site.pc, address)
    assert received == 3, said


def test_gateway_translates_addresses(province: Province, site: Site) -> None:
    with (
        province.internet.count("icmp type echo-request ip saddr 100.64.1.2", "input") as translated,
        province.internet.count("ip saddr 192.168.0.0/16", "input") as leaked,
    ):
        assert ping(site.pc, "8.8.8.8")[0] == 3
        assert translated.read() == (3, 3 * 84)
        assert leaked.read().packets == 0


def test_portal_speaks_verified_tls_by_name(province: Province, site: Site) -> None:
    curl = ["curl", "-sS", "-m", "5", "--cacert", str(province.ca_file)]
    assert site.pc.run([*curl, "https://dichvucong.gov.vn/"]).stdout == "dichvucong.gov.vn\n"
    assert site.pc.run(["curl", "-sS", "-m", "5", "https://dichvucong.gov.vn/"], check=False).returncode == 60
    assert site.pc.run([*curl, "http://no.such.example/"], check=False).returncode == 6


def test_nothing_leaves(site: Site) -> None:
    links = json.loads(site.pc.run(["ip", "-j", "link"]).stdout)
    assert sorted(link["ifname"] for link in links) == ["eth0", "lo"]
    received, _ = ping(site.pc, "192.0.2.1", count=1)
    assert received == 0


def test_sites_fail_apart_and_together(province: Province, site: Site) -> None:
    other = province.site("other", uplinks="pc", computers=2)
    assert ping(other.pc, "1.1.1.1")[0] == 3
    assert ping(other.computers[1], "1.1.1.1")[0] == 3
    routes = json.loads(other.pc.run(["ip", "-j", "route", "show", "default"]).stdout)
    assert [route["dev"] for route in routes] == ["eth0", "eth1"]
    assert ping(other.pc, "1.1.1.1", "-I", "eth1")[0] == 3
    with site.line.blackhole():
        assert ping(site.pc, "1.1.1.1", count=1)[0] == 0
        assert ping(other.pc, "1.1.1.1")[0] == 3
    with province.internet_core.blackhole():
        assert ping(site.pc, "1.1.1.1", count=1)[0] == 0
        assert ping(other.computers[1], "1.1.1.1", count=1)[0] == 0
        assert ping(site.pc, "10.0.0.10")[0] == 3
    assert ping(site.pc, "1.1.1.1")[0] == 3


def test_router_advertisements_configure_a_computer(province: Province) -> None:
    pc = province.site("ra", uplinks="one", ipv6="ra").pc
    end = time.monotonic() + 10
    while ping(pc, "2606:4700:4700::1111", count=1)[0] == 0:
        assert time.monotonic() < end, pc.run(["ip", "-6", "address"]).stdout
        time.sleep(0.05)


def test_proxy_is_the_only_way_out(province: Province) -> None:
    if reason := services.require("tinyproxy"):
        pytest.skip(reason)
    site = province.site("proxied", uplinks="one", proxy=True)
    curl = ["curl", "-sS", "--cacert", str(province.ca_file), "https://dichvucong.gov.vn/"]
    assert site.pc.run([*curl, "-m", "5", "-x", site.proxy_url]).stdout == "dichvucong.gov.vn\n"
    assert site.pc.run([*curl, "-m", "0.5"], check=False).returncode == 28


def test_captive_portal_catches_the_web(site: Site) -> None:
    ask = ["curl", "-s", "-m", "2", "-o", "/dev/null", "-w", "%{http_code}"]
    with site.captive_portal():
        assert site.pc.run([*ask, "http://dichvucong.gov.vn/"]).stdout == "302"
        assert site.pc.run([*ask, "-m", "0.3", "https://dichvucong.gov.vn/"], check=False).returncode == 28
    assert site.pc.run([*ask, "http://dichvucong.gov.vn/"]).stdout == "200"


def test_duplicate_address_answers_twice(province: Province) -> None:
    site = province.site("twice", uplinks="one")
    site.duplicate_address()
    with site.gateway.capture("lan", lambda frame: frame[12:14] == b"\x08\x06" and frame[21] == 2) as replies:
        ping(site.gateway, site.address(), count=1)
        time.sleep(0.05)
    assert len({frame.data[22:28] for frame in replies.frames if frame.direction == "in"}) == 2


def dhcp_servers(node: Node) -> set[str]:
    """Who offers an address to a stranger."""
    with node.enter():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        client.bind(("", 68))
        client.settimeout(0.5)
        head = bytes([1, 1, 6, 0]) + b"abcd" + bytes(2) + b"\x80\x00" + bytes(16) + bytes.fromhex("020000abcdef")
        client.sendto(head.ljust(236, b"\0") + bytes.fromhex("63825363 350101 ff"), ("255.255.255.255", 67))
        servers = set()
        with contextlib.suppress(TimeoutError):
            while True:
                options = client.recv(1500)[240:]
                servers.add(socket.inet_ntoa(options[options.index(b"\x36\x04") + 2 :][:4]))
        return servers


def test_addresses_are_offered_by_the_gateway_and_by_a_rogue(province: Province) -> None:
    site = province.site("dhcp", uplinks="one")
    assert dhcp_servers(site.pc) == {site.gateway_address}
    rogue = site.rogue_dhcp()
    assert dhcp_servers(site.pc) == {site.gateway_address, f"192.168.{site.number}.250"}
    rogue.stop()
    assert dhcp_servers(site.pc) == {site.gateway_address}


# Faults of a cable


def test_cut_takes_the_carrier_and_gives_it_back(site: Site) -> None:
    carrier = ["cat", "/sys/class/net/eth0/carrier"]
    assert site.pc.run(carrier).stdout == "1\n"
    with site.cables[0].cut():
        assert site.pc.run(carrier).stdout == "0\n"
        assert ping(site.pc, "1.1.1.1", count=1)[0] == 0
    assert site.pc.run(carrier).stdout == "1\n"
    answers_again(site.pc, "1.1.1.1")
    with site.line.cut(at=site.gateway):
        assert site.pc.run(carrier).stdout == "1\n"
        assert site.gateway.run(["cat", "/sys/class/net/vnpt/carrier"]).stdout == "0\n"
        assert ping(site.pc, "1.1.1.1", count=1)[0] == 0
        assert ping(site.pc, "10.0.0.10")[0] == 3
    answers_again(site.pc, "1.1.1.1")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
def test_loss_is_ten_percent(site: Site, address: str) -> None:
    trials = 600
    with (
        site.line.loss(0.1, "meta l4proto { icmp, ipv6-icmp } @th,0,8 { 0, 129 }", toward=site.gateway) as fault,
        site.pc.count("meta l4proto { icmp, ipv6-icmp } @th,0,8 { 8, 128 }") as sent,
    ):
        received, said = ping(site.pc, address, count=trials, interval=0.002)
        assert sent.read().packets == trials
        lost = fault.dropped
    assert fault.dropped == lost
    assert trials - received == lost, said
    assert tail(lost, trials, 0.1) > 5e-7


def test_loss_of_one_destination_only(site: Site) -> None:
    with site.line.loss(1.0, "ip daddr 1.1.1.1"):
        assert ping(site.pc, "1.1.1.1", count=2)[0] == 0
        assert ping(site.pc, "8.8.8.8")[0] == 3


def test_delay_of_one_destination_only(site: Site) -> None:
    with site.line.delay(0.05, match="ip daddr 1.1.1.1"), site.pc.capture("eth0") as capture:
        assert ping(site.pc, "1.1.1.1")[0] == 3
        assert ping(site.pc, "8.8.8.8")[0] == 3
    times = sorted(round_trips(capture.frames).values())
    assert times[2] < 0.01
    assert times[3] > 0.05


def test_burst_loss_comes_in_bursts(pair: tuple[Node, Node, Link]) -> None:
    a, b, link = pair
    with link.burst_loss(0.02, 0.2, toward=b, seed=7):
        _, said = ping(a, "10.9.0.2", count=600, interval=0.002)
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+)", said)}
    lost = [number for number in range(1, 601) if number not in answered]
    bursts = sum(1 for number in lost if number - 1 not in lost)
    assert 0.04 < len(lost) / 600 < 0.16
    assert 2.5 < len(lost) / bursts < 10


@pytest.mark.parametrize("interval", [0.02, 0.05])
def test_delay_is_exact(pair: tuple[Node, Node, Link], interval: float) -> None:
    a, b, link = pair
    ping(a, "10.9.0.2")
    with link.delay(0.1, toward=b), a.capture("eth0") as capture:
        assert ping(a, "10.9.0.2", count=25, interval=interval)[0] == 25
    times = list(round_trips(capture.frames).values())
    assert len(times) == 25
    assert min(times) >= 0.1
    assert statistics.median(times) == pytest.approx(0.1, abs=0.0005)


@pytest.mark.slow  # its figures need a machine that does nothing else
def test_jitter_is_spread_as_asked(pair: tuple[Node, Node, Link]) -> None:
    a, b, link = pair
    with link.delay(0.1, 0.01, toward=b, seed=1), a.capture("eth0") as capture:
        ping(a, "10.9.0.2", count=100, interval=0.02)
    times = list(round_trips(capture.frames).values())
    assert len(times) == 100
    assert statistics.fmean(times) == pytest.approx(0.1, abs=0.003)
    assert statistics.stdev(times) == pytest.approx(0.01 / math.sqrt(3), rel=0.25)
    assert min(times) >= 0.09
    assert statistics.quantiles(times, n=20)[-1] < 0.111


@pytest.mark.parametrize("reorder", [False, True])
def test_order_is_kept_unless_asked_otherwise(pair: tuple[Node, Node, Link], *, reorder: bool) -> None:
    a, b, link = pair
    with link.delay(0.03, 0.02, reorder=reorder, toward=b, seed=3):
        _, said = ping(a, "10.9.0.2", count=60, interval=0.004)
    order = [int(number) for number in re.findall(r"icmp_seq=(\d+)", said)]
    assert len(order) == 60
    assert (order == sorted(order)) is not reorder


@pytest.mark.slow  # its figures need a machine that does nothing else
def test_faults_add_up_and_heal_in_any_order(pair: tuple[Node, Node, Link]) -> None:
    a, b, link = pair

    def median() -> float:
        with a.capture("eth0") as capture:
            ping(a, "10.9.0.2", count=5)
        return statistics.median(round_trips(capture.frames).values())

    first = link.delay(0.02, toward=b)
    link.delay(0.03, toward=b)
    link.delay(0.01, toward=a)
    assert median() == pytest.approx(0.06, abs=0.003)
    first.remove()
    assert median() == pytest.approx(0.04, abs=0.003)
    link.restore()
    assert median() < 0.005


@pytest.mark.slow  # its figures need a machine that does nothing else
def test_rate_is_kept(pair: tuple[Node, Node, Link]) -> None:
    if reason := services.require("iperf3"):
        pytest.skip(reason)
    a, b, link = pair
    services.iperf3_server(b)
    with link.rate(10e6, toward=b), b.capture("eth0", lambda frame: len(frame) == 1442) as capture:
        a.run(["iperf3", "-u", "-b", "13M", "-l", "1400", "-t", "1", "-c", "10.9.0.2"])
    frames = capture.frames[10:-10]  # the bucket is full at first
    seconds = (frames[-1].timestamp_ns - frames[0].timestamp_ns) / 1e9
    assert (len(frames) - 1) * 1442 * 8 / seconds == pytest.approx(10e6, rel=0.02)


def test_a_full_queue_delays(pair: tuple[Node, Node, Link]) -> None:
    a, b, link = pair
    with a.enter():
        flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with flood, link.rate(1e6, toward=b, latency=0.2), a.capture("eth0") as capture:
        for _ in range(40):  # 56,000 bytes at once, 448 ms of the line: more than the queue holds
            flood.sendto(bytes(1400), ("10.9.0.2", 9))
        time.sleep(0.06)  # room for a small packet at the end of the queue
        assert ping(a, "10.9.0.2", count=1)[0] == 1
    assert 0.1 < statistics.median(round_trips(capture.frames).values()) < 0.25


def test_small_mtu_is_announced_and_black_hole_is_not(site: Site) -> None:
    large = ("-M", "do", "-s", "1452")
    site.line.mtu(1400)
    try:
        assert "mtu = 1400" in ping(site.pc, "1.1.1.1", *large, count=1)[1]
        assert "mtu=1400" in ping(site.pc, "2606:4700:4700::1111", "-M", "do", "-s", "1432", count=1)[1]
    finally:
        site.line.mtu(1500)
        site.pc.run(["ip", "route", "flush", "cache"])
        site.pc.run(["ip", "-6", "route", "flush", "cache"])
    assert ping(site.pc, "8.8.8.8", *large)[0] == 3
    with site.line.mtu_blackhole(1400) as hole:
        received, said = ping(site.pc, "8.8.8.8", *large, count=2)
        assert received == 0
        assert "rag" not in said
        assert hole.dropped == 2
        assert ping(site.pc, "8.8.8.8", "-M", "do", "-s", "1372")[0] == 3


def test_icmp_blocked_web_open(site: Site) -> None:
    with site.line.block_icmp():
        assert ping(site.pc, "1.1.1.1", count=1)[0] == 0
        assert ping(site.pc, "2606:4700:4700::1111", count=1)[0] == 0
        assert site.pc.run(["curl", "-sS", "-m", "5", "http://dichvucong.gov.vn/"]).stdout == "dichvucong.gov.vn\n"


def test_duplicates_and_corruption(pair: tuple[Node, Node, Link]) -> None:
    a, b, link = pair
    with link.duplicate(1.0, toward=b):
        assert "+3 duplicates" in ping(a, "10.9.0.2", count=4)[1].replace("+4", "+3")
    with link.corrupt(1.0, toward=b), b.count("meta l4proto icmp", "input") as arrived:
        assert ping(a, "10.9.0.2", count=3)[0] == 0
        assert arrived.read().packets == 3


# Being in a node


def test_a_socket_opened_inside_stays_inside(site: Site) -> None:
    home = str(Path("/proc/thread-self/ns/net").readlink())
    with site.pc.enter():
        inside = socket.create_connection(("198.51.100.80", 80), timeout=5)
    assert str(Path("/proc/thread-self/ns/net").readlink()) == home
    with inside:
        assert inside.getsockname()[0] == site.address()
        inside.sendall(b"GET / HTTP/1.0\r\nHost: a.example\r\n\r\n")
        assert b"200 OK" in inside.recv(4096)


def test_a_thread_inside_has_the_nodes_files(site: Site) -> None:
    assert site.pc.entered_thread(socket.gethostname) == "s1-pc"
    assert "192.168.1.1" in site.pc.entered_thread(Path("/etc/resolv.conf").read_text)
    assert site.pc.entered_thread(lambda: sorted(Path("/sys/class/net").iterdir()))[-1].name == "lo"
    site.pc.hosts({"printer.test": "192.168.1.77"})
    assert site.pc.python("import socket; print(socket.gethostbyname('printer.test'))") == "192.168.1.77\n"
    assert socket.gethostname() != "s1-pc"


def test_unprivileged_ping_sockets_are_allowed(site: Site) -> None:
    with site.pc.enter(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as echo:
        echo.settimeout(2)
        echo.sendto(b"\x08\x00\x00\x00\x00\x00\x00\x01hello", ("1.1.1.1", 0))
        assert echo.recv(100)[8:] == b"hello"


def test_failures_say_what_failed(site: Site) -> None:
    with pytest.raises(CommandError, match=r"s1-pc: ip link show dev nosuch: exit status 1\n.*nosuch"):
        site.pc.run(["ip", "link", "show", "dev", "nosuch"])
    with pytest.raises(RuntimeError, match=r"nginx: ended with status"):
        services.nginx(site.pc, "nonsense;")


def test_servers_answer_when_their_helper_returns(site: Site) -> None:
    if reason := services.require("snmpd", "prometheus"):
        pytest.skip(reason)
    snmpd = services.snmpd(site.switch)
    services.prometheus(site.gateway, "global: {scrape_interval: 1s}\n")
    assert site.pc.run(["curl", "-sf", "-m", "5", f"http://{site.gateway_address}:9090/-/ready"]).returncode == 0
    snmpd.stop()
    assert snmpd.process.returncode is not None


# The end

BUILDER = """
import os, sys, time
sys.path.insert(0, {here!r})
from tests.netlab import Lab, Province
with Lab() as lab:
    site = Province(lab).site()
    site.line.delay(0.01)
    site.pc.popen(["sh", "-c", "setsid sleep 4321 & sleep 4321"])
    spaces = {{os.readlink(f"/proc/{{node.pid}}/ns/net") for node in lab.nodes.values()}}
    print(lab.directory, *spaces, flush=True)
    {then}
"""


def spaces_in_use() -> set[str]:
    found = set()
    for process in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(str(process.readlink()))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", ["end", "SIGKILL", "SIGTERM", "SIGINT", "exception"])
def test_nothing_stays_behind(how: str) -> None:
    then = {"end": "", "exception": "raise ValueError"}.get(how, "time.sleep(60)")
    command = [sys.executable, "-c", BUILDER.format(here=HERE, then=then)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as builder:
        assert builder.stdout is not None
        directory, *spaces = builder.stdout.readline().split()
        assert len(spaces) == 8
        if how.startswith("SIG"):
            assert set(spaces) <= spaces_in_use()
            builder.send_signal(getattr(signal, how))
        builder.wait(10)
    end = time.monotonic() + 5
    while set(spaces) & spaces_in_use() or Path(directory).exists():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_works_without_root() -> None:
    script = f"""
import sys
sys.path.insert(0, {HERE!r})
from tests.netlab import Lab, Province, available
assert available() is None, available()
with Lab() as lab:
    site = Province(lab).site()
    with site.line.delay(0.02), site.line.loss(0.0):
        print(site.pc.run(["ping", "-n", "-c", "2", "-i", "0.1", "1.1.1.1"]).stdout)
        print(site.pc.run(["curl", "-sS", "-m", "5", "http://dichvucong.gov.vn/"]).stdout)
"""
    command = ["/usr/bin/unshare", "-Urn", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unshare failed" in done.stderr:
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    assert "2 received" in done.stdout, done.stdout + done.stderr
    assert "dichvucong.gov.vn" in done.stdout
