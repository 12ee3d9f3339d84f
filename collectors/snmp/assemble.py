"""From settings to collectors: secrets read, addresses and profiles put together."""

from __future__ import annotations

from pathlib import Path

from collectors.model import Collector
from collectors.probe.ports import Ports
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.site import Context, Coverage
from collectors.snmp import SnmpAuth, SnmpSettings
from collectors.snmp.device import SnmpDeviceCollector
from collectors.snmp.traps import Switchboard, TrapCollector

VERSIONS = {"1": 1, "2c": 2, "3": 3}


def credentials(auth: SnmpAuth, directory: Path) -> Credentials:
    """An `auths` entry with its secrets; files are relative to the configuration's directory.

    Raises:
        OSError: a secret's file cannot be read.
    """

    def secret(given: str | None, file: str | None) -> str:
        if file is not None:
            return (directory / Path(file).expanduser()).read_text(encoding="utf-8").strip()
        return str(given or "")

    version = VERSIONS[str(auth.version)]
    return Credentials(
        version,  # type: ignore[arg-type]  # 1, 2 or 3, as the table says
        secret(auth.community, auth.community_file) or "public",
        auth.username or "",
        auth.auth.protocol if auth.auth else None,
        secret(auth.auth.password, auth.auth.password_file) if auth.auth else "",
        auth.privacy.protocol if auth.privacy else None,
        secret(auth.privacy.password, auth.privacy.password_file) if auth.privacy else "",
    )


def assemble(settings: SnmpSettings, context: Context) -> list[Collector]:
    """Every collector of the section."""
    sessions = context.session(SnmpSessions, SnmpSessions)
    profiles = context.directory / Path(settings.profiles_dir).expanduser() if settings.profiles_dir else None
    known = {name: credentials(auth, context.directory) for name, auth in settings.auths.items()}
    board = context.session(Switchboard, Switchboard) if settings.traps.listen else None
    links = [uplink.settings for uplink in context.uplinks]
    # The limits alone: how often this computer's own modems are asked must not make another instance of every device.
    coverage = Coverage(weak_dbm=context.coverage.weak_dbm, none_dbm=context.coverage.none_dbm)
    found: list[Collector] = [
        SnmpDeviceCollector(
            device.name,
            Peer(device.address, device.port, known[device.auth], float(device.timeout), device.retries),
            sessions,
            context.machine,
            interval=float(device.interval or settings.interval),
            profile=device.profile,
            directory=profiles,
            zone=device.zone,
            ports=context.session(Ports, Ports),
            watched=frozenset(link.port for link in links if link.device == device.name and link.port is not None),
            board=board,
            coverage=coverage,
        )
        for device in settings.devices
    ]
    if settings.traps.listen and board is not None:
        host, _, port = settings.traps.listen.rpartition(":")
        found.append(
            TrapCollector(
                host.strip("[]"), int(port), tuple(known.values()), board, context.machine, interval=float(settings.interval)
            )
        )
    return found
