"""A ModemManager on a bus of its own: a real dbus-daemon, the service's objects served by dbus-fast."""

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from collectors.probe.modem import MODEM, MODEM_3GPP, SERVICE, SIGNAL

STATES = {"idle": 0, "home": 1, "searching": 2, "denied": 3, "roaming": 5}
TECHNOLOGIES = {"gsm": 1 << 1, "umts": 1 << 5, "lte": 1 << 14, "5gnr": 1 << 15}
Objects = dict[str, dict[str, dict[str, Variant]]]


def of_mmcli(file: Path, **signal: float) -> Objects:
    """The objects that ModemManager had when `mmcli -m N -J` printed this file, with signal figures added."""
    modem = json.loads(file.read_text())["modem"]
    generic, gpp = modem["generic"], modem["3gpp"]
    bits = sum(TECHNOLOGIES.get(name, 0) for name in generic["access-technologies"])
    return {
        modem["dbus-path"]: {
            MODEM: {
                "Model": Variant("s", generic["model"]),
                "PrimaryPort": Variant("s", generic["primary-port"]),
                "AccessTechnologies": Variant("u", bits),
                "SignalQuality": Variant("(ub)", [int(generic["signal-quality"]["value"]), False]),
            },
            MODEM_3GPP: {
                "RegistrationState": Variant("u", STATES.get(gpp["registration-state"], 4)),
                "OperatorName": Variant("s", gpp["operator-name"].replace("--", "")),
            },
            SIGNAL: {
                "Rate": Variant("u", 0),
                "Lte": Variant("a{sv}", {key: Variant("d", value) for key, value in signal.items()}),
            },
        }
    }


class Service:
    """Answers GetManagedObjects and Signal.Setup; `setups` counts the latter."""

    def __init__(self, bus: MessageBus, objects: Objects) -> None:
        self.bus = bus
        self.objects = objects
        self.setups: list[tuple[str, int]] = []
        bus.add_message_handler(self._handle)

    def _handle(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if message.member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects])
        if message.member == "Setup":
            self.setups.append((str(message.path), int(message.body[0])))
            return Message.new_method_return(message)
        return None


@contextlib.asynccontextmanager
async def bus(folder: Path) -> AsyncIterator[str]:
    """The address of a private dbus-daemon."""
    daemon = shutil.which("dbus-daemon")
    if daemon is None:
        pytest.skip("dbus-daemon is not installed (`make packages`)")
    arguments = ["--session", "--nofork", "--nopidfile", "--nosyslog", "--print-address=1", f"--address=unix:path={folder}/bus"]
    process = await asyncio.create_subprocess_exec(
        daemon, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def service(address: str, objects: Any) -> AsyncIterator[Service]:
    """ModemManager with these objects on the bus."""
    connection = await MessageBus(bus_address=address).connect()
    served = Service(connection, objects)
    await connection.request_name(SERVICE)
    try:
        yield served
    finally:
        connection.disconnect()
        await connection.wait_for_disconnect()  # type: ignore[no-untyped-call]
