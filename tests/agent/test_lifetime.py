"""A clean life: up in well under a second, gone within two, whatever hangs."""

import signal
from pathlib import Path

import pytest

from tests.agent.running import QUIET, running

INSTALL = """
import dataclasses, collectors, agent.plan
from tests.agent import collectors_for_tests as bad
kinds = (*collectors.KINDS, collectors.Kind("testing", None, None, bad.METRICS, lambda *_: {instances}))
agent.plan.KINDS = kinds
defaults = agent.plan.plan
agent.plan.plan = lambda settings, context: defaults(dataclasses.replace(settings, kinds={{**settings.kinds, "testing": None}}), context)
import agent.app
agent.app.plan = agent.plan.plan
"""
SLEEP = "(lambda: __import__('asyncio').to_thread(__import__('time').sleep, 30))"


@pytest.mark.timing
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_and_down(tmp_path: Path, number: int) -> None:
    with running(tmp_path) as agent:
        status, seconds = agent.end(number)
        assert (status, seconds < 2) == (0, True)
        log = agent.log.read_text()
    assert "msg=running" in log
    assert log.splitlines()[-1].endswith("msg=stopped")
    assert "Traceback" not in log


@pytest.mark.timing
def test_up_in_well_under_a_second_of_processor_time(tmp_path: Path) -> None:
    with running(tmp_path) as agent:
        fields = Path(f"/proc/{agent.process.pid}/stat").read_text().rpartition(")")[2].split()
        spent = (int(fields[11]) + int(fields[12])) / 100
    assert spent < 1.5  # 0.7 s on an idle core; the machine that runs the tests may be slower


@pytest.mark.timing
@pytest.mark.parametrize(
    "instances",
    [
        "[bad.Testing('a', bad.hang, deadline=60)]",
        "[bad.Testing(str(n), bad.hang_on, deadline=60) for n in range(5)]",
        f"[bad.Testing('a', {SLEEP}, deadline=60)]",
        "[bad.Testing('a', lambda: __import__('time').sleep(30), deadline=60)]",
    ],
    ids=["hangs", "swallows its cancellation", "hangs in a thread", "holds the loop"],
)
def test_gone_within_two_seconds_whatever_hangs(tmp_path: Path, instances: str) -> None:
    holds = "time').sleep(30), deadline" in instances and "to_thread" not in instances
    with running(tmp_path, QUIET, script=INSTALL.format(instances=instances), wait=not holds) as agent:
        if holds:
            import time

            while "msg=running" not in agent.log.read_text():
                time.sleep(0.05)
            time.sleep(0.5)  # the first run begins
        status, seconds = agent.end()
        assert (status, seconds < 2) == (0, True), agent.log.read_text()
        assert "Traceback" not in agent.log.read_text()


def test_a_kind_that_cannot_be_built_is_told_and_the_others_run(tmp_path: Path) -> None:
    script = INSTALL.format(instances="1/0")
    with running(tmp_path, QUIET, script=script) as agent:
        import time

        for _ in range(100):
            rows = {row["collector"]: row for row in agent.status()["instances"]}
            if rows["testing"]["runs"] and rows["agent"]["runs"]:
                break
            time.sleep(0.1)
        assert (rows["testing"]["reason"], rows["testing"]["detail"]) == ("internal", "division by zero")
        assert rows["agent"]["reason"] is None
        assert agent.end()[0] == 0
