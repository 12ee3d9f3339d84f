"""Runs a coroutine function of a test module inside a node of the laboratory, in a process of its own as the agent is.

What a node's /proc, /sys and sockets say then is what a computer there would find, and not the test's own machine.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.netlab import Node

ROOT = Path(__file__).parents[1]


def inside(node: Node, body: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, timeout: float = 90.0) -> Any:
    """Call `body(*arguments)` in the node; arguments and result travel as JSON."""
    command = [sys.executable, "-m", "tests.inlab", body.__module__, body.__name__, json.dumps(arguments)]
    done = node.run(command, timeout=timeout, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, name, given = sys.argv[1:4]
    print(json.dumps(asyncio.run(getattr(importlib.import_module(module), name)(*json.loads(given)))))
