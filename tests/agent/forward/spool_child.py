"""A process that spools readings and says which of them are durable, until it is killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from agent.forward.samples import Description, Row
from agent.forward.spool import Spool

SERIES = [Description((("__name__", f"s{number}"),), "gauge") for number in range(5)]


def main() -> None:
    """Write rows of increasing number; print a number only when it and all before it are durable."""
    directory, begin = Path(sys.argv[1]), int(sys.argv[2])
    spool = Spool(directory, max_bytes=64 * 2**20, max_age=1e9)
    number = begin
    while True:
        for _ in range(3):
            spool.append([Row(0, None, number, [(series, float(number)) for series in SERIES])])
            number += 1
        if number % 60 == begin % 60:
            spool._thread.submit(spool._disks.maintain, 10**9, 1e9)
        spool.flush().result()
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        time.sleep(0.0005)


if __name__ == "__main__":
    main()
