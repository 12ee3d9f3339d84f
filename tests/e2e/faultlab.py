"""The diagnosis held to account: every fault in its site, the verdict that comes out, and the score (`make faultlab`).

Each worker has a laboratory of its own, so that a fault in one never shows in another.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from agent.diagnose.graph import NO_TIME
from tests.e2e.captured import CAPTURED
from tests.e2e.corners import CORNERS
from tests.e2e.devices import DEVICES
from tests.e2e.faults import FAULTS, Bench, Fault
from tests.e2e.liars import LIARS
from tests.e2e.magnitudes import MAGNITUDES
from tests.e2e.pairs import PAIRS
from tests.e2e.unseen import HARMLESS, UNSEEN
from tests.e2e.variations import ODDITIES, VARIATIONS
from tests.netlab import Lab, Province

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "diagnosis.md"
AGENT = (str(Path(sys.executable).parent / "agent"),)
REPEATS = 3
BEGIN, END = "<!-- score -->", "<!-- end of score -->"


@contextlib.contextmanager
def _nothing(_: Bench) -> Iterator[None]:
    yield


HEALTHY = (
    Fault("healthy: single uplink", (None,), _nothing),
    Fault("healthy: two uplinks at the computer", (None,), _nothing, {"uplinks": "pc"}),
    Fault("healthy: two uplinks behind the router", (None,), _nothing, {"uplinks": "router"}),
    Fault("healthy: IPv6, static", (None,), _nothing, {"ipv6": True}),
    Fault("healthy: IPv6, router advertisements", (None,), _nothing, {"ipv6": "ra"}),
    Fault("healthy: behind a proxy", (None,), _nothing, {"proxy": True}),
)


@dataclass(frozen=True)
class Trial:
    """One diagnosis: what came out (the document), how long the command took, and how often it had to be repeated."""

    fault: Fault
    document: dict[str, Any]
    seconds: float
    repeats: int = 0

    @property
    def verdict(self) -> str | None:
        """The code that was told first."""
        return self.document.get("verdict")

    @property
    def codes(self) -> list[str]:
        """All findings, in order."""
        return [finding["code"] for finding in self.document.get("findings", ())]

    @property
    def told(self) -> set[str]:
        """All findings, and what they explain."""
        return {*self.codes, *(code for finding in self.document.get("findings", ()) for code in finding["explains"])}

    @property
    def right(self) -> bool:
        """The verdict is the fault's, and what must stand beside it does; a healthy site has no finding at all."""
        well = self.document.get("healthy", False) and set(self.codes) <= set(self.fault.beside)
        clean = self.fault.verdicts != (None,) or well
        return self.verdict in self.fault.verdicts and clean and set(self.fault.beside) <= self.told


