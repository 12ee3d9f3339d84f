"""Runs a module of ours in a process of its own: for libraries that are too heavy to stay in the resident agent.

The job goes in as JSON on standard input, the answer comes out as JSON on standard output. Whatever goes wrong, the
process is gone when the deadline is: it is killed, and reaped.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from collectors.model import Reason

_ROOT = str(Path(__file__).parents[2])


class ChildError(Exception):
    """The process gave no result; `reason` and the message say why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


async def run_module(module: str, job: dict[str, Any], deadline: float) -> dict[str, Any]:
    """Run `python -m module` on a job and return its answer.

    Args:
        module: full name; it reads one JSON value and prints one, `{"reason": …, "detail": …}` for a failure.
        job: what to do.
        deadline: seconds for everything, the start of the interpreter included.

    Raises:
        ChildError: it reported a reason, died, or ran out of time (`Reason.DEADLINE`).
    """
    # Safe path: a module of the same name in the current directory is not ours (-P), but this package is.
    path = os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH", "")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(json.dumps(job).encode()), deadline)
    except TimeoutError:
        message = f"{module} did not end within {deadline:g} s"
        raise ChildError(Reason.DEADLINE, message) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = errors.decode(errors="replace").strip().splitlines()
        message = f"{module} ended with status {process.returncode}: {said[-1] if said else 'it said nothing'}"
        raise ChildError(Reason.INTERNAL, message)
    if "reason" in answer:
        raise ChildError(Reason(answer["reason"]), str(answer.get("detail", "")))
    return answer
