"""How this computer's last session ended: by an orderly shutdown, or because it lost power (or hung, or was reset).

The agent keeps one small record, `boot.json` in its state directory: the running boot, whether the agent stopped
cleanly in it, and the verdict on the session before. At the first start in a new boot the verdict is found from the
first of these that tells:

1. wtmp, where the distribution still writes it: systemd enters every orderly shutdown there. It knows nothing of the
   agent, so it is right even when the agent was killed, or stopped by hand hours before the power went.
2. The agent's own record: it was stopped cleanly and not started again. Normally the shutdown stopped it; when an
   administrator did and the power failed later, the verdict errs towards `orderly`, since a false alarm is worse.
3. The persistent journal: journald renames a file that it finds unclosed to `….journal~`. A new one since the last
   boot means that nobody closed it; none means that the agent alone was killed.
4. None of these: the agent was running when the session ended and nothing says that it ended well: `unclean`.

Boots that passed while the agent was not enabled are not judged; the very first start knows no session before.
Everything is compared by boot id and by name, never by time: a power cut is when clocks are wrong.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from collectors.machine import Machine
from collectors.wire.utmp import last_ended_orderly, parse_events

BOOT_ID = "/proc/sys/kernel/random/boot_id"
RECORD = "boot.json"
WTMP = "/var/log/wtmp"
JOURNAL = "/var/log/journal"


class Ending(enum.StrEnum):
    """How the session before this boot ended; `unknown` at the agent's first start on this computer."""

    ORDERLY = "orderly"
    UNCLEAN = "unclean"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Boot:
    """This boot as seen by the agent.

    Attributes:
        id: the kernel's boot id.
        previous: how the session before it ended.
        is_first_start: the agent had not run in this boot before.
        agent_stopped: the agent's last run, in this boot or the one before, ended by a clean stop.
        unclean: how many sessions have ended uncleanly since the agent first ran on this computer; kept beside the
            verdict in one file, so that no power cut, however soon, is lost or counted twice.
    """

    id: str
    previous: Ending
    is_first_start: bool
    agent_stopped: bool
    unclean: int


def examine(machine: Machine, state_dir: Path | None) -> Boot | None:
    """What is known of this boot and of how the last session ended; changes nothing.

    `is_first_start` is true until `begin`, all else stays the same through a boot. None where there is no boot id (not Linux) or no state directory to remember in.
    """
    boot_id = machine.read_or_none(BOOT_ID)
    if not boot_id or state_dir is None:
        return None
    record = _load(state_dir)
    stopped = record.get("stopped") is True
    unclean = count if isinstance(count := record.get("unclean"), int) else 0
    if record.get("boot_id") == boot_id:
        return Boot(boot_id, _ending(record.get("previous")), is_first_start=False, agent_stopped=stopped, unclean=unclean)
    known = isinstance(record.get("boot_id"), str)
    previous = _judge(machine, record, stopped=stopped) if known else Ending.UNKNOWN
    return Boot(boot_id, previous, is_first_start=True, agent_stopped=stopped, unclean=unclean + (previous is Ending.UNCLEAN))


def begin(machine: Machine, state_dir: Path | None) -> Boot | None:
    """`examine`, and remember that the agent runs in this boot.

    Raises:
        OSError: the record cannot be written.
    """
    boot = examine(machine, state_dir)
    if boot is not None and state_dir is not None:
        _save(state_dir, boot, _dirty_journals(machine), stopped=False)
    return boot


def end(machine: Machine, state_dir: Path | None) -> None:
    """Remember that the agent stopped cleanly.

    Raises:
        OSError: the record cannot be written.
    """
    boot = examine(machine, state_dir)
    if boot is not None and state_dir is not None:
        _save(state_dir, boot, _dirty_journals(machine), stopped=True)


def _judge(machine: Machine, record: Mapping[str, object], *, stopped: bool) -> Ending:
    try:
        orderly = last_ended_orderly(parse_events(machine.path(WTMP).read_bytes()))
    except OSError:
        orderly = None
    if orderly is not None:
        return Ending.ORDERLY if orderly else Ending.UNCLEAN
    if stopped:
        return Ending.ORDERLY
    before, now = record.get("dirty_journals"), _dirty_journals(machine)
    if isinstance(before, list) and now is not None:
        return Ending.UNCLEAN if set(now) - set(map(str, before)) else Ending.ORDERLY
    return Ending.UNCLEAN


def _dirty_journals(machine: Machine) -> list[str] | None:
    """System journals that were found unclosed; None without a persistent journal."""
    files = [name for folder in machine.entries(JOURNAL) for name in machine.entries(f"{JOURNAL}/{folder}")]
    if not any(name.startswith("system") for name in files):
        return None
    return [name for name in files if name.startswith("system") and name.endswith(".journal~")]


def _ending(word: object) -> Ending:
    try:
        return Ending(str(word))
    except ValueError:
        return Ending.UNKNOWN


def _load(state_dir: Path) -> dict[str, object]:
    try:
        record = json.loads((state_dir / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _save(state_dir: Path, boot: Boot, dirty: list[str] | None, *, stopped: bool) -> None:
    record = {
        "boot_id": boot.id,
        "previous": boot.previous,
        "stopped": stopped,
        "unclean": boot.unclean,
        "dirty_journals": dirty,
    }
    temporary = state_dir / f"{RECORD}.new"
    with temporary.open("w", encoding="utf-8") as handle:
        json.dump(record, handle)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(state_dir / RECORD)
