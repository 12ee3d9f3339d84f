"""Golden files: one exposition per collector in tests/golden, re-recorded with RECORD_GOLDEN=1 and reviewed by diff."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check_golden(collector: str, text: str) -> None:
    """Compare with (or record) tests/golden/<collector>.prom."""
    file = FOLDER / f"{collector}.prom"
    if os.environ.get("RECORD_GOLDEN"):
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")
