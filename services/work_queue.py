"""Where requests wait for their turn: one worker thread, so that the event loop stays free to answer health checks."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.problems import RETRY_AFTER_S, HttpProblem

LONGEST_QUEUE = 64  # at a few milliseconds each, whoever comes later could not be answered in time
_T = TypeVar("_T")


class WorkQueue:
    """Runs calls one after the other in a thread of its own and refuses more than ``limit`` at once."""

    def __init__(self, limit: int = LONGEST_QUEUE) -> None:
        self._limit = limit
        self._inside = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="requests")

    async def run(self, function: Callable[..., _T], *args: object) -> _T:
        """Return what ``function`` returns; raises `HttpProblem` 503 while the queue is full."""
        if self._inside >= self._limit:
            raise HttpProblem(
                503,
                "overloaded",
                f"{self._limit} requests are waiting already.",
                remedy="Send the same request again in a moment, or add an instance of this service.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        finally:
            self._inside -= 1

    def close(self) -> None:
        """Let the running call end."""
        self._thread.shutdown(wait=True)
