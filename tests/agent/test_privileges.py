"""What is missing is told from the kernel's own word."""

from pathlib import Path

import pytest

from agent.privileges import missing
from collectors.machine import Machine


@pytest.mark.parametrize(
    ("bits", "wireless", "names"),
    [
        ("000001ffffffffff", True, []),
        ("0000000000000000", False, ["CAP_NET_RAW"]),
        ("0000000000000000", True, ["CAP_NET_RAW", "CAP_NET_ADMIN"]),
        ("0000000000002000", True, ["CAP_NET_ADMIN"]),
        ("0000000000002000", False, []),
    ],
)
def test_missing(tmp_path: Path, bits: str, wireless: bool, names: list[str]) -> None:  # noqa: FBT001
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text(f"Name:\tagent\nCapPrm:\t0\nCapEff:\t{bits}\n")
    assert [capability.name for capability in missing(Machine(tmp_path), wireless=wireless)] == names


def test_a_system_without_capabilities_lacks_none(tmp_path: Path) -> None:
    assert missing(Machine(tmp_path), wireless=True) == []
