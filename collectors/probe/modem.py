"""Modems of this computer as ModemManager tells them over D-Bus (its interface specification, version 1).

dbus-fast (3 MiB) is loaded only when there is a system bus and ModemManager is installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from collectors.machine import Machine

SERVICE, ROOT = "org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"
MODEM, MODEM_3GPP, SIGNAL = f"{SERVICE}.Modem", f"{SERVICE}.Modem.Modem3gpp", f"{SERVICE}.Modem.Signal"
SOCKET = "/run/dbus/system_bus_socket"
INSTALLED = "/usr/share/dbus-1/system-services/org.freedesktop.ModemManager1.service"
REGISTERED = frozenset({1, 5, 9, 10})
"""MMModem3gppRegistrationState: home, roaming, and both with circuit-switched fallback not preferred."""
UNUSABLE = frozenset({-1, 2})
"""MMModemState: failed (as without a SIM card) and locked by a PIN; such a modem shows no 3GPP side at all."""
TECHNOLOGIES = (
    (15, "5gnr"),
    (14, "lte"),
    (16, "lte-m"),
    (17, "nb-iot"),
    (9, "hspa+"),
    (8, "hspa"),
    (7, "hsupa"),
    (6, "hsdpa"),
    (5, "umts"),
    (4, "edge"),
    (3, "gprs"),
    (1, "gsm"),
)
"""Bits of MMModemAccessTechnology, the best first."""
_ANSWER_WITHIN = 10.0
_UNKNOWN = -1e6


@dataclass(frozen=True, slots=True)
class Modem:
    """One modem.

    Attributes:
        name: its model; with its port where several are alike.
        is_registered: registered with a network; None where the modem has no 3GPP side though it works.
        operator: the network's name, empty when not registered.
        technology: access technology in use, such as `lte`; empty when none.
        rsrp_dbm: reference signal received power; None where the modem does not tell.
        rsrq_db: reference signal received quality.
        sinr_db: signal to interference and noise ratio.
    """

    name: str
    is_registered: bool | None
    operator: str
    technology: str
    rsrp_dbm: float | None = None
    rsrq_db: float | None = None
    sinr_db: float | None = None


def technology_of(bits: int) -> str:
    """The best access technology of a set."""
    return next((name for bit, name in TECHNOLOGIES if bits & 1 << bit), "")


def modems_of(objects: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Modem]:
    """The modems of an answer to GetManagedObjects, in the order of their names."""
    found = [interfaces for interfaces in objects.values() if MODEM in interfaces]
    models = [str(_value(one, MODEM, "Model") or "modem") for one in found]
    named = [
        (model if models.count(model) == 1 else f"{model} {_value(one, MODEM, 'PrimaryPort') or ''}".strip(), one)
        for model, one in zip(models, found, strict=True)
    ]
    return sorted((_modem(name, one) for name, one in named), key=lambda modem: modem.name)


def _value(interfaces: Mapping[str, Mapping[str, Any]], interface: str, name: str) -> Any:
    variant = interfaces.get(interface, {}).get(name)
    return getattr(variant, "value", variant)


def _modem(name: str, interfaces: Mapping[str, Mapping[str, Any]]) -> Modem:
    registration = _value(interfaces, MODEM_3GPP, "RegistrationState")
    is_registered: bool | None = None
    if registration is not None:
        is_registered = int(registration) in REGISTERED
    elif _value(interfaces, MODEM, "State") in UNUSABLE:
        is_registered = False
    technology = technology_of(int(_value(interfaces, MODEM, "AccessTechnologies") or 0))
    signal = _value(interfaces, SIGNAL, "Nr5g" if technology == "5gnr" else "Lte") or _value(interfaces, SIGNAL, "Lte") or {}

    def figure(key: str) -> float | None:
        number = getattr(signal.get(key), "value", signal.get(key))
        return None if number is None or number < _UNKNOWN else float(number)

    return Modem(
        name,
        is_registered,
        str(_value(interfaces, MODEM_3GPP, "OperatorName") or "") if is_registered else "",
        technology if is_registered else "",
        figure("rsrp"),
        figure("rsrq"),
        figure("snr"),
    )


def bus_address(machine: Machine) -> str | None:
    """The system bus, if ModemManager may be on it."""
    given = machine.environ.get("DBUS_SYSTEM_BUS_ADDRESS")
    if given:
        return given
    if machine.path(SOCKET).exists() and machine.path(INSTALLED).exists():
        return f"unix:path={machine.path(SOCKET)}"
    return None


class ModemManager:
    """A connection to the service, made at first use and again after it broke.

    Args:
        address: the bus, as D-Bus writes addresses.
        refresh: seconds between the modem's own signal measurements, which are asked for once for each modem.
    """

    def __init__(self, address: str, refresh: int) -> None:
        self._address = address
        self._refresh = refresh
        self._bus: Any = None
        self._set_up: set[str] = set()

    async def modems(self) -> list[Modem] | None:
        """Every modem; None where the service does not run (it is not started for this).

        Raises:
            OSError: the bus cannot be reached, or refuses.
        """
        try:
            return await asyncio.wait_for(self._modems(), _ANSWER_WITHIN)
        except (OSError, EOFError, TimeoutError) as error:
            await self.close()
            raise OSError(errno.EIO, f"system bus {self._address}: {error or 'no answer'}") from error

    async def _modems(self) -> list[Modem] | None:
        if self._bus is None:
            await self._connect()
        daemon = "org.freedesktop.DBus"
        if not (await self._call(daemon, "/org/freedesktop/DBus", f"{daemon}.NameHasOwner", "s", [SERVICE]))[0]:
            self._set_up.clear()
            return None
        (objects,) = await self._call(SERVICE, ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects")
        for path, interfaces in objects.items():
            if SIGNAL in interfaces and path not in self._set_up:
                self._set_up.add(path)
                if not _value(interfaces, SIGNAL, "Rate"):
                    # Refused to unprivileged users; figures then come only where somebody else asked for them.
                    with contextlib.suppress(OSError):
                        await self._call(SERVICE, path, f"{SIGNAL}.Setup", "u", [self._refresh])
        return modems_of(objects)

    async def _connect(self) -> None:
        from dbus_fast.aio import MessageBus  # noqa: PLC0415  as at the head of this file
        from dbus_fast.errors import AuthError, InvalidAddressError  # noqa: PLC0415

        try:
            self._bus = await MessageBus(bus_address=self._address).connect()
        except (AuthError, InvalidAddressError) as error:
            raise OSError(errno.EACCES, str(error)) from error

    async def _call(self, service: str, path: str, method: str, signature: str = "", body: list[Any] | None = None) -> list[Any]:
        from dbus_fast import Message, MessageType  # noqa: PLC0415

        interface, _, member = method.rpartition(".")
        message = Message(
            destination=service, path=path, interface=interface, member=member, signature=signature, body=body or []
        )
        reply = await self._bus.call(message)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise OSError(errno.EIO, f"{member}: {reply.body[0] if reply and reply.body else 'refused'}")
        answer: list[Any] = reply.body
        return answer

    async def close(self) -> None:
        """Disconnect."""
        if self._bus is not None:
            self._bus.disconnect()
            self._bus = None
            self._set_up.clear()
