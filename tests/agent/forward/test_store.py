"""Power cuts: all writes and fsyncs of a spooling process are recorded, then replayed with what was not synchronised lost.

A disk may have written any subset of what was not synchronised, in any order, and single sectors of it. Whatever it was,
every reading that the spool had acknowledged by then must be there, and the file must not even look damaged.
"""

from __future__ import annotations

import asyncio
import os
import random
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.forward.spool import FILE, Spool

ROOT = Path(__file__).parents[3]
CUTS = 2000 if os.environ.get("SOAK") else 120
SECTOR = 512
CHILD = """
import os, sys
from pathlib import Path
from agent.forward.samples import Row
from agent.forward.spool import Spool
from tests.agent.forward.spool_child import SERIES
folder = Path(sys.argv[1])
acks = os.open(folder / "acks", os.O_WRONLY | os.O_CREAT)
spool = Spool(folder, max_bytes=64 * 2**20, max_age=1e9)
spool._thread.submit(lambda: spool._disks.stores[0].db.execute("PRAGMA wal_autocheckpoint = 12").fetchall()).result()
for number in range(400):
    spool.append([Row(0, None, number, [(series, float(number)) for series in SERIES])])
    spool.flush().result()
    os.pwrite(acks, number.to_bytes(8, "little"), 0)
    if number % 50 == 49:
        spool._thread.submit(lambda: spool._disks.stores[0].compact(10**12, enough=40)).result()
os._exit(0)
"""


class Operation(NamedTuple):
    """One recorded call."""

    kind: str
    path: str
    offset: int
    data: bytes


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Operation]]:
    folder = tmp_path_factory.mktemp("power")
    library, log, spool = folder / "recorder.so", folder / "log", folder / "spool"
    spool.mkdir()
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library, Path(__file__).with_name("recorder.c"), "-ldl"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library), "RECORD_LOG": str(log), "RECORD_FOLDER": str(spool)}
    subprocess.run([sys.executable, "-c", CHILD, str(spool)], check=True, env=environment, cwd=ROOT)
    data, position, found = log.read_bytes(), 0, []
    while position < len(data):
        kind = chr(data[position])
        offset, path_length, length = struct.unpack_from("<QQQ", data, position + 1)
        position += 25
        path = data[position : position + path_length].decode()
        position += path_length
        found.append(Operation(kind, Path(path).name, offset, data[position : position + length]))
        position += length
    return folder, found


def test_the_recording_holds_writes_syncs_and_acknowledgements(recorded: tuple[Path, list[Operation]]) -> None:
    kinds = {(operation.kind, operation.path) for operation in recorded[1]}
    assert {("w", FILE), ("s", FILE), ("w", f"{FILE}-wal"), ("s", f"{FILE}-wal"), ("w", "acks")} <= kinds


def test_no_power_cut_takes_back_what_was_acknowledged(recorded: tuple[Path, list[Operation]], tmp_path: Path) -> None:
    operations = recorded[1]
    generator = random.Random(11)
    first_ack = next(number for number, operation in enumerate(operations) if operation.path == "acks")
    for run in range(CUTS):
        cut = generator.randrange(first_ack + 1, len(operations))
        folder = tmp_path / str(run)
        folder.mkdir()
        acknowledged = _replay(operations[:cut], folder, generator)
        spool = Spool(folder, max_bytes=64 * 2**20, max_age=1e9)
        parcel = asyncio.run(spool.fetch(limit=10**9))
        spool.close()
        assert not (folder / "spool.damaged").exists(), f"cut at {cut}"
        assert parcel is not None
        for times, values in parcel.batch.columns.values():
            assert times[: acknowledged + 1] == list(range(acknowledged + 1)), f"cut at {cut}"
            assert values == [float(time) for time in times]


def _replay(operations: list[Operation], folder: Path, generator: random.Random) -> int:
    """Files as a disk may hold them after the last of these operations; returns the last acknowledgement."""
    synced = {}
    for number, operation in enumerate(operations):
        if operation.kind == "s":
            synced[operation.path] = number
    any_sync = max(synced.values(), default=-1)  # a journalling file system commits earlier names with any of them
    files: dict[str, bytearray] = {}
    acknowledged = -1
    lose = generator.choice([0.0, 0.3, 0.7, 1.0])
    for number, operation in enumerate(operations):
        if operation.path == "acks":
            acknowledged = int.from_bytes(operation.data, "little")
        elif operation.path.endswith("-shm"):
            continue
        elif operation.kind == "d":
            if number < any_sync or generator.random() >= lose:
                files.pop(operation.path, None)
        elif operation.kind == "t":
            content = files.setdefault(operation.path, bytearray())
            if number < synced.get(operation.path, -1) or generator.random() >= lose:
                del content[operation.offset :]
                content.extend(bytes(operation.offset - len(content)))
        elif operation.kind == "w":
            sure = number < synced.get(operation.path, -1)
            content = files.setdefault(operation.path, bytearray())
            for begin in range(0, len(operation.data), SECTOR):
                if sure or generator.random() >= lose:
                    piece = operation.data[begin : begin + SECTOR]
                    offset = operation.offset + begin
                    content.extend(bytes(max(0, offset + len(piece) - len(content))))
                    content[offset : offset + len(piece)] = piece
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return acknowledged
