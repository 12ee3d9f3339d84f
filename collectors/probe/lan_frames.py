"""Raw frames on the local network: run as `python -m collectors.probe.lan_frames`, one job in, one answer out.

Only this module uses scapy (65 MiB, a second to import), so it lives in a process that ends with the job. It needs
CAP_NET_RAW. Kernel filters keep a busy network's traffic out of it.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import errno
import itertools
import json
import logging
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

SO_ATTACH_FILTER = 26
ETH_P_IP, ETH_P_ARP, ETH_P_IPV6 = 0x0800, 0x0806, 0x86DD
ALL_NODES = "ff02::1"
Instruction = tuple[int, int, int, int]
# Classic BPF (linux/filter.h): replies of DHCP servers, UDP from port 67, in unfragmented IPv4.
DHCP_REPLIES: tuple[Instruction, ...] = (
    (0x28, 0, 0, 12),  # ldh ether type
    (0x15, 0, 6, ETH_P_IP),
    (0x30, 0, 0, 23),  # ldb protocol
    (0x15, 0, 4, 17),
    (0xB1, 0, 0, 14),  # ldx length of the IP header
    (0x48, 0, 0, 14),  # ldh source port
    (0x15, 0, 1, 67),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
# Neighbour advertisements and echo replies, ICMPv6 without extension headers.
ND_REPLIES: tuple[Instruction, ...] = (
    (0x28, 0, 0, 12),
    (0x15, 0, 6, ETH_P_IPV6),
    (0x30, 0, 0, 20),  # ldb next header
    (0x15, 0, 4, 58),
    (0x30, 0, 0, 54),  # ldb ICMPv6 type
    (0x15, 1, 0, 136),
    (0x15, 0, 1, 129),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
Pair = tuple[str, str]


def attach(raw: socket.socket, program: Iterable[Instruction]) -> None:
    """Let the kernel pass only what a classic BPF program accepts."""
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(code)
    raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(code) // 8, ctypes.addressof(held)))


@contextlib.contextmanager
def _listening(interface: str, ether_type: int, program: Iterable[Instruction] = ()) -> Iterator[Any]:
    from scapy.config import conf  # noqa: PLC0415  after the log level is set

    opened = conf.L2socket(iface=interface, type=ether_type)
    try:
        if program:
            attach(opened.ins, program)
        yield opened
    finally:
        opened.close()


def _receive(opened: Any, until: float, take: Callable[[Any], None]) -> None:
    """Hand over what arrives until a moment of the monotonic clock."""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([opened], [], [], left)[0]:
            return
        packet = opened.recv(65535)
        if packet is not None:
            take(packet)


def _own_macs() -> set[str]:
    from scapy.arch import get_if_hwaddr, get_if_list  # noqa: PLC0415

    found = set()
    for name in get_if_list():
        with contextlib.suppress(Exception):
            found.add(get_if_hwaddr(name).lower())
    return found


def _mac(interface: str) -> str:
    from scapy.arch import get_if_hwaddr  # noqa: PLC0415

    return str(get_if_hwaddr(interface))


def arp(interface: str, asked: Iterable[Pair], *, rate: float, wait: float, passes: int = 2) -> set[Pair]:
    """Ask who has each address and collect every answer (RFC 826).

    Args:
        interface: where to ask.
        asked: (sender address, wanted address); the sender 0.0.0.0 makes an ARP probe (RFC 5227, section 2.1.1).
        rate: requests a second.
        wait: seconds to listen after the last request.
        passes: how often to ask for what nobody answered.

    Returns:
        (address, MAC) of every answer; an address with two MACs is there twice.
    """
    from scapy.layers.l2 import ARP, Ether  # noqa: PLC0415

    own, mac = _own_macs(), _mac(interface)
    asked = list(asked)
    wanted = {address for _, address in asked}
    found: set[Pair] = set()

    def take(packet: Any) -> None:
        if ARP in packet and packet[ARP].psrc in wanted and packet[ARP].hwsrc.lower() not in own:
            found.add((packet[ARP].psrc, packet[ARP].hwsrc.lower()))

    with _listening(interface, ETH_P_ARP) as opened:
        for _ in range(passes):
            answered = {address for address, _ in found}
            for sender, address in asked:
                if address not in answered:
                    request = ARP(op=1, hwsrc=mac, psrc=sender, hwdst="00:00:00:00:00:00", pdst=address)
                    opened.send(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / request)
                    _receive(opened, time.monotonic() + 1 / rate, take)
            _receive(opened, time.monotonic() + wait / passes, take)
    return found


def neighbours(interface: str, source: str | None, probed: Iterable[str], *, wait: float) -> set[Pair]:
    """IPv6: who answers an echo request to all nodes (from `source`), and who defends an address of `probed`.

    The latter are neighbour solicitations from the unspecified address, as duplicate address detection sends
    (RFC 4862, section 5.4); answers of this computer's own interfaces are left out.
    """
    from scapy.layers.inet6 import ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, IPv6  # noqa: PLC0415
    from scapy.layers.l2 import Ether  # noqa: PLC0415
    from scapy.utils6 import in6_getnsma, in6_getnsmac, in6_ptop  # noqa: PLC0415

    own, mac = _own_macs(), _mac(interface)
    identifier = random.SystemRandom().getrandbits(16)
    wanted = {in6_ptop(address) for address in probed}
    found: set[Pair] = set()

    def take(packet: Any) -> None:
        sender = packet.src.lower()
        if sender in own:
            return
        if ICMPv6EchoReply in packet and packet[ICMPv6EchoReply].id == identifier:
            found.add((packet[IPv6].src, sender))
        elif ICMPv6ND_NA in packet and in6_ptop(packet[ICMPv6ND_NA].tgt) in wanted:
            found.add((in6_ptop(packet[ICMPv6ND_NA].tgt), sender))

    with _listening(interface, ETH_P_IPV6, ND_REPLIES) as opened:
        for _ in range(2):
            if source:
                ask = IPv6(src=source, dst=ALL_NODES, hlim=255) / ICMPv6EchoRequest(id=identifier, seq=1)
                opened.send(Ether(src=mac, dst="33:33:00:00:00:01") / ask)
            for address in wanted:
                group = in6_getnsma(socket.inet_pton(socket.AF_INET6, address))
                solicit = IPv6(src="::", dst=socket.inet_ntop(socket.AF_INET6, group), hlim=255) / ICMPv6ND_NS(tgt=address)
                opened.send(Ether(src=mac, dst=in6_getnsmac(group)) / solicit)
            _receive(opened, time.monotonic() + wait / 2, take)
    return found


def discover(interface: str, *, wait: float) -> list[dict[str, Any]]:
    """Broadcast a DHCPDISCOVER and collect every DHCPOFFER (RFC 2131, section 4.3.1); nothing is requested or taken."""
    from scapy.layers.dhcp import BOOTP, DHCP  # noqa: PLC0415
    from scapy.layers.inet import IP, UDP  # noqa: PLC0415
    from scapy.layers.l2 import Ether  # noqa: PLC0415

    mac = _mac(interface)
    transaction = random.SystemRandom().getrandbits(32)
    hardware = bytes.fromhex(mac.replace(":", ""))
    message = (
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")  # noqa: S104  the address of a client that has none yet
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=hardware, xid=transaction, flags=0x8000)
        / DHCP(options=[("message-type", "discover"), ("param_req_list", [1, 3, 6, 15, 51, 54]), "end"])
    )
    offers: dict[Pair, dict[str, Any]] = {}

    def take(packet: Any) -> None:
        if DHCP not in packet or packet[BOOTP].xid != transaction:
            return
        options = {name: values for name, *values in (option for option in packet[DHCP].options if isinstance(option, tuple))}
        if options.get("message-type") != [2]:
            return
        server = str(next(iter(options.get("server_id", ())), packet[IP].src))
        offers[server, packet.src] = {
            "server": server,
            "source": packet[IP].src,
            "mac": packet.src.lower(),
            "address": packet[BOOTP].yiaddr,
            "mask": next(map(str, options.get("subnet_mask", ())), None),
            "gateways": list(map(str, options.get("router", ()))),
            "resolvers": list(map(str, options.get("name_server", ()))),
            "lease": next(iter(options.get("lease_time", ())), None),
        }

    with _listening(interface, ETH_P_IP, DHCP_REPLIES) as opened:
        for pause in (wait / 3, wait * 2 / 3):  # sent twice, since a frame may be lost
            opened.send(message)
            _receive(opened, time.monotonic() + pause, take)
    return list(offers.values())


def dhcp(job: dict[str, Any]) -> dict[str, Any]:
    """`{"seconds": …}`: who gives out addresses."""
    return {"offers": discover(job["interface"], wait=float(job["seconds"]))}


def owners(job: dict[str, Any]) -> dict[str, Any]:
    """`{"own4": […], "own6": […], "seconds": …}`: who answers for these addresses."""
    found: set[Pair] = set()
    interface, wait = job["interface"], float(job["seconds"])
    if job["own4"]:
        found |= arp(interface, [("0.0.0.0", one) for one in job["own4"]], rate=20.0, wait=wait)  # noqa: S104
    if job["own6"]:
        found |= neighbours(interface, None, job["own6"], wait=wait)
    return {"found": sorted(found)}


def scan(job: dict[str, Any]) -> dict[str, Any]:
    """`{"own4", "own6", "source6", "asked", "rate"}`: who answers for any address, our own included."""
    probes: list[Pair] = [("0.0.0.0", one) for one in job["own4"]]  # noqa: S104
    asked = itertools.chain(probes, map(tuple, job["asked"]))
    found = arp(job["interface"], asked, rate=float(job["rate"]), wait=1.0)
    if job["own6"]:
        found |= neighbours(job["interface"], job["source6"], job["own6"], wait=1.0)
    return {"found": sorted(found)}


def look(job: dict[str, Any]) -> dict[str, Any]:
    """`scan` and `dhcp` at the same time: they wait most of it, and neither fails with the other."""
    with concurrent.futures.ThreadPoolExecutor() as beside:
        offers = beside.submit(told, dhcp, job)
        return {"scan": told(scan, job), "dhcp": offers.result()}


JOBS = {"owners": owners, "scan": scan, "dhcp": dhcp, "look": look}


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do one of `JOBS`: `{"do": …, "interface": …, …}`."""
    if job["interface"] not in {name for _, name in socket.if_nameindex()}:
        raise OSError(errno.ENODEV, f"no such device: {job['interface']}")
    return JOBS[job["do"]](job)


def told(part: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any]) -> dict[str, Any]:
    """The answer of a part, or `{"reason", "detail"}`."""
    try:
        return part(job)
    except ImportError as error:
        return {"reason": "not_supported", "detail": f"scapy cannot be used here: {error}"}
    except PermissionError:
        return {"reason": "no_permission", "detail": "raw frames need CAP_NET_RAW; give it to the service, or run as root"}
    except OSError as error:
        reason = "no_address" if error.errno in {errno.ENODEV, errno.ENETDOWN, errno.ENXIO} else "internal"
        return {"reason": reason, "detail": error.strerror or str(error)}
    except Exception as error:  # scapy met a frame that it cannot read: the other part may still answer
        return {"reason": "internal", "detail": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Read the job, print the answer."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    print(json.dumps(told(work, json.load(sys.stdin))))  # noqa: T201  its answer


if __name__ == "__main__":
    main()
