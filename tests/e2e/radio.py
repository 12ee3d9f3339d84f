"""The agent with a radio that answers as a real kernel did (tests/fixtures/wifi): a network namespace has none of its own.

`python -m tests.e2e.radio SILENT run -c FILE`: while the file SILENT is there, no network is heard and none is joined, as
when the access point has lost its power. Everything else is the agent as it is installed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from agent.cli import main
from collectors import wifi
from collectors.machine import Machine
from collectors.probe.nl80211 import Nl80211
from collectors.probe.radio import Radio
from tests.wifi_replay import Replay, computer

_JOINED_TO, _HEARD = 17, 32  # NL80211_CMD_GET_STATION, NL80211_CMD_GET_SCAN
_DONE = 3  # NLMSG_DONE


def begin(silent: Path, arguments: list[str]) -> None:
    """Run the agent with the recorded radio."""

    class Air(Replay):
        """What the kernel recorded; its lists are empty while nothing is heard."""

        answers = Replay.load("crowd").answers

        async def send(self, octets: bytes) -> None:
            await super().send(octets)
            if silent.exists() and self.asked[-1] in {_JOINED_TO, _HEARD}:
                self._queue = [datagram for datagram in self._queue if int.from_bytes(datagram[4:6], sys.byteorder) == _DONE]

    with tempfile.TemporaryDirectory() as folder:
        root = computer(Path(folder))

        def radio(machine: Machine) -> Radio:
            return Nl80211(Machine(root, machine.clock), Air)

        setattr(wifi, "has_wireless", lambda _machine: True)  # noqa: B010  names that the module does not offer to others
        setattr(wifi, "open_radio", radio)  # noqa: B010
        main(arguments)


if __name__ == "__main__":
    begin(Path(sys.argv[1]), sys.argv[2:])
