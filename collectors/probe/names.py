"""Names to addresses through the system's resolver, without ever waiting for it.

With a dead resolver `getaddrinfo` hangs for half a minute and cannot be interrupted. Each name has at most one lookup
under way, which all who ask for it share.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from functools import partial

from collectors.probe.blocking import begin

_under_way: dict[tuple[str, int, int], asyncio.Future[list[str]]] = {}


def is_address(text: str) -> bool:
    """Text that is an IP address and needs no resolver."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


async def resolve(name: str, family: int = 0, *, deadline: float = 5.0) -> list[str]:
    """The addresses of a name, in the order of the system's preference (RFC 6724); an address gives itself.

    Args:
        name: a host name or an IP address.
        family: 4, 6 or 0 for both.
        deadline: seconds to wait; the lookup itself may go on, and whoever asks next takes its result.

    Raises:
        TimeoutError: the resolver did not answer in time.
        OSError: it answered that there is no such name or no such address (`socket.gaierror`).
    """
    if is_address(name):
        return [name]
    key = (name, family, id(asyncio.get_running_loop()))
    lookup = _under_way.get(key)
    if lookup is None or lookup.done():
        lookup = _under_way[key] = begin(partial(_look_up, name, family), f"resolve {name}")
        lookup.add_done_callback(partial(_ended, key))
    return await asyncio.wait_for(asyncio.shield(lookup), deadline)


def _look_up(name: str, family: int) -> list[str]:
    domain = {4: socket.AF_INET, 6: socket.AF_INET6}.get(family, socket.AF_UNSPEC)
    try:
        found = socket.getaddrinfo(name, None, domain, socket.SOCK_DGRAM)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, "it is no valid name") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _ended(key: tuple[str, int, int], lookup: asyncio.Future[list[str]]) -> None:
    _under_way.pop(key, None)
    if not lookup.cancelled():
        lookup.exception()  # nobody may be waiting for it any more
