"""`python -m dashboards.build`: writes the generated files anew; `--check` says which are out of date instead."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.build import board_commune, boards, boards_more, boards_service, panels, rules

ROOT = Path(__file__).parent.parent
BOARDS = (
    boards.PROVINCE,
    board_commune.COMMUNE,
    boards.UPLINKS,
    boards_more.WIFI,
    boards_more.DEVICES,
    boards_more.PORTALS,
    boards_service.AGENTS,
    boards_service.SLA,
)


def generated() -> dict[Path, str]:
    """Every generated file with its content."""
    found = {ROOT / "rules" / name: text for name, text in rules.files().items()}
    found |= {ROOT / "grafana" / f"{board.uid}.json": panels.render(board) for board in BOARDS}
    return found | {ROOT / "rules" / "tests" / name: text for name, text in rules.tests().items()}


def main(arguments: list[str]) -> int:
    """Write, or compare."""
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{path}: out of date; run `python -m dashboards.build`\n")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(generated()[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
