"""`agent discover`: the devices of the local network, as configuration to paste."""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import json
import re
import sys
from pathlib import Path

import click

from agent.cli.run import load_settings
from agent.cli.speech import _
from collectors.machine import Machine
from collectors.probe.surroundings import look
from collectors.snmp.assemble import credentials
from collectors.snmp.library import library
from collectors.snmp.sweep import Found, sweep

MAX_ADDRESSES = 4096
Network = ipaddress.IPv4Network


def ranges(given: tuple[str, ...], machine: Machine, *, force: bool) -> list[Network]:
    """The networks to search: those given, else those of this computer's interfaces.

    Raises:
        click.UsageError: one is none, is not private, not of this site, or is too large, and `force` was not given.
    """
    own = [address for interface in look(machine).interfaces for address in interface.addresses if ":" not in address]
    site = [Network(address, strict=False) for address in own]
    texts = given or tuple(own)
    found = []
    for text in texts:
        try:
            network = Network(text, strict=False)
        except ValueError:
            message = _("{text} is no IPv4 range; write one such as 192.168.1.0/24").format(text=text)
            raise click.UsageError(message) from None
        if not given and (not network.is_private or network.num_addresses > MAX_ADDRESSES):
            continue
        if not force and not network.is_private:
            message = _("{network} is not a private range; --force searches it all the same").format(network=network)
            raise click.UsageError(message)
        if not force and not network.is_loopback and not any(network.overlaps(one) for one in site):
            own_ones = ", ".join(map(str, site)) or _("it has none")
            told = _("{network} is no network of this computer ({own}); --force searches it")
            message = told.format(network=network, own=own_ones)
            raise click.UsageError(message)
        if not force and network.num_addresses > MAX_ADDRESSES:
            told = _("{network} has {count} addresses; give a smaller range, or --force")
            message = told.format(network=network, count=network.num_addresses)
            raise click.UsageError(message)
        found.append(network)
    return found


def as_yaml(found: list[Found]) -> str:
    """The devices that answer as the section `snmp.devices`, the others as remarks."""
    lines = ["snmp:", "  devices:"]
    names: set[str] = set()
    for device in found:
        if not device.answers_snmp:
            where = f"{device.address} ({device.mac})" if device.mac else device.address
            as_target = _("as a ping target")
            hint = f"; {as_target}: {{name: {device.address}, address: {device.address}}}" if device.answers_ping else ""
            lines.append("    # " + _("{where} does not answer SNMP").format(where=where) + hint)
            continue
        words = device.name or f"{device.vendor} {device.model}".strip() or device.address
        name = re.sub(r"[^a-z0-9.]+", "-", words.lower()).strip("-") or device.address
        if name in names:
            name = f"{name}-{device.address.rpartition('.')[2]}"
        names.add(name)
        told = " ".join(filter(None, (device.vendor, device.model)))
        lines.append(
            f"    - {{name: {json.dumps(name)}, address: {device.address}, auth: {device.auth}}}  # {told}, profile {device.profile}"
        )
    if not any(device.answers_snmp for device in found):
        lines[1] = "  devices: []"
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("cidr", nargs=-1)
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="Configuration with the auths to try; else community public."
)
@click.option("--port", default=161, show_default=True, help="UDP port to ask.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of configuration.")
@click.option("--force", is_flag=True, help="Also ranges that are not private, not of this site, or large.")
def command(cidr: tuple[str, ...], path: Path | None, port: int, *, as_json: bool, force: bool) -> None:
    """Find the devices of CIDR ranges (default: the networks of this computer), and print them as configuration."""
    machine = Machine()
    settings = load_settings(path)
    auths = [(name, credentials(auth, settings.directory)) for name, auth in settings.kinds["snmp"].auths.items()]
    networks = ranges(cidr, machine, force=force)
    addresses = [str(address) for network in networks for address in (network.hosts() if network.num_addresses > 2 else network)]
    if sys.stderr.isatty():
        click.echo(_("asking {count} addresses …").format(count=len(addresses)), err=True)
    found = asyncio.run(sweep(addresses, port, auths, library(), machine))
    click.echo(json.dumps([dataclasses.asdict(one) for one in found], indent=2) if as_json else as_yaml(found), nl=as_json)