class Workshop:
    """A laboratory with one province; sites are made when a fault first needs their kind."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self._lab = lab
        self._directory = directory
        self._province = Province(lab)
        self._benches: dict[str, Bench] = {}

    def bench(self, fault: Fault) -> Bench:
        """A healthy site of the kind that the fault needs."""
        wanted = {"uplinks": "one", **fault.site}
        key = json.dumps(wanted, sort_keys=True)
        if key not in self._benches:
            self._benches[key] = Bench(self._lab, self._province, self._province.site(**wanted), self._directory)
            if wanted.get("ipv6") == "ra":
                time.sleep(3)  # until the router has announced itself
        bench = self._benches[key]
        bench.config = fault.config
        return bench

    def trial(self, fault: Fault, *arguments: str) -> Trial:
        """Inject, diagnose, heal; once more, and told so, where a busy machine left the command no time to measure."""
        for repeats in range(REPEATS + 1):
            trial = replace(self._once(fault, *arguments), repeats=repeats)
            if trial.right or not any(check["detail"] == NO_TIME for check in trial.document.get("checks", ())):
                break
        return trial

    def _once(self, fault: Fault, *arguments: str) -> Trial:
        bench = self.bench(fault)
        with fault.inject(bench):
            begin = time.monotonic()
            try:
                document, _ = bench.diagnose(AGENT, *arguments)
            except AssertionError as error:
                document = {"verdict": f"no answer: {error}"[:2000]}
            return Trial(fault, document, time.monotonic() - begin)


def run(faults: Iterable[Fault], *arguments: str, workers: int = 3, tell: Callable[[Trial], None] | None = None) -> list[Trial]:
    """Every fault once, on several sites at a time.

    Raises:
        Exception: the laboratory's own; the first one of any worker.
    """
    waiting: Queue[tuple[int, Fault]] = Queue()
    for item in enumerate(faults):
        waiting.put(item)
    done: dict[int, Trial] = {}
    errors: list[Exception] = []

    def work() -> None:
        try:
            with Lab() as lab, tempfile.TemporaryDirectory(prefix="faultlab-") as directory:
                workshop = Workshop(lab, Path(directory))
                while not errors:
                    number, fault = waiting.get_nowait()
                    done[number] = workshop.trial(fault, *arguments)
                    if tell is not None:
                        tell(done[number])
        except Empty:
            pass
        except Exception as error:  # told by the caller's thread
            errors.append(error)

    threads = [threading.Thread(target=work, name=f"workshop-{number}") for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [done[number] for number in sorted(done)]


def score(trials: Sequence[Trial]) -> str:
    """The table of docs/diagnosis.md."""
    others = (*UNSEEN, *VARIATIONS, *MAGNITUDES, *LIARS, *CORNERS, *HARMLESS, *ODDITIES)
    groups = [
        ("faults of the contract", FAULTS),
        ("captured faults (figures of the computer altered)", CAPTURED),
        ("devices (SNMP)", DEVICES),
        ("unlisted faults of the same kinds", [fault for fault in others if fault.verdicts != (None,)]),
        ("two faults at once", PAIRS),
        ("healthy sites", HEALTHY),
        ("oddities with which everything works", [fault for fault in others if fault.verdicts == (None,)]),
    ]
    lines = ["| | kinds | runs | right | false alarms | seconds: least | median | most |", "|---|---|---|---|---|---|---|---|"]
    for title, members in groups:
        mine = [trial for trial in trials if trial.fault in members]
        if not mine:
            continue
        seconds = [trial.seconds for trial in mine]
        alarms = sum(trial.fault.verdicts == (None,) and not trial.right for trial in mine)
        kinds = len({trial.fault.name for trial in mine})
        lines.append(
            f"| {title} | {kinds} | {len(mine)} | {sum(trial.right for trial in mine)} | {alarms} "
            f"| {min(seconds):.1f} | {statistics.median(seconds):.1f} | {max(seconds):.1f} |"
        )
    repeated = sum(trial.repeats for trial in trials)
    lines += ["", f"Repeated, since the machine left no time to measure: {repeated}."] if repeated else []
    lines += ["", "| fault | verdict | right | seconds, median |", "|---|---|---|---|"]
    for fault in dict.fromkeys(trial.fault for trial in trials):
        mine = [trial for trial in trials if trial.fault is fault]
        verdicts = ", ".join(dict.fromkeys(str(trial.verdict or "none")[:40] for trial in mine))
        middle = statistics.median(trial.seconds for trial in mine)
        lines.append(f"| {fault.name} | {verdicts} | {sum(t.right for t in mine)}/{len(mine)} | {middle:.1f} |")
    return "\n".join(lines) + "\n"


def write(page: Path, table: str) -> None:
    """Put the table where the page wants it."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    page.write_text(f"{head}{BEGIN}\n{table}{END}{tail}", encoding="utf-8")


EVERY = (*FAULTS, *CAPTURED, *DEVICES, *UNSEEN, *VARIATIONS, *MAGNITUDES, *LIARS, *CORNERS, *PAIRS, *HARMLESS, *ODDITIES)


def main() -> int:
    """Run the suite, print its score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="of each healthy site")
    parser.add_argument("--fault-runs", type=int, default=1, help="of each fault")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--only", default="", help="faults whose name holds this; several separated by |")
    parser.add_argument("--quick", action="store_true", help="diagnose with --quick")
    parser.add_argument("--verbose", action="store_true", help="show the checks of every run")
    parser.add_argument("--write", action="store_true", help="write the table into docs/diagnosis.md")
    chosen = parser.parse_args()
    faults = [*EVERY * chosen.fault_runs, *HEALTHY * chosen.runs]
    if chosen.only:
        faults = [fault for fault in faults if any(part in fault.name for part in chosen.only.split("|"))]

    def tell(trial: Trial) -> None:
        print(
            "right" if trial.right else "WRONG",
            trial.fault.name,
            trial.verdict,
            trial.codes,
            f"{trial.seconds:.1f} s",
            f"after {trial.repeats} without time" if trial.repeats else "",
            flush=True,
        )
        if chosen.verbose or not trial.right:
            for check in trial.document.get("checks", ()):
                print(f"      {check['id']} {check['status']} {check['detail']} {check['seconds']:.1f}", flush=True)

    trials = run(faults, *(["--quick"] if chosen.quick else []), workers=chosen.workers, tell=tell)
    table = score(trials)
    print(table)
    if chosen.write:
        write(PAGE, table)
    return 0 if all(trial.right for trial in trials) else 1


if __name__ == "__main__":
    sys.exit(main())
