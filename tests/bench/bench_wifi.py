"""What the Wi-Fi collector costs beside the agent, on answers of a real kernel that hears forty networks.

`.venv/bin/python -m tests.bench.bench_wifi`; the recording is tests/fixtures/wifi/crowd.json. The defaults are a look at
the link every minute and a scan every five.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.wifi_replay import cost

RUNS = 5


def main() -> None:
    measured = []
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            measured.append(cost(Path(folder)))
    octets, scan, link, share = (statistics.median(column) for column in zip(*measured, strict=True))
    print(f"memory beside the agent          {octets / 2**20:6.2f} MiB (limit 12)")
    print(f"a look with a scan of 40 networks {scan * 1e3:5.1f} ms CPU")
    print(f"a look at the link               {link * 1e3:6.2f} ms CPU")
    print(f"at the defaults                  {share * 100:6.4f} % of a core (limit 0.2)")


if __name__ == "__main__":
    main()
