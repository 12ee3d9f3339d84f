"""The diagnosis codes of the public contract: layer, severity, and the two sentences a technician reads for each.

Sentences are English and marked for the catalogues in agent/locale; `{subject}` and the named facts are filled in
after translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.locale import N_

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Code:
    """One code.

    Attributes:
        layer: 0 host to 7 devices; the lower one explains the higher one.
        severity: unless the check knows better.
        summary: what is wrong.
        action: the next step for somebody who stands in front of it.
    """

    name: str
    layer: int
    severity: Severity
    summary: str
    action: str


_ALL = (
    Code(
        "host.disk_full",
        0,
        "critical",
        N_("The disk at {subject} is full ({free} free)."),
        N_("Delete files that are not needed or move them away, then restart the programs that failed."),
    ),
    Code(
        "host.memory",
        0,
        "warning",
        N_("This computer has almost no memory left ({free} of {total})."),
        N_("Close programs that are not needed (browser tabs first) or restart the computer."),
    ),
    Code(
        "host.cpu",
        0,
        "warning",
        N_("The processor of this computer is fully busy ({busy})."),
        N_("Find the program that uses the processor (task manager) and close it, or restart the computer."),
    ),
    Code(
        "clock.wrong",
        0,
        "critical",
        N_("The clock of this computer is wrong by {offset}."),
        N_("Set date, time and time zone, and switch on automatic time; certificates and logins fail until then."),
    ),
    Code(
        "agent.spool",
        0,
        "warning",
        N_("The monitoring agent cannot deliver its data ({detail})."),
        N_("Tell the provincial IT team; the data is kept on this computer meanwhile."),
    ),
    Code(
        "interface.down",
        1,
        "critical",
        N_("No signal on the network cable of {subject}."),
        N_("Plug the cable in at both ends; try another cable, then another port of the switch."),
    ),
    Code(
        "interface.errors",
        1,
        "warning",
        N_("{subject} receives damaged packets ({share} of them)."),
        N_("Replace the network cable; if the errors stay, try another port of the switch."),
    ),
    Code(
        "interface.slow",
        1,
        "warning",
        N_("{subject} runs at only {speed} ({duplex})."),
        N_("Replace the network cable (all eight wires are needed) and set the port to automatic."),
    ),
    Code(
        "wifi.no_signal",
        1,
        "critical",
        N_("{subject} is not connected to any Wi-Fi network."),
        N_("Switch Wi-Fi on, choose the office network and check its password; is the access point lit?"),
    ),
    Code(
        "wifi.weak",
        1,
        "warning",
        N_("The Wi-Fi signal at {subject} is weak ({signal} dBm)."),
        N_("Move nearer to the access point or use a cable; ask for an access point in this zone."),
    ),
    Code(
        "wifi.interference",
        1,
        "warning",
        N_("The Wi-Fi channel of {subject} is crowded ({share} busy, {networks} networks)."),
        N_("Set the access point to a free channel, or use the 5 GHz network."),
    ),
    Code(
        "address.none",
        2,
        "critical",
        N_("{subject} has no IP address."),
        N_("Restart the router (it gives out the addresses) and reconnect; set the card to automatic address."),
    ),
    Code(
        "address.link_local",
        2,
        "critical",
        N_("{subject} got no address from the router and made one up ({address})."),
        N_("Restart the router, wait two minutes, then reconnect the cable or Wi-Fi."),
    ),
    Code(
        "address.mask",
        2,
        "critical",
        N_("The network mask of {subject} is wrong: {address} does not reach the gateway {gateway}."),
        N_("Set the card to automatic address, or correct the mask to that of the other computers."),
    ),
    Code(
        "address.duplicate",
        2,
        "critical",
        N_("Two devices use the same address {address}."),
        N_("Find the other device (hardware address {other}) and give it another address, or set both to automatic."),
    ),
    Code(
        "dhcp.rogue",
        2,
        "critical",
        N_("A second device gives out addresses on this network: {servers}."),
        N_("Find the extra router (often a Wi-Fi router plugged in by a LAN port) and unplug it."),
    ),
    Code(
        "route.none",
        2,
        "critical",
        N_("{subject} has an address but no way out (no default gateway)."),
        N_("Set the card to automatic address, or enter the router's address as gateway."),
    ),
    Code(
        "gateway.unreachable",
        3,
        "critical",
        N_("The router {subject} does not answer."),
        N_("Is the router lit? Restart it and check the cable between switch and router."),
    ),
    Code(
        "gateway.lossy",
        3,
        "critical",
        N_("{loss} of the packets to the router {subject} are lost ({interval})."),
        N_("The fault is inside the building: replace the cable, try another switch port, or move nearer to the access point."),
    ),
    Code(
        "wan.down",
        4,
        "critical",
        N_("The line {subject} is down beyond the router ({carrier})."),
        N_("Check the lights of the modem, restart it, then call the carrier ({carrier}) and tell them what is written here."),
    ),
    Code(
        "link.down",
        4,
        "critical",
        N_("The line {subject} is down ({carrier}); another line works."),
        N_("Check the modem of {subject}, restart it, then call the carrier ({carrier})."),
    ),
    Code(
        "wan.lossy",
        4,
        "critical",
        N_("The line {subject} loses {loss} of the packets ({interval})."),
        N_("Restart the modem; if the loss stays, call the carrier ({carrier}) and tell them the figure."),
    ),
    Code(
        "wan.slow",
        4,
        "warning",
        N_("The line {subject} answers slowly ({rtt})."),
        N_("Stop large downloads; if it stays slow, call the carrier ({carrier}) and tell them the figure."),
    ),
    Code(
        "wan.jitter",
        4,
        "warning",
        N_("The delay of the line {subject} varies a lot ({jitter}); calls and conferences suffer."),
        N_("Use a cable instead of Wi-Fi and stop large downloads; if it stays, call the carrier ({carrier})."),
    ),
    Code(
        "wan.saturated",
        4,
        "warning",
        N_("The line {subject} is full ({use})."),
        N_("Find who downloads or uploads (updates, cameras, backup) and stop it during service hours."),
    ),
    Code(
        "wan.below_contract",
        4,
        "warning",
        N_("The line {subject} gives {rate}, less than 0.8 of the contract ({contract})."),
        N_("Repeat the test outside service hours; if it stays low, claim at the carrier ({carrier})."),
    ),
    Code(
        "wan.captive_portal",
        4,
        "critical",
        N_("The network {subject} asks for a login page before it lets traffic through."),
        N_("Open a browser, sign in on the page that appears, then run the diagnosis again."),
    ),
    Code(
        "wan.mtu_blackhole",
        4,
        "critical",
        N_("Large packets vanish on the line {subject}: only {mtu} bytes pass."),
        N_("Set the MTU of the router's line to {mtu} (or switch on MSS clamping), or call the carrier ({carrier})."),
    ),
    Code(
        "ipv6.broken",
        4,
        "warning",
        N_("IPv6 on {subject} has an address but leads nowhere; IPv4 works."),
        N_("Switch IPv6 off on the router until the carrier ({carrier}) repairs it."),
    ),
    Code(
        "dns.unreachable",
        5,
        "critical",
        N_("The name server {subject} does not answer."),
        N_("Restart the router, or enter another name server in the network settings."),
    ),
    Code(
        "dns.wrong_answer",
        5,
        "critical",
        N_("The name server {subject} gives a wrong answer for {name} ({answer})."),
        N_("Do not type passwords. Enter a trusted name server, restart the router, and tell the provincial IT team."),
    ),
    Code(
        "dns.slow",
        5,
        "warning",
        N_("The name server {subject} answers slowly ({duration})."),
        N_("Restart the router, or enter another name server in the network settings."),
    ),
    Code(
        "proxy.unreachable",
        6,
        "critical",
        N_("The proxy {subject} does not let this computer through."),
        N_(
            "Correct the address or password of the proxy in the network settings, or remove it there, or tell who runs the proxy."
        ),
    ),
    Code(
        "service.unreachable",
        6,
        "critical",
        N_("{subject} cannot be reached; the network here works."),
        N_("The fault is at the far end. Tell the provincial IT team; work with paper until it is back."),
    ),
    Code(
        "service.error",
        6,
        "critical",
        N_("{subject} answers with an error (status {status})."),
        N_("The fault is at the far end. Tell the provincial IT team; nothing can be repaired here."),
    ),
    Code(
        "service.tls_expired",
        6,
        "critical",
        N_("The certificate of {subject} expired ({expired})."),
        N_("Do not type passwords. Tell the provincial IT team that the certificate must be renewed."),
    ),
    Code(
        "service.tls_untrusted",
        6,
        "critical",
        N_("The certificate of {subject} is not trusted ({why})."),
        N_("Do not type passwords. Somebody may be in between; tell the provincial IT team."),
    ),
    Code(
        "device.unreachable",
        7,
        "warning",
        N_("The device {subject} does not answer."),
        N_("Is it switched on and plugged in? Restart it."),
    ),
    Code(
        "device.health",
        7,
        "warning",
        N_("The device {subject} reports a fault: {detail}."),
        N_("Look at the device's display; call who maintains it if the fault stays after a restart."),
    ),
    Code(
        "ups.on_battery",
        7,
        "warning",
        N_("The power is out: the UPS {subject} runs on battery ({left} left)."),
        N_("Save open work. Check the mains fuse; shut the computers down before the battery is empty."),
    ),
    Code(
        "printer.attention",
        7,
        "info",
        N_("The printer {subject} needs attention: {detail}."),
        N_("Look at the printer: paper, toner, cover."),
    ),
)
CODES: dict[str, Code] = {code.name: code for code in _ALL}
