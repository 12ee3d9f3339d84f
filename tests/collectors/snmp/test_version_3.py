"""Version 3 against Debian's snmpd: authentication and privacy by both backends, and a refused password."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from collectors.families import DEVICE_UP
from collectors.machine import Machine
from collectors.probe.snmp import SnmpSessions
from collectors.probe.snmp_client import Credentials, Peer
from collectors.snmp.device import SnmpDeviceCollector
from tests.collectors.snmp.udp import free_port, system_description

pytestmark = [
    pytest.mark.skipif(shutil.which("snmpd") is None, reason="snmpd is not installed (Debian: snmpd)"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pysnmp.*"),
]
AUTH = {"MD5": "MD5", "SHA1": "SHA", "SHA224": "SHA-224", "SHA256": "SHA-256", "SHA384": "SHA-384", "SHA512": "SHA-512"}
PRIVACY = {"DES": "DES", "AES128": "AES", "AES192": "AES-192", "AES256": "AES-256"}
"""The daemon's names for what the configuration calls so."""
USERS: list[tuple[str | None, str | None]] = [
    ("MD5", "DES"),
    ("SHA1", "AES128"),
    ("SHA224", "AES192"),
    ("SHA256", "AES128"),
    ("SHA384", "AES256"),
    ("SHA512", "AES128"),
    ("SHA256", None),
    (None, None),
]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder: Path = tmp_path_factory.mktemp("snmpd")
    port = free_port()
    lines = ["rocommunity public 127.0.0.1"]
    for auth, privacy in USERS:
        keys = f' {AUTH[auth]} "authauth1"' if auth else ""
        keys += f' {PRIVACY[privacy]} "privpriv1"' if privacy else ""
        level = "authPriv" if privacy else "auth" if auth else "noauth"
        lines += [f"createUser {auth}{privacy}{keys}", f"rouser {auth}{privacy} {level}"]
    (folder / "snmpd.conf").write_text("\n".join(lines) + "\n")
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["snmpd", "-f", "-C", "-c", str(folder / "snmpd.conf"), "-Lo", f"udp:127.0.0.1:{port}"],
            stdout=output,
            stderr=output,
            env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder)},
        )
    try:
        until = time.monotonic() + 20
        while system_description(port, "public") is None:
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < until, log.read_text(errors="replace")[-2000:]
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(10)


async def up(port: int, backend: str, credentials: Credentials) -> tuple[object, object]:
    sessions = SnmpSessions(backend)
    peer = Peer("127.0.0.1", port, credentials, 3.0, 1)
    reading = await SnmpDeviceCollector("host", peer, sessions, Machine(), interval=60).collect()
    await sessions.close()
    return next(o.value for o in reading.observations if o.metric is DEVICE_UP), reading.reason


@pytest.mark.parametrize(("auth", "privacy"), USERS)
async def test_authentication_and_privacy(daemon: int, backend: str, auth: str | None, privacy: str | None) -> None:
    if privacy == "DES" and backend == "pysnmp":
        pytest.importorskip("cryptography.hazmat.decrepit.ciphers.algorithms", reason="no DES in this cryptography")
    known = Credentials(
        3,
        username=f"{auth}{privacy}",
        auth_protocol=auth,
        auth_password="authauth1" if auth else "",
        privacy_protocol=privacy,
        privacy_password="privpriv1" if privacy else "",
    )
    value, reason = await up(daemon, backend, known)
    assert (value, reason) == (1.0, None)


async def test_a_wrong_password_is_down_with_a_reason(daemon: int, backend: str) -> None:
    wrong = Credentials(
        3,
        username="SHA1AES128",
        auth_protocol="SHA1",
        auth_password="guessguess",
        privacy_protocol="AES128",
        privacy_password="privpriv1",
    )
    value, reason = await up(daemon, backend, wrong)
    assert value == 0.0
    assert reason is not None
