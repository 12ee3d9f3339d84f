"""What the last throughput test of each uplink found, for those who judge by it without loading the line themselves."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Rates:
    """Octets per second by uplink name ("" for the default route) and direction ("download", "upload")."""

    found: dict[tuple[str, str], float] = field(default_factory=dict)

    async def close(self) -> None:
        """Nothing is held open."""
