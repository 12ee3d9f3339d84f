"""The process's beginning and end: signals, an event loop, and an end in time whatever hangs.

`asyncio.run` waits for every task and thread at the end, so that one collector which swallows its cancellation, or one
thread in a dead network mount, would keep the agent from stopping until its supervisor kills it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)
STOP_WITHIN = 1.8
CANCEL_WITHIN = 0.2


def on_signals(stop: Callable[[], None], reload: Callable[[], None]) -> None:
    """SIGTERM and SIGINT stop, SIGHUP reloads; to be called inside the running loop.

    Plain handlers instead of the loop's: they run even when a collector holds the loop, and start the clock by which
    the process ends.
    """
    loop = asyncio.get_running_loop()

    def ended(*_: object) -> None:
        timer = threading.Timer(STOP_WITHIN, _force)
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(stop)

    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGINT, ended)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(reload))


def _force() -> None:
    log.warning("did not stop in time, ended by force")
    logging.shutdown()
    os._exit(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` in a loop of its own; what is left of tasks and threads then is cancelled, and abandoned if it hangs."""
    loop = asyncio.new_event_loop()
    threads = concurrent.futures.ThreadPoolExecutor(max_workers=8, thread_name_prefix="agent")
    loop.set_default_executor(threads)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(work)
    finally:
        left = _cancel(loop)
        threads.shutdown(wait=False, cancel_futures=True)
        left += _join(CANCEL_WITHIN)
        if left:
            log.warning("abandoned", extra={"hanging": ",".join(left)})
            logging.shutdown()
            sys.stdout.flush()
            if sys.exc_info()[0] is None:
                os._exit(0)
        else:
            asyncio.set_event_loop(None)
            loop.close()


def _cancel(loop: asyncio.AbstractEventLoop) -> list[str]:
    """Cancel every task that is left; the names of those that do not heed it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if not tasks:
        return []
    _, hanging = loop.run_until_complete(asyncio.wait(tasks, timeout=CANCEL_WITHIN))
    return [task.get_name() for task in hanging]


def _join(seconds: float) -> list[str]:
    """Wait for the threads of the pool; the names of those that go on."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("agent_")]
    for thread in ours:
        thread.join(seconds / len(ours))
    return [thread.name for thread in ours if thread.is_alive()]
