"""Calls that block in the kernel or the C library (getaddrinfo, statvfs), kept away from the event loop and from the exit.

An executor will not do: it has few threads, so that a dead resolver or file server would hold up every other call, and
the interpreter joins its threads at exit, so that the agent could not stop within its two seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


def begin(function: Callable[[], ResultT], name: str) -> asyncio.Future[ResultT]:
    """Call `function` in a daemon thread; the future takes its result or its exception.

    Cancelling the future lets go of the result; the thread ends when the call does.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[ResultT] = loop.create_future()

    def deliver(result: ResultT | None, error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]  # None only beside an error, or as the result itself

    def work() -> None:
        result, error = None, None
        try:
            result = function()
        except Exception as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(deliver, result, error)
        except RuntimeError:  # the loop closed meanwhile
            return

    threading.Thread(target=work, name=name, daemon=True).start()
    return answer
