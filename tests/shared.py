"""Finds the recordings that lie beside the repository; a test that needs them is skipped, loudly, where there are none."""

import os
from pathlib import Path

import pytest


def shared(name: str) -> Path:
    """A file or folder below `shared/`, found by COMMUNE_SHARED or in a folder above this repository."""
    given = os.environ.get("COMMUNE_SHARED")
    folders = [Path(given)] if given else [parent / "shared" for parent in Path(__file__).resolve().parents]
    for folder in folders:
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"no shared/{name} above this repository; set COMMUNE_SHARED")
