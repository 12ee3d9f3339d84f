"""Recordings of real devices for snmpsim: those beside the repository, and those of the package snmpsim-data."""

from __future__ import annotations

import bz2
import os
import re
from importlib import resources
from pathlib import Path

LARGEST = 200_000
"""Octets of a file of snmpsim-data, as it is packed; larger ones need gigabytes to serve."""


def shared() -> Path | None:
    """The folder of recordings beside the repository, None where there is none."""
    given = os.environ.get("COMMUNE_SHARED")
    folders = [Path(given)] if given else [parent / "shared" for parent in Path(__file__).resolve().parents]
    return next((folder / "data/snmp" for folder in folders if (folder / "data/snmp").is_dir()), None)


def unpack_packaged(target: Path) -> list[str]:
    """Write the recordings of snmpsim-data; gives their names, such as `network_switch_cisco-c3560`."""
    root = Path(str(resources.files("snmpsim_data"))) / "data"
    names = []
    for path in sorted(root.rglob("*.snmprec*")):
        if path.stat().st_size >= LARGEST or path.suffix not in {".snmprec", ".bz2"}:
            continue
        raw = path.read_bytes()
        content = bz2.decompress(raw) if path.suffix == ".bz2" else raw
        name = re.sub(r"\.snmprec(\.bz2)?$", "", str(path.relative_to(root))).replace("/", "_")
        (target / f"{name}.snmprec").write_bytes(content)
        names.append(name)
    return names


def copy_shared(target: Path) -> list[str]:
    """Copy the recordings beside the repository; gives their names."""
    source = shared()
    if source is None:
        return []
    names = []
    for path in sorted(source.glob("*.snmprec")):
        (target / path.name).write_bytes(path.read_bytes())
        names.append(path.stem)
    return names
