"""Four days at a site, as the checks told them: the golden reports and screens are made of these.

Statuses, details and suspects are those of real runs in the network laboratory; the edges are the product's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.diagnose.checks import build
from agent.diagnose.graph import Outcome, Result, Status, Suspect
from agent.diagnose.history import remember
from agent.diagnose.judge import judge
from agent.diagnose.report import Diagnosis
from tests.agent.diagnose.grounds import ground
from tests.goldens import FOLDER

STARTED = 1_772_586_720.0
"""4 March 2026, 08:12 in Vietnam."""
SITE = {"province": "lam-dong", "commune": "24781", "site": "main", "name": "Phường Xuân Hương, Đà Lạt", "instance": "counter-1"}
PASS, WARN, FAIL, SKIP = Status.PASS, Status.WARN, Status.FAIL, Status.SKIP
PORTALS = ("dichvucong.gov.vn", "xacthuc.dichvucong.gov.vn", "sso.dancuquocgia.gov.vn", "ocsp.ca.gov.vn")
WELL = {
    "disk": "/ 28%",
    "memory": "6 GiB / 8 GiB",
    "cpu": "12%",
    "clock": "+0.2 s",
    "interface:eth0": "up, 1 Gbit/s, full duplex",
    "address:eth0": "192.168.1.10/24",
    "route": "192.168.1.1 (eth0)",
    "gateway:eth0": "192.168.1.1 0.4 ms",
    "gateway-quality:eth0": "0% loss, 0.4 ms ±0.1 ms",
    "duplicate:eth0": "192.168.1.10",
    "dhcp:eth0": "192.168.1.1",
    "uplink:eth0": "2/2 12 ms",
    "captive:eth0": "",
    "quality:eth0": "0% loss, 12 ms ±0.8 ms",
    "saturation:eth0": "77 kbit/s / 76 kbit/s",
    "mtu:eth0": "1500 bytes",
    "dns:192.168.1.1": "1.3 ms",
    **{f"service:{portal}": "200 64 ms" for portal in PORTALS},
}
UNTESTED = Outcome(SKIP, "no test, no contract")
DOWN = {"eth0": Outcome(FAIL, "no carrier", {"up": False}, (Suspect("interface.down", "eth0"),))}


def _error(name: str) -> Outcome:
    suspect = Suspect("service.error", name, {"status": "500"}, stands_on=("captive:eth0", "dns:192.168.1.1"))
    return Outcome(FAIL, "status 500", {"status": 500}, (suspect,))


CARRIER = {"carrier": ""}
LOSS = {"loss": "11%", "interval": "7.3%-16%", "carrier": ""}
SCENES: Mapping[str, Mapping[str, Outcome]] = {
    "healthy": {},
    "cable-out": {"interface:eth0": DOWN["eth0"], "clock": Outcome(SKIP, "no reference")},
    "line-down": {
        "uplink:eth0": Outcome(FAIL, "0/2 (1.1.1.1, 8.8.8.8)", {}, (Suspect("link.down", "eth0", CARRIER),)),
        "dns:192.168.1.1": Outcome(WARN, "192.168.1.1: no answer within 2 s", {}, holds=False),
        "clock": Outcome(SKIP, "no reference"),
    },
    "loss-and-portal-500": {
        "quality:eth0": Outcome(FAIL, "11% loss, 12 ms ±0.9 ms", {}, (Suspect("wan.lossy", "eth0", LOSS),), holds=True),
        **{f"service:{portal}": _error(portal) for portal in PORTALS},
    },
}


def scene(name: str, root: Path, translate: Callable[[str], str]) -> Diagnosis:
    """The diagnosis of that day, told in a language."""
    told = SCENES[name]
    results: dict[str, Result] = {}
    for check in build(ground(root)):
        gone = [edge for edge in check.needs if edge in results and not results[edge].outcome.carries]
        if check.needs_any and not any(results[edge].outcome.carries for edge in check.needs_any):
            gone += check.needs_any
        lost = Outcome(SKIP, ", ".join(gone)) if gone else None
        usual = Outcome(PASS, WELL[check.id]) if check.id in WELL else UNTESTED
        results[check.id] = Result(check, lost or told.get(check.id, usual), 0.1)
    findings = judge(results)
    down = {"metric": "commune_link_up", "labels": {"link": "eth0"}}
    rows = [{**down, "value": value, "time": STARTED - 60 * ago} for value, ago in ((0, 47), (1, 40), (0, 12), (1, 9), (0, 2))]
    history = remember(findings, {"changes": rows}, STARTED, translate, {"192.168.1.1": "eth0"})
    return Diagnosis(SITE, STARTED, 5.4, findings, results, history)


def same_as_recorded(text: str, name: str) -> None:
    """Compare with (or record) tests/golden/diagnose/<name>."""
    file = FOLDER / "diagnose" / name
    if os.environ.get("RECORD_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), name
